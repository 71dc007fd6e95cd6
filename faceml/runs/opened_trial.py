"""A trial in the hands of the process that trains it, whose folder may lie in a store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from faceml.metrics import ConfusionMatrix
from faceml.runs.run_folder import RunFolder
from faceml.runs.trial_folder import CHECKPOINT_FOLDER, TrialFolder
from faceml.runs.working_copy import WorkingCopy, put_file
from faceml.storage import translate_outage
from faceml.training import STATE_FILE, Metrics


class OpenedTrial:
    """Keep what a training brings, in the trial's folder as soon as it is there.

    Args:
        folder: Of the trial.
        copy: Its files on this machine.
        run_folder: Keeps the records among those.
    """

    def __init__(self, folder: TrialFolder, copy: WorkingCopy, run_folder: RunFolder) -> None:
        self._folder = folder
        self._copy = copy
        self._run_folder = run_folder

    @property
    def path(self) -> Path:
        """Where other files of the trial are written; they are in its folder with the next record."""
        return self._copy.path

    def add(self, epoch: int, metrics: Metrics, confusion: ConfusionMatrix | None) -> None:
        """Add the record of an epoch; it replaces records from this epoch on, which a resume repeats."""
        self._run_folder.add(epoch, metrics, confusion)
        self._copy.push()

    def save_checkpoint(self, save: Callable[[Path], None]) -> None:
        """Keep the state to go on from, in place of an older one.

        A store gets no more than what a trial goes on from: nobody uses the model beside it.

        Args:
            save: Writes the state into a folder of this machine.
        """
        folder = self._folder.folder
        if folder.is_local:
            save(Path(folder.uri, CHECKPOINT_FOLDER))
            return
        with TemporaryDirectory() as path:
            save(Path(path))
            with translate_outage(folder.uri):
                put_file(Path(path, STATE_FILE), folder, f"{CHECKPOINT_FOLDER}/{STATE_FILE}")


@contextmanager
def open_trial(folder: TrialFolder) -> Iterator[OpenedTrial]:
    """Give a trial to the process that trains it; on a clean exit all its files are in its folder.

    Of a folder in a store the process has a copy of its own: other trials may be trained on this machine.
    """
    with ExitStack() as stack:
        is_local = folder.folder.is_local
        path = None if is_local else Path(stack.enter_context(TemporaryDirectory()), folder.name)
        copy = WorkingCopy(folder.place, path)
        copy.fetch()
        with RunFolder(copy.path) as run_folder:
            yield OpenedTrial(folder, copy, run_folder)
        copy.push()
