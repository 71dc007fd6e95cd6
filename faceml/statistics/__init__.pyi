from .agreement import (
    concordance as concordance,
    concordance_interval as concordance_interval,
    root_mean_square_interval as root_mean_square_interval,
)
from .means import (
    MOST_REPLICATES as MOST_REPLICATES,
    MeanDifference as MeanDifference,
    difference_of_best as difference_of_best,
    holm as holm,
    mean_interval as mean_interval,
    paired_difference as paired_difference,
    replicates_needed as replicates_needed,
    student_interval as student_interval,
)
from .proportions import (
    Estimate as Estimate,
    Interval as Interval,
    difference_of_shares as difference_of_shares,
    paired_difference_of_shares as paired_difference_of_shares,
    wilson_interval as wilson_interval,
)
from .variance import share_within_groups as share_within_groups
