"""Where the time of an extraction went."""

from collections.abc import Mapping
from dataclasses import dataclass

SAYINGS: Mapping[str, str] = {
    "detect": "the detector is the limit: more CPUs make it faster",
    "decode": "decoding is the limit: smaller images, or landmarker.decode: reduced, make it faster",
    "write": "writing the table is the limit: a faster place for output.table makes it faster",
    "read": "reading is the limit: a faster place for data.root makes it faster",
    "idle": "detectors waited: there is too little work for so many, or the machine is busy otherwise",
}


@dataclass(frozen=True)
class ExtractionSpeed:
    """Times of the detector processes of one extraction, in seconds summed over them.

    Attributes:
        images: Looked at.
        span_s: From the first image's start to the last shard's end.
        detectors: Processes, also those that joined later.
        there_s: How long they were there, each from its first image's start to the last shard's end.
        detect_s: In the detector.
        decode_s: Decoding.
        write_s: Writing shards.
        busy_s: Of detectors at images: decoding, in the detector or reading.
    """

    images: int = 0
    span_s: float = 0.0
    detectors: int = 0
    there_s: float = 0.0
    detect_s: float = 0.0
    decode_s: float = 0.0
    write_s: float = 0.0
    busy_s: float = 0.0

    @property
    def images_per_second(self) -> float:
        """Of all detectors together; 0 if there was nothing to do."""
        return self.images / self.span_s if self.span_s > 0 else 0.0

    def shares(self) -> dict[str, float]:
        """Return for each stage its share of the detectors' time, together 1; empty if nothing was done."""
        total_s = self.there_s
        if total_s <= 0:
            return {}
        waited_s = max(0.0, total_s - self.busy_s)
        write_s = min(self.write_s, waited_s)  # the rest was written while the detector was at the next shard
        return {
            "detect": self.detect_s / total_s,
            "decode": self.decode_s / total_s,
            "read": max(0.0, self.busy_s - self.detect_s - self.decode_s) / total_s,
            "write": write_s / total_s,
            "idle": (waited_s - write_s) / total_s,
        }

    def bottleneck(self) -> str:
        """Say in a sentence where the time went; empty if nothing was done."""
        shares = self.shares()
        if not shares:
            return ""
        parts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        limit = SAYINGS[max(shares, key=lambda name: shares[name])]
        return f"Time of the {self.detectors} detectors: {parts}. {limit[0].upper()}{limit[1:]}."
