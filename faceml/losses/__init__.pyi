from .angular_margin import (
    AdaFace as AdaFace,
    AngularMargin as AngularMargin,
    ArcFace as ArcFace,
    CosFace as CosFace,
    build_angular_margin as build_angular_margin,
)
from .expression import (
    build_class_weights as build_class_weights,
    expression_cross_entropy as expression_cross_entropy,
)
from .landmarks import build_landmark_loss as build_landmark_loss, masked_mse as masked_mse
from .weighting.base import FixedWeighting as FixedWeighting, TaskWeighting as TaskWeighting
from .weighting.build import build_weighting as build_weighting
from .weighting.uncertainty import (
    KendallWeighting as KendallWeighting,
    RevisedWeighting as RevisedWeighting,
    UncertaintyWeighting as UncertaintyWeighting,
)
