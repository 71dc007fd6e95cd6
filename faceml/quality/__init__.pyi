from .findings import (
    ExtractionQuality as ExtractionQuality,
    assess_quality as assess_quality,
    read_quality as read_quality,
)
from .landmarks import (
    ANGLES as ANGLES,
    BIN_DEG as BIN_DEG,
    MOST_DEG as MOST_DEG,
    NUM_LANDMARKS as NUM_LANDMARKS,
    PERCENTILES as PERCENTILES,
    TURNED_DEG as TURNED_DEG,
    AngleSpread as AngleSpread,
    Implausible as Implausible,
)
from .overlap import (
    LeakageAudit as LeakageAudit,
    NearPair as NearPair,
    Overlap as Overlap,
    audit_leakage as audit_leakage,
)
