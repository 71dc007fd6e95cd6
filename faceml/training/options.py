"""Options of the training loop."""

from dataclasses import dataclass
from typing import Literal

from faceml.training.precision import Precision


@dataclass(frozen=True)
class TrainerOptions:
    """Options of a training beside its data, network and optimiser.

    Attributes:
        seed: Seed of the whole training.
        metric_prefix: Prefix of the names of the evaluation's metrics.
        selected_by: Metric of the evaluation that selects the best epoch.
        is_minimised: Whether its lower values are better.
        log_every_steps: Steps between two reports to the observer.
        gradient_norms_every_steps: Steps between two computations of the objective's diagnostics.
        accumulate_batches: Batches per step, whose gradients are accumulated.
        freeze_backbone_epochs: First epochs in which the backbone does not change; its learning rate is 0.
        patience_epochs: Epochs without a better `selected_by` after which training stops; None: never.
        max_grad_norm: Largest norm of the gradient, above which it is clipped.
        ema_decay: Decay of the moving average of the weights, which is evaluated and saved in their place.
        precision: Precision of forward and backward pass.
        on_nonfinite: Reaction to a non-finite gradient: `stop` the training, or `skip` the step.
    """

    seed: int = 0
    metric_prefix: str = "val"
    selected_by: str = "accuracy"
    is_minimised: bool = False
    log_every_steps: int = 20
    gradient_norms_every_steps: int = 200
    accumulate_batches: int = 1
    freeze_backbone_epochs: int = 0
    patience_epochs: int | None = None
    max_grad_norm: float | None = None
    ema_decay: float | None = None
    precision: Precision = "fp32"
    on_nonfinite: Literal["stop", "skip"] = "stop"
