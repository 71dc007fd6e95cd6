"""Images that crash, hang or hold up the native detector, for real: in its process, and by their names."""

from dataclasses import dataclass
from pathlib import Path

SITE = """
import sys

if "faceml.tables.extraction_server" in sys.orig_argv:
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
            ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock, as the worst native code does
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
    """What images of these names do: crash, flaky, hang, raise, outage, wait.

    One named `wait` holds up its detector until it is released, and with it the end of the job.

    Attributes:
        folder: Of the module that Python imports when it starts with this folder on its path.
    """

    folder: Path

    @property
    def holds(self) -> bool:
        """Whether a detector has come to an image that waits."""
        return (self.folder / "waiting").exists()

    def release(self) -> None:
        """Let images that wait, and those to come, be seen."""
        (self.folder / "released").touch()

    def reset(self) -> None:
        """Let images wait again."""
        for name in ("waiting", "released"):
            (self.folder / name).unlink(missing_ok=True)


def write_poison(
    folder: Path, module: str = "faceml.landmarks.extractor", name: str = "LandmarkExtractor"
) -> Poison:
    """Write the module into a folder.

    Args:
        folder: Where to.
        module: Module of the row extractor.
        name: Name of its class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE.format(module=module, name=name))
    return Poison(folder)
