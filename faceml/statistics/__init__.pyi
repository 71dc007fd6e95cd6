from .means import (
    MOST_REPLICATES as MOST_REPLICATES,
    MeanDifference as MeanDifference,
    holm as holm,
    mean_interval as mean_interval,
    paired_difference as paired_difference,
    replicates_needed as replicates_needed,
    unpaired_difference as unpaired_difference,
)
from .proportions import (
    Interval as Interval,
    ShareDifference as ShareDifference,
    difference_of_shares as difference_of_shares,
    paired_difference_of_shares as paired_difference_of_shares,
    paired_shares_interval as paired_shares_interval,
    wilson_interval as wilson_interval,
)
