from .answer_files import write_answers as write_answers
from .arms import (
    ArmComparison as ArmComparison,
    ArmStudy as ArmStudy,
    compare_arms as compare_arms,
    images_to_reach as images_to_reach,
)
from .comparison import (
    Comparison as Comparison,
    categorical_keys as categorical_keys,
    setting_values as setting_values,
)
from .importance import (
    INSTALL as INSTALL,
    Importance as Importance,
    can_measure_importance as can_measure_importance,
    chance_share as chance_share,
    is_enough as is_enough,
    measure_importance as measure_importance,
)
from .scores import (
    VERIFICATION as VERIFICATION,
    epochs_to_train as epochs_to_train,
    search_score as search_score,
)
from .seed_groups import (
    MARGIN as MARGIN,
    TrialGroup as TrialGroup,
    group_seeds as group_seeds,
    has_repeats as has_repeats,
)
from .trial import (
    SEED as SEED,
    Trial as Trial,
    format_setting as format_setting,
    format_settings as format_settings,
    ordered_values as ordered_values,
    outcomes as outcomes,
    ranked as ranked,
    setting_keys as setting_keys,
    setting_name as setting_name,
)
from .trial_files import write_trials as write_trials
from .verdicts import (
    ONE_SEED as ONE_SEED,
    Answer as Answer,
    find_answers as find_answers,
    format_p_value as format_p_value,
    join_names as join_names,
    needed_replicates as needed_replicates,
    no_verdict as no_verdict,
    search_answer as search_answer,
    verdict as verdict,
    verdict_lines as verdict_lines,
)
