from .means import (
    MOST_REPLICATES as MOST_REPLICATES,
    MeanDifference as MeanDifference,
    difference_of_best as difference_of_best,
    holm as holm,
    mean_interval as mean_interval,
    paired_difference as paired_difference,
    replicates_needed as replicates_needed,
)
from .proportions import (
    Estimate as Estimate,
    Interval as Interval,
    difference_of_shares as difference_of_shares,
    paired_difference_of_shares as paired_difference_of_shares,
    paired_shares_interval as paired_shares_interval,
    wilson_interval as wilson_interval,
)
from .variance import share_within_groups as share_within_groups
