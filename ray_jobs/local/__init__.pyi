from . import (
    demo as demo,
    evaluation as evaluation,
    export as export,
    forgetting as forgetting,
    machine_check as machine_check,
    prediction as prediction,
    synthesis as synthesis,
)
