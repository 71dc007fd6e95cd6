import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceml.errors import StoppedError
from faceml.extraction.extractor_process import ExtractorProcess
from faceml.extraction.row_extractor import Row
from faceml.landmarks.extractor import LandmarkExtractor
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.options import DetectorOptions, ExtractorSettings
from faceml.storage.folder import StorageFolder
from faceml.storage.listing import StoredFile
from faceml.synthetic.generate import generate_faces
from tests.fragile_extractor import FragileSettings
from tests.poison import write_poison

Listing = list[StoredFile]


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("portraits")
    generate_faces(root / "faces", "affectnet", {"train": 6}, image_size_px=128, seed=3, processes=1)
    return sorted((root / "faces" / "train").rglob("*.jpg"))


@pytest.fixture
def lay_out(portraits: list[Path], tmp_path: Path) -> Callable[..., Listing]:
    """Return a function that gives faces the names wanted and lists them in this order."""

    def copy(*names: str) -> Listing:
        for name, portrait in zip(names, portraits * len(names), strict=False):
            shutil.copy(portrait, tmp_path / f"{name}.jpg")
        listed = {file.path: file for file in StorageFolder(tmp_path).walk()}
        return [listed[f"{name}.jpg"] for name in names]

    return copy


@pytest.fixture
def settings(tmp_path: Path, model_bundle: Path) -> ExtractorSettings:
    return ExtractorSettings(str(tmp_path), DetectorOptions(model_bundle), timeout_s=2.0)


@pytest.fixture
def poison(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(write_poison(tmp_path_factory.mktemp("poison")).folder))


def statuses(rows: list[list[Row]]) -> dict[str, str]:
    return {Path(row["image_id"]).stem: row["status"] for (row,) in rows}


def test_extract_rows__equal_those_of_an_extractor_in_this_process(
    lay_out: Callable[..., Listing], settings: ExtractorSettings, detector: MediaPipeDetector
) -> None:
    files = lay_out("a", "b", "c")
    extractor, root = LandmarkExtractor(detector, reduce=True), StorageFolder(settings.root)
    with ExtractorProcess(settings) as process:
        made = list(process.extract_rows(files))
    for (row,), file in zip(made, files, strict=True):
        (expected,) = extractor.detect(file, root.read(file.path))
        assert row.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(row[key], value)


@pytest.mark.usefixtures("poison")
def test_extract_rows__an_image_that_crashes_or_hangs_the_detector_costs_itself_alone(
    lay_out: Callable[..., Listing], settings: ExtractorSettings
) -> None:
    with ExtractorProcess(settings, max_attempts=2) as process:
        made = list(process.extract_rows(lay_out("a", "crash", "b", "hang", "c", "raise", "d")))
    poisoned = {"crash": "crashed", "hang": "timed_out", "raise": "crashed"}
    assert statuses(made) == {name: poisoned.get(name, "ok") for name in ("a", "b", "c", "d", *poisoned)}
    assert list(statuses(made)) == ["a", "crash", "b", "hang", "c", "raise", "d"]


@pytest.mark.usefixtures("poison")
def test_extract_rows__an_image_that_crashes_the_detector_once_is_extracted(
    lay_out: Callable[..., Listing], settings: ExtractorSettings
) -> None:
    with ExtractorProcess(settings, max_attempts=2) as process:
        assert statuses(list(process.extract_rows(lay_out("flaky", "a")))) == {"flaky": "ok", "a": "ok"}


@pytest.mark.usefixtures("poison")
def test_extract_rows__a_store_that_gives_no_answer_is_no_images_fault(
    lay_out: Callable[..., Listing], settings: ExtractorSettings
) -> None:
    with (
        ExtractorProcess(settings) as process,
        pytest.raises(RuntimeError, match=r"the store gives no answer"),
    ):
        list(process.extract_rows(lay_out("a", "outage", "b")))


