"""Images at whose names the detector process crashes, hangs, raises an error or waits."""

from dataclasses import dataclass
from pathlib import Path

SITE = """
import sys

if "faceml.extraction.extraction_server" in sys.orig_argv:
    import ctypes
    import os
    import signal
    import time
    from pathlib import Path

    from {module} import {name} as extractor

    true_detect = extractor.detect
    folder = Path(__file__).parent
    flaked = folder / "flaked"

    def detect(self, file, data):
        name = Path(file.path).stem
        if name == "crash" or (name == "flaky" and not flaked.exists()):
            flaked.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "hang":
            ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock, as native code may
        if name == "raise":
            raise RuntimeError("the detector does not like this image")
        if name == "outage":
            raise OSError("the store gives no answer")
        if name == "wait":
            (folder / "waiting").touch()
            while not (folder / "released").exists():
                time.sleep(0.02)
        return true_detect(self, file, data)

    extractor.detect = detect
"""


@dataclass(frozen=True)
class Poison:
    """Control of the faults at images named crash, flaky, hang, raise, outage and wait.

    At an image named `wait` the detector waits until it is released, and so does the job.

    Attributes:
        folder: Folder of the module that Python imports at start if the folder is on its path.
    """

    folder: Path

    @property
    def holds(self) -> bool:
        """True if a detector has reached an image named `wait`."""
        return (self.folder / "waiting").exists()

    def release(self) -> None:
        """Release waiting detectors, and let none wait from now on."""
        (self.folder / "released").touch()

    def reset(self) -> None:
        """Let detectors wait again."""
        for name in ("waiting", "released"):
            (self.folder / name).unlink(missing_ok=True)


def write_poison(
    folder: Path, module: str = "faceml.landmarks.extractor", name: str = "LandmarkExtractor"
) -> Poison:
    """Write the module into a folder.

    Args:
        folder: Folder to write to.
        module: Module of the row extractor.
        name: Name of its class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE.format(module=module, name=name))
    return Poison(folder)
