from .files import (
    BEST_MODEL_FILE as BEST_MODEL_FILE,
    CONFIG_FILE as CONFIG_FILE,
    CONFUSION as CONFUSION,
    MODEL_CARD_FILE as MODEL_CARD_FILE,
    PAIRS_FILE as PAIRS_FILE,
    PEOPLE_FILE as PEOPLE_FILE,
    PREDICTIONS_FILE as PREDICTIONS_FILE,
    QUALITY_FILE as QUALITY_FILE,
    REPORT_FILE as REPORT_FILE,
    SUMMARY_FILE as SUMMARY_FILE,
    read_metrics as read_metrics,
    read_summary as read_summary,
    write_config as write_config,
    write_metrics as write_metrics,
    write_summary as write_summary,
)
from .lineage import SeenBy as SeenBy, runs_that_saw as runs_that_saw
from .opened_trial import OpenedTrial as OpenedTrial, open_trial as open_trial
from .run_folder import (
    RunFolder as RunFolder,
    epoch_record as epoch_record,
    write_nonfinite_step as write_nonfinite_step,
)
from .tracker import NoTracking as NoTracking, Tracking as Tracking
from .tracking import build_tracking as build_tracking
from .trial_folder import (
    FailureNoted as FailureNoted,
    Outcome as Outcome,
    TrialFolder as TrialFolder,
    in_one_line as in_one_line,
)
from .working_copy import WorkingCopy as WorkingCopy, put_file as put_file
