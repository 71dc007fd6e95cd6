"""Full disk for Ray's worker processes, simulated by a limit of the size of files."""

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
            time.sleep(0.05)
        # Ray's logs are smaller, checkpoints are larger.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    threading.Thread(target=wait, daemon=True).start()
"""


@dataclass(frozen=True)
class FullDisk:
    """Control of the simulated disk.

    Attributes:
        folder: Folder of the module that Python imports at start if the folder is on its path.
    """

    folder: Path

    def fill_with(self, file: Path) -> None:
        """Limit files to a megabyte as soon as this file exists; the workers check for it."""
        (self.folder / "event").write_text(str(file))


def write_full_disk(folder: Path) -> FullDisk:
    """Write the module into a new folder."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(SITE)
    return FullDisk(folder)
