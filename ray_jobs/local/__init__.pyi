from . import (
    forgetting as forgetting,
    machine_check as machine_check,
)
