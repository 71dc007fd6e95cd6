"""Construction of task weightings from the configuration."""

from collections.abc import Mapping
from typing import Literal

from faceml.config import ConstantWeighting, WeightingConfig
from faceml.losses.weighting.adaptive import (
    DynamicWeightAverage,
    FastAdaptiveWeighting,
    GeometricWeighting,
    RandomWeighting,
    SoftOptimalWeighting,
)
from faceml.losses.weighting.base import FixedWeighting, TaskWeighting
from faceml.losses.weighting.gradients import ConflictFreeWeighting, DualBalancingWeighting
from faceml.losses.weighting.uncertainty import KendallWeighting, RevisedWeighting, UncertaintyWeighting

Likelihood = Literal["classification", "regression"]


def build_weighting(
    config: WeightingConfig, likelihoods: Mapping[str, Likelihood], seed: int = 0
) -> TaskWeighting:
    """Build the weighting of any number of tasks.

    `kind` is one of:

    * `fixed`: constant weights;
    * `pcgrad`: constant weights and projection of conflicting gradients (Yu et al. 2020);
    * `uncertainty`, `uncertainty_kendall`, `uncertainty_revised`: learned uncertainties (Kendall et al. 2018;
      Liebel & Körner 2018);
    * `uw_so`: uncertainties computed from the losses (Kirchdorfer et al. 2024);
    * `dwa`: dynamic weight average (Liu et al. 2019);
    * `rlw`: random loss weighting (Lin et al. 2022);
    * `famo`: fast adaptive multitask optimisation (Liu et al. 2023);
    * `gls`: geometric mean of the losses (Chennupati et al. 2019);
    * `db_mtl`: log losses and gradients of equal norm (Lin et al. 2023).

    A task alone has a constant weight: that of `fixed` and `pcgrad`, else 1.

    Args:
        config: Kind and its settings.
        likelihoods: Likelihood of each task by its name, for `uncertainty_kendall`: classification if the
            loss is a cross-entropy, else regression.
        seed: Seed of `rlw` and `pcgrad`.
    """
    tasks = list(likelihoods)
    given = config.weights() if isinstance(config, ConstantWeighting) else {}
    lambdas = {task: given.get(task, 1.0) for task in tasks}
    weighting: TaskWeighting
    if config.kind == "fixed" or len(tasks) == 1:
        weighting = FixedWeighting(lambdas)
    elif config.kind == "pcgrad":
        weighting = ConflictFreeWeighting(lambdas, seed)
    elif config.kind == "dwa":
        weighting = DynamicWeightAverage(tasks, config.temperature)
    elif config.kind == "rlw":
        weighting = RandomWeighting(tasks, seed)
    elif config.kind == "famo":
        weighting = FastAdaptiveWeighting(tasks, config.learning_rate, config.decay)
    elif config.kind == "uw_so":
        weighting = SoftOptimalWeighting(tasks, config.temperature)
    elif config.kind == "gls":
        weighting = GeometricWeighting(tasks)
    elif config.kind == "db_mtl":
        weighting = DualBalancingWeighting(tasks, config.decay, config.decay_exponent)
    elif config.kind == "uncertainty_kendall":
        classification = [task for task in tasks if likelihoods[task] == "classification"]
        regression = [task for task in tasks if likelihoods[task] == "regression"]
        weighting = KendallWeighting(
            classification, regression, config.initial_log_var, config.max_abs_log_var
        )
    else:
        learned = UncertaintyWeighting if config.kind == "uncertainty" else RevisedWeighting
        weighting = learned(tasks, config.initial_log_var, config.max_abs_log_var)
    return weighting