@pytest.mark.usefixtures("poison")
def test_extract_rows__crashes_without_end_are_not_the_images_fault(
    lay_out: Callable[..., Listing], settings: ExtractorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceml.extraction.extractor_process.MAX_CONSECUTIVE_CRASHES", 2)
    (file,) = lay_out("crash")
    with (
        ExtractorProcess(settings, max_attempts=1) as process,
        pytest.raises(RuntimeError, match="2 images in a row"),
    ):
        list(process.extract_rows([file] * 3))


def test_extract_rows__timeouts_without_end_name_their_limit(
    lay_out: Callable[..., Listing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceml.extraction.extractor_process.MAX_CONSECUTIVE_CRASHES", 2)
    files = lay_out("slow_1", "slow_2")
    with (
        ExtractorProcess(FragileSettings(str(tmp_path), "hang"), max_attempts=1) as process,
        pytest.raises(StoppedError, match=r"^2 images in a row take longer than timeout_s, 0\.3 s, .*slow_2"),
    ):
        list(process.extract_rows(files))


def test_extract_rows__a_process_that_is_killed_between_images_is_replaced(
    lay_out: Callable[..., Listing], settings: ExtractorSettings
) -> None:
    files = lay_out("a", "b", "c")
    with ExtractorProcess(settings) as process:
        list(process.extract_rows(files[:1]))
        os.kill(process.pid, signal.SIGKILL)
        assert statuses(list(process.extract_rows(files[1:]))) == {"b": "ok", "c": "ok"}


def test_extract_rows__a_process_takes_so_many_images_and_no_more(
    lay_out: Callable[..., Listing], settings: ExtractorSettings
) -> None:
    pids = []
    with ExtractorProcess(settings, images_per_process=2) as process:
        for _ in process.extract_rows(lay_out("a", "b", "c", "d", "e")):
            pids.append(process.pid)
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 1]


def test_extractor_process__leaves_no_process_behind(settings: ExtractorSettings) -> None:
    with ExtractorProcess(settings) as process:
        pid = process.pid
    assert not Path(f"/proc/{pid}").exists()


KILLED_AT_ITS_START = """
import os, signal, sys
from pathlib import Path

if "faceml.extraction.extraction_server" in sys.orig_argv:
    mark = Path(__file__).with_name("killed")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_extractor_process__one_that_is_killed_while_it_starts_is_replaced(
    lay_out: Callable[..., Listing],
    settings: ExtractorSettings,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(KILLED_AT_ITS_START)
    monkeypatch.syspath_prepend(str(site))
    with ExtractorProcess(settings) as process:
        assert statuses(list(process.extract_rows(lay_out("a")))) == {"a": "ok"}
    assert (site / "killed").exists()


def test_extractor_process__says_why_the_process_does_not_start(
    settings: ExtractorSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(settings, detector=DetectorOptions(tmp_path / "missing.task"))
    for wrong, told in (
        (missing, "model_path: no such file"),
        (FragileSettings("", "die"), "does not start"),
    ):
        with pytest.raises(StoppedError, match=told), ExtractorProcess(wrong):
            pass
    monkeypatch.setattr("faceml.extraction.extractor_process.START_TIMEOUT_S", 1.0)
    monkeypatch.setattr("faceml.extraction.extractor_process.CLOSE_TIMEOUT_S", 0.1)
    hanging = FragileSettings("", "hang_at_start")
    with pytest.raises(StoppedError, match="does not start"), ExtractorProcess(hanging):
        pass


@pytest.mark.parametrize(
    ("fault", "told"),
    [("open", r"^model: there is no such file\.$"), ("raise", "^a mistake in the network$")],
)
def test_extract_rows__what_is_no_images_fault_stops_the_work_with_its_reason(
    fault: str, told: str, lay_out: Callable[..., Listing], tmp_path: Path
) -> None:
    files = lay_out("good", "other")
    with (
        pytest.raises(StoppedError, match=told),
        ExtractorProcess(FragileSettings(str(tmp_path), fault)) as process,
    ):
        list(process.extract_rows(files))


def test_extract_rows__a_process_that_no_longer_answers_stops_the_work(
    lay_out: Callable[..., Listing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceml.extraction.extractor_process.READ_TIMEOUT_S", 0.5)
    files = lay_out("good_1", "good_2")
    with ExtractorProcess(FragileSettings(str(tmp_path), "raise"), max_attempts=1) as process:
        assert statuses(list(process.extract_rows(files[:1]))) == {"good_1": "ok"}
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(StoppedError, match=rf"^{tmp_path}: no image could be read within 1 s\.$"):
            list(process.extract_rows(files[1:]))


def test_extract_rows__several_images_that_take_too_long_together_are_tried_one_by_one(
    lay_out: Callable[..., Listing], tmp_path: Path
) -> None:
    files = lay_out("good_1", "slow", "good_2")
    with ExtractorProcess(FragileSettings(str(tmp_path), "hang")) as process:
        found = statuses(list(process.extract_rows(files)))
    assert found == {"good_1": "ok", "slow": "timed_out", "good_2": "ok"}
