from .calibration import Calibration as Calibration, measure_calibration as measure_calibration
from .confusion import ConfusionMatrix as ConfusionMatrix
from .multitask import (
    LandmarkAgreement as LandmarkAgreement,
    expression_metrics as expression_metrics,
    normalized_errors as normalized_errors,
)
from .verification import (
    Floats as Floats,
    ScoredPairs as ScoredPairs,
    bootstrap_interval as bootstrap_interval,
    equal_error_rate as equal_error_rate,
    identification_rates as identification_rates,
    roc_curve as roc_curve,
    true_accepts_at as true_accepts_at,
    verification_accuracy as verification_accuracy,
    weights_of_resampled_people as weights_of_resampled_people,
)
