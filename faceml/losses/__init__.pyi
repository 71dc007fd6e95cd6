from .angular_margin import (
    AdaFace as AdaFace,
    AngularMargin as AngularMargin,
    ArcFace as ArcFace,
    CosFace as CosFace,
    build_angular_margin as build_angular_margin,
)
from .cross_entropy import (
    build_class_weights as build_class_weights,
    cross_entropies as cross_entropies,
)
from .errors import (
    Penalty as Penalty,
    build_error_penalty as build_error_penalty,
    concordance as concordance,
)
from .weighting.base import FixedWeighting as FixedWeighting, TaskWeighting as TaskWeighting
from .weighting.build import build_weighting as build_weighting
from .weighting.uncertainty import (
    KendallWeighting as KendallWeighting,
    RevisedWeighting as RevisedWeighting,
    UncertaintyWeighting as UncertaintyWeighting,
)
