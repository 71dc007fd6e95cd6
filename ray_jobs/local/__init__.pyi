from . import (
    forgetting as forgetting,
    importing as importing,
    machine_check as machine_check,
)
