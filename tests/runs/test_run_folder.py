import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from faceml.config.config_error import ConfigError
from faceml.config.loading import dump_yaml, load_yaml
from faceml.errors import StoppedError
from faceml.page.html import Report
from faceml.runs.files import METRICS_FILE, epoch_record, read_metrics, write_metrics
from faceml.runs.run_folder import RunFolder

CONFUSION = {"val/confusion_matrix": [[3, 1], [0, 2]]}
COUNTS = {"val/confusion_matrix": [[3, 1], [0, 2]]}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]


def test_run_folder__keeps_one_record_for_each_epoch(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "new" / "run") as run:
        assert run.records == []
        run.add_epoch(1, {"train/loss": 0.5}, CONFUSION)
        run.add_epoch(2, {"train/loss": 0.25, "val/accuracy": 1.0}, CONFUSION)
    expected = [
        {"epoch": 1, "train/loss": 0.5, **COUNTS},
        {"epoch": 2, "train/loss": 0.25, "val/accuracy": 1.0, **COUNTS},
    ]
    assert lines(tmp_path / "new" / "run") == run.records == read_metrics(run.path) == expected


def test_run_folder__a_resumed_run_replaces_the_epochs_that_it_repeats(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for epoch in (1, 2, 3):
            run.add_epoch(epoch, {"train/loss": float(epoch)}, CONFUSION)
    with RunFolder(tmp_path) as resumed:
        resumed.add_epoch(2, {"train/loss": 20.0}, CONFUSION)
        assert [(line["epoch"], line["train/loss"]) for line in lines(tmp_path)] == [(1, 1.0), (2, 20.0)]
        resumed.add_epoch(3, {"train/loss": 30.0}, CONFUSION)
    assert [record["train/loss"] for record in read_metrics(tmp_path)] == [1.0, 20.0, 30.0]


def test_run_folder__goes_back_to_the_records_of_a_checkpoint(tmp_path: Path) -> None:
    given = [epoch_record(epoch, {"train/loss": float(epoch)}, CONFUSION) for epoch in (1, 2, 3)]
    write_metrics(given[:1], tmp_path)  # those of epochs 2 and 3 were lost with the process that had them
    with RunFolder(tmp_path) as behind:
        behind.restore_records(given)
    assert behind.records == read_metrics(tmp_path) == given
    assert shown_by_tensorboard(tmp_path) == [(2, "train/loss", 2.0), (3, "train/loss", 3.0)]
    with RunFolder(tmp_path) as ahead:  # the checkpoint of epoch 3 was lost
        ahead.restore_records(given[:2])
    assert ahead.records == read_metrics(tmp_path) == given[:2]
    assert shown_by_tensorboard(tmp_path) == [(2, "train/loss", 2.0)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_run_folder__a_value_that_json_does_not_have_is_null(value: float, tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        run.add_epoch(1, {"val/nme_interocular": value}, CONFUSION)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (tmp_path / METRICS_FILE).read_text()
    assert json.loads(text, parse_constant=refuse) == {"epoch": 1, "val/nme_interocular": None, **COUNTS}


def test_run_folder__the_file_is_whole_after_every_record(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for epoch in range(1, 4):
            run.add_epoch(epoch, {"train/loss": 1.0}, CONFUSION)
            assert len(lines(tmp_path)) == epoch
            assert not list(tmp_path.glob(".*"))


def events_of(file: Path) -> Iterator[Event]:
    data = file.read_bytes()
    while data:  # of each record: length, its checksum, the event, its checksum
        length = int.from_bytes(data[:8], "little")
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def shown_by_tensorboard(folder: Path) -> list[tuple[int, str, float]]:
    """Read all files in their order; a start of a session hides earlier points from its step on."""
    points: list[tuple[int, str, float]] = []
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in events_of(file):
            if event.HasField("session_log") and event.session_log.status == SessionLog.START:
                points = [point for point in points if point[0] < event.step]
            points += [
                (event.step, value.tag, value.simple_value)
                for value in event.summary.value
                if value.HasField("simple_value")
            ]
    return points


def test_run_folder__tensorboard_has_the_metrics_and_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 5\n")
    with RunFolder(tmp_path) as run:
        run.add_epoch(1, {"train/loss": 0.5}, CONFUSION)
        run.add_epoch(2, {"train/loss": 0.25}, CONFUSION)
    assert shown_by_tensorboard(tmp_path) == [(1, "train/loss", 0.5), (2, "train/loss", 0.25)]
    (file,) = tmp_path.glob("events.out.tfevents.*")
    texts = {
        value.tag: value.tensor.string_val[0].decode()
        for event in events_of(file)
        for value in event.summary.value
        if value.tensor.string_val
    }
    assert [text for tag, text in texts.items() if tag.startswith("config")] == ["```yaml\nseed: 5\n```"]


def test_run_folder__tensorboard_shows_an_epoch_that_is_trained_again_once(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for epoch in (1, 2, 3):
            run.add_epoch(epoch, {"train/loss": float(epoch)}, CONFUSION)
        run.add_epoch(3, {"train/loss": 30.0}, CONFUSION)  # a worker was replaced
    with RunFolder(tmp_path) as resumed:
        resumed.add_epoch(2, {"train/loss": 20.0}, CONFUSION)  # all were
        resumed.add_epoch(3, {"train/loss": 40.0}, CONFUSION)
    assert shown_by_tensorboard(tmp_path) == [
        (1, "train/loss", 1.0), (2, "train/loss", 20.0), (3, "train/loss", 40.0)
    ]  # fmt: skip


def test_read_metrics__of_a_folder_without_any_is_empty(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    assert read_metrics(tmp_path / "missing") == []


def test_finish__a_report_that_fails_is_logged_and_does_not_fail_the_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def build_report() -> Report:
        raise ZeroDivisionError("a picture without pixels")

    with RunFolder(tmp_path) as run:
        run.write_summary({"images": 1})
        run.finish(build_report)
    assert not run.is_finished
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith(f"{tmp_path}: report.html could not be written")
    with RunFolder(tmp_path) as again:
        again.finish(lambda: Report("Title", "Answer.", []))
    assert again.is_finished


def test_finish__without_space_the_job_stops(tmp_path: Path) -> None:
    def build_report() -> Report:
        raise StoppedError("no space left")

    with RunFolder(tmp_path) as run, pytest.raises(StoppedError, match="no space left"):
        run.finish(build_report)


def test_begin__a_finished_run_is_extended_by_larger_numbers_lists_and_sections(tmp_path: Path) -> None:
    def begin(config: str) -> bool:
        with RunFolder(tmp_path) as run:
            is_extended = run.check(config, may_grow=("epochs", "seeds", "arms"))
            run.begin(config, may_grow=("epochs", "seeds", "arms"))
            return is_extended

    assert not begin("{weighting: {}, epochs: 3, seeds: [0], arms: {a: {x: 1}}, b: 8}")
    for config, complaint in [
        (
            "{weighting: {}, epochs: 3, seeds: [0], arms: {a: {x: 1}}, b: 8}",
            "Choose another folder or remove it, or continue it with more ",
        ),
        ("{weighting: {}, epochs: 2, seeds: [0], arms: {a: {x: 1}}, b: 8}", "holds a finished run"),
        ("{weighting: {}, epochs: 3, seeds: [1, 2], arms: {a: {x: 1}}, b: 8}", "holds a finished run"),
        (
            "{weighting: {}, epochs: 4, seeds: [0], arms: {a: {x: 1}}, b: 9}",
            "holds a finished run with another b",
        ),
    ]:
        (tmp_path / "report.html").write_text("the results")
        with pytest.raises(ConfigError, match=complaint):
            begin(config)
        assert (tmp_path / "report.html").read_text() == "the results", "nothing is lost"
    assert begin("{weighting: {}, epochs: 5, seeds: [1, 0], arms: {a: {x: 1}}, b: 8}")
    assert not (tmp_path / "report.html").exists(), "until it is finished again"
    assert not begin("{weighting: {}, epochs: 5, seeds: [1, 0], arms: {a: {x: 1}}, b: 8}"), (
        "after an interruption"
    )
    with pytest.raises(ConfigError, match=r"another arms\.a\.x"):
        begin("{weighting: {}, epochs: 5, seeds: [1, 0], arms: {a: {x: 2}, b: {}}, b: 8}")
    assert begin("{weighting: {}, epochs: 5, seeds: [1, 0], arms: {b: {}, a: {x: 1}}, b: 8}")
    with pytest.raises(ConfigError, match="holds an unfinished run with another epochs"):
        begin("{weighting: {}, epochs: 4, seeds: [1, 0], arms: {a: {x: 1}}, b: 8}")


@pytest.mark.parametrize(
    ("before", "changed", "key", "unchanged"),
    [
        ("data: {table: a}", "data: {}", "data.table", "data: {table: a, follow_links: false}"),
        (
            "weighting: {lambdas: {}}",
            "weighting: {lambdas: {b: 2}}",
            "weighting.lambdas.b",
            "weighting: {lambdas: {}}",
        ),
        (
            "data: {where: {}}",
            "data: {where: {split: [train]}}",
            "data.where.split",
            "data: {where: {}, labels: null}",
        ),
        (
            "tasks: {a: {kind: x}}",
            "tasks: {a: {kind: x}, b: {kind: x}}",
            "tasks.b",
            "tasks: {a: {kind: x, loss: mse}}",
        ),
    ],
)
def test_begin__a_setting_that_an_earlier_version_did_not_have_is_no_change(
    before: str, changed: str, key: str, unchanged: str, tmp_path: Path
) -> None:
    def config(section: str) -> str:
        return dump_yaml({"weighting": {}} | load_yaml(section))

    (tmp_path / "config.yaml").write_text(config(before))
    with RunFolder(tmp_path) as run:
        with pytest.raises(ConfigError, match=f"unfinished run with another {re.escape(key)}\\."):
            run.begin(config(changed))
        run.begin(config(unchanged))
