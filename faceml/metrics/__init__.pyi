from .calibration import Calibration as Calibration, measure_calibration as measure_calibration
from .confusion import ConfusionMatrix as ConfusionMatrix
from .label_counts import LabelCounts as LabelCounts
from .landmarks import LandmarkAgreement as LandmarkAgreement
from .localisation import FAILURE_NME as FAILURE_NME, LocalisationErrors as LocalisationErrors
from .normalized_errors import normalized_errors as normalized_errors
from .numbers import NumberAgreement as NumberAgreement
from .paired import (
    PairedMetric as PairedMetric,
    compare_means as compare_means,
    compare_shares as compare_shares,
)
from .score import Score as Score
from .verification import (
    Curve as Curve,
    Floats as Floats,
    FoldResults as FoldResults,
    ScoredPairs as ScoredPairs,
    agree_with_people as agree_with_people,
    area_under_curve as area_under_curve,
    bootstrap_interval as bootstrap_interval,
    equal_error_rate as equal_error_rate,
    identification_rates as identification_rates,
    judge_folds as judge_folds,
    roc_curve as roc_curve,
    true_accepts_at as true_accepts_at,
    verification_accuracy as verification_accuracy,
    weights_of_resampled_people as weights_of_resampled_people,
)
