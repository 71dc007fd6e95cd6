"""A disk that is full from some moment on, for Ray's worker processes: the kernel refuses to write."""

from dataclasses import dataclass
from pathlib import Path

SITE = """
import sys

if any(argument.endswith("default_worker.py") for argument in sys.orig_argv):
    import resource
    import threading
    import time
    from pathlib import Path

    event = Path(__file__).with_name("event")

    def wait():
        while not (event.exists() and Path(event.read_text()).exists()):
            time.sleep(0.01)
        # Logs of Ray are shorter, checkpoints are longer.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    threading.Thread(target=wait, daemon=True).start()
"""


@dataclass(frozen=True)
class FullDisk:
    """A disk with space until it is filled.

    Attributes:
        folder: Of the module that Python imports when it starts with this folder on its path.
    """

    folder: Path

    def fill_with(self, file: Path) -> None:
        """Let no file grow beyond a megabyte once this one is there; the workers themselves look for it."""
        (self.folder / "event").write_text(str(file))


def write_full_disk(folder: Path) -> FullDisk:
    """Write the module into a new folder."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(SITE)
    return FullDisk(folder)
