"""Speed of an extraction and its bottleneck."""

from collections.abc import Mapping
from dataclasses import dataclass

BOTTLENECKS: Mapping[str, str] = {
    "detect": "the detector is the bottleneck: use more CPUs",
    "decode": "decoding is the bottleneck: use smaller images, or landmarker.decode: reduced",
    "write": "writing the table is the bottleneck: use faster storage for output.table",
    "read": "reading is the bottleneck: use faster storage for data.root",
    "idle": "detectors were idle: too few images for this many, or other load on the machine",
}


@dataclass(frozen=True)
class ExtractionSpeed:
    """Times of the detector processes of an extraction.

    Attributes:
        images: Number of images processed.
        span_s: Seconds from the start of the first image to the end of the last shard.
        detectors: Number of processes, including those that started later.
        there_s: Lifetime of all processes, each from its first image to the end of the last shard; this and
            the following are in seconds, summed over the processes.
        detect_s: Time in the detector.
        decode_s: Time of decoding.
        write_s: Time of writing shards.
        busy_s: Time spent on images: reading, decoding and in the detector.
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
        """Throughput of all detectors together; 0 without images."""
        return self.images / self.span_s if self.span_s > 0 else 0.0

    def shares(self) -> dict[str, float]:
        """Return the share of each stage in the detectors' time, which sum to 1; empty without images."""
        total_s = self.there_s
        if total_s <= 0:
            return {}
        waited_s = max(0.0, total_s - self.busy_s)
        write_s = min(self.write_s, waited_s)  # the rest overlapped with detection in the next shard
        return {
            "detect": self.detect_s / total_s,
            "decode": self.decode_s / total_s,
            "read": max(0.0, self.busy_s - self.detect_s - self.decode_s) / total_s,
            "write": write_s / total_s,
            "idle": (waited_s - write_s) / total_s,
        }

    def bottleneck(self) -> str:
        """Return a message on the shares and the bottleneck; empty without images."""
        shares = self.shares()
        if not shares:
            return ""
        parts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        limit = BOTTLENECKS[max(shares, key=lambda name: shares[name])]
        return f"Time of the {self.detectors} detectors: {parts}. {limit[0].upper()}{limit[1:]}."
