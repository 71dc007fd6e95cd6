from .config_changes import changed_keys as changed_keys, grown_keys as grown_keys
from .derived_runs import Derived as Derived, find_derived as find_derived
from .files import (
    BEST_MODEL_FILE as BEST_MODEL_FILE,
    CONFIG_FILE as CONFIG_FILE,
    MODEL_CARD_FILE as MODEL_CARD_FILE,
    PAIRS_FILE as PAIRS_FILE,
    PEOPLE_FILE as PEOPLE_FILE,
    PREDICTIONS_FILE as PREDICTIONS_FILE,
    QUALITY_FILE as QUALITY_FILE,
    REPORT_FILE as REPORT_FILE,
    SUMMARY_FILE as SUMMARY_FILE,
    epoch_record as epoch_record,
    read_metrics as read_metrics,
    read_summary as read_summary,
    write_metrics as write_metrics,
    write_nonfinite_step as write_nonfinite_step,
)
from .lineage import (
    Ancestor as Ancestor,
    find_ancestors as find_ancestors,
    find_setting as find_setting,
    find_split as find_split,
)
from .run_config import refuse_run_folder as refuse_run_folder
from .run_folder import RunFolder as RunFolder
from .tracking import NoTracking as NoTracking, Tracking as Tracking, build_tracking as build_tracking
from .training_data import (
    digest_data as digest_data,
    read_digests as read_digests,
    write_digests as write_digests,
)
from .trial_folder import (
    Outcome as Outcome,
    TrialFolder as TrialFolder,
    in_one_line as in_one_line,
    record_failure as record_failure,
)
