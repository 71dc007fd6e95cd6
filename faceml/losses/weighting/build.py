"""Construction of task weightings from the configuration."""

from faceml.config import FixedWeighting as FixedConfig, PCGradWeighting as PCGradConfig, WeightingConfig
from faceml.losses.weighting.adaptive import DynamicWeightAverage, FastAdaptiveWeighting, RandomWeighting
from faceml.losses.weighting.base import ConflictFreeWeighting, FixedWeighting, TaskWeighting
from faceml.losses.weighting.uncertainty import KendallWeighting, RevisedWeighting, UncertaintyWeighting

CLASSIFICATION, REGRESSION = ["expression"], ["landmarks"]
TASKS = [*CLASSIFICATION, *REGRESSION]


def build_weighting(config: WeightingConfig, seed: int = 0) -> TaskWeighting:
    """Build the weighting of the tasks `expression` (classification) and `landmarks` (regression).

    `kind` is one of:

    * `fixed`: constant weights;
    * `pcgrad`: constant weights and projection of conflicting gradients (Yu et al. 2020);
    * `uncertainty`, `uncertainty_kendall`, `uncertainty_revised`: learned uncertainties (Kendall et al. 2018;
      Liebel & Körner 2018);
    * `dwa`: dynamic weight average (Liu et al. 2019);
    * `rlw`: random loss weighting (Lin et al. 2022);
    * `famo`: fast adaptive multitask optimisation (Liu et al. 2023).

    Args:
        config: Kind and its settings.
        seed: Seed of `rlw`.
    """
    if isinstance(config, FixedConfig | PCGradConfig):
        weighting = FixedWeighting if config.kind == "fixed" else ConflictFreeWeighting
        return weighting({"expression": config.lambda_expression, "landmarks": config.lambda_landmarks})
    if config.kind == "dwa":
        return DynamicWeightAverage(TASKS, config.temperature)
    if config.kind == "rlw":
        return RandomWeighting(TASKS, seed)
    if config.kind == "famo":
        return FastAdaptiveWeighting(TASKS, config.learning_rate, config.decay)
    start, limit = config.initial_log_var, config.max_abs_log_var
    if config.kind == "uncertainty_kendall":
        return KendallWeighting(CLASSIFICATION, REGRESSION, start, limit)
    learned = UncertaintyWeighting if config.kind == "uncertainty" else RevisedWeighting
    return learned(TASKS, start, limit)
