"""What a report shows of an extraction's quality, and what it leaves out."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faceml.config.extract import ExtractConfig
from faceml.config.loading import dump_config, parse_config
from faceml.datasets.image_source import ImageFiles
from faceml.images.decoding import encode_jpeg
from faceml.page.contact_sheet import COLUMNS, TILE_PX, tile_origin
from faceml.page.html import Picture, Report, Section, render_report
from faceml.quality.findings import assess_quality
from faceml.reporting.extraction.quality import quality_sections
from faceml.reporting.extraction.report import extraction_chapter
from faceml.runs.files import QUALITY_FILE
from faceml.storage.atomic import write_text
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
MakeSplit = Callable[..., Path]


def image_bytes(rgb: tuple[int, int, int]) -> bytes:
    return encode_jpeg(np.full((60, 60, 3), rgb, dtype=np.uint8), 95)


@pytest.fixture
def make_split(tmp_path: Path) -> MakeSplit:
    """Write images of one colour each, their table, and the run's config beside it; return the table."""

    def make(
        split: str, images: dict[str, tuple[tuple[int, int, int], int]], *, copies: bool = False
    ) -> Path:
        table, root, rows = tmp_path / "tables" / split, tmp_path / split, []
        for name, (rgb, dhash) in images.items():
            row: dict[str, Any] = {"image_id": name, "folder": name.partition("/")[0], "status": "ok"}
            row |= {"width": 60, "height": 60, "dhash": dhash, "content_sha256": bytes(rgb).ljust(32)}
            row |= {f"landmarks_{n}": [0.4, 0.6] * n for n in (5, 10)}
            row |= {"yaw_deg": 0.0, "pitch_deg": 0.0, "roll_deg": 0.0}
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if copies:
                row["image_jpeg"] = image_bytes(rgb)
            else:
                (root / name).write_bytes(image_bytes(rgb))
            rows.append(row)
        schema = landmark_schema(table_metadata({"name": "drawn"}, {}, "0"), with_image=copies)
        write_shard(rows, schema, table / "part.parquet")
        values = {"data": {"root": str(root)}, "output": {"table": str(table)}}
        config = parse_config(ExtractConfig, values)
        write_text(Path(config.run_folder, "config.yaml"), dump_config(config))
        return table

    return make


def colors(picture: Picture, number: int) -> list[tuple[int, int, int]]:
    """Return the colour of the first `number` tiles of a sheet, in the corner where no landmark is."""
    sheet = np.asarray(Image.open(io.BytesIO(picture.data)))
    corners = [tile_origin(tile, COLUMNS, TILE_PX) for tile in range(number)]
    return [tuple(int(value) // 50 * 50 for value in sheet[y + 8, x + 8] + 5) for x, y in corners]


def section(sections: list[Section], title: str) -> Section:
    return next(section for section in sections if section.title == title)


@pytest.mark.parametrize("copies", [False, True])
def test_quality_sections__pairs_stand_side_by_side(make_split: MakeSplit, copies: bool) -> None:
    train = make_split("train", {"1/r.jpg": (RED, 0), "2/g.jpg": (GREEN, 2**63 | 7)}, copies=copies)
    val = make_split("val", {"3/g.jpg": (GREEN, 2**63 | 3), "1/s.jpg": (RED, 0)})
    quality = assess_quality(val, [str(train)], 2, 0)
    found = section(
        quality_sections(quality, str(val), ImageFiles(val.parents[1] / "val")), "Duplicate images"
    )
    assert len(found.pictures) == 1
    assert colors(found.pictures[0], 4) == [RED, RED, GREEN, GREEN]
    assert "1: happy, 1: train, happy, 2: surprise, 2: train, sad" in found.pictures[0].alt
    assert "2 of 2 images have a near-duplicate in train; 2 are identical files" in found.text[0]
    assert [table.title for table in found.tables][1:] == ["Near-duplicates in train"]


def test_quality_sections__pairs_without_both_images_are_not_drawn(make_split: MakeSplit) -> None:
    train = make_split("train", {"1/r.jpg": (RED, 0), "2/g.jpg": (GREEN, 2**63)})
    val = make_split("val", {"3/g.jpg": (GREEN, 2**63), "1/s.jpg": (RED, 0)})
    quality = assess_quality(val, [str(train)], 2, 0)
    root = val.parents[1] / "val"
    (root.parent / "train" / "1" / "r.jpg").unlink()
    picture = section(quality_sections(quality, str(val), ImageFiles(root)), "Duplicate images").pictures[0]
    assert colors(picture, 2) == [GREEN, GREEN]
    assert picture.alt.startswith("2 images")
    (train.parent / "train_run" / "config.yaml").unlink()
    assert not section(quality_sections(quality, str(val), ImageFiles(root)), "Duplicate images").pictures


def test_quality_sections__one_picture_for_each_file_with_several_labels(make_split: MakeSplit) -> None:
    table = make_split("train", {"1/r.jpg": (RED, 1), "2/s.jpg": (RED, 1), "3/b.jpg": (BLUE, 9)})
    quality = assess_quality(table, [], 2, 0)
    found = section(
        quality_sections(quality, str(table), ImageFiles(table.parents[1] / "train")), "Duplicate images"
    )
    assert [picture.alt.partition(": ")[2] for picture in found.pictures] == ["happy, sad"]
    assert colors(found.pictures[0], 1) == [RED]
    assert found.text[-1].endswith("different labels: 1.")


def test_quality_sections__landmarks_are_drawn_though_the_image_is_gone(make_split: MakeSplit) -> None:
    table = make_split("train", {f"1/{n}.jpg": (RED, n) for n in range(30)})
    quality = assess_quality(table, [], 2, 26)
    found = section(
        quality_sections(quality, str(table), ImageFiles("/nowhere")), "Least plausible landmarks"
    )
    assert [picture.title for picture in found.pictures] == [
        "26 least plausible faces, sheet 1 of 2",
        "26 least plausible faces, sheet 2 of 2",
    ]
    assert len(found.tables[0].rows) == 26


def test_extraction_chapter__reads_the_quality_of_its_run_folder(extraction_run: Path) -> None:
    table = str(extraction_run.parent / "table")
    assert len(read_table(table)) == 13
    quality = assess_quality(table, [table], 2, 24)
    without = [part.title for part in extraction_chapter(extraction_run).sections]
    given = extraction_chapter(extraction_run, "Landmarks", quality)
    (extraction_run / QUALITY_FILE).write_text(json.dumps(quality.as_json()))
    read = extraction_chapter(extraction_run)
    (extraction_run / QUALITY_FILE).unlink()
    assert read == given
    assert [part.title for part in given.sections] == [
        *without,
        "Head pose",
        "Duplicate images",
        "Least plausible landmarks",
    ]
    page = render_report(Report("Faces", "An answer.", [given]))
    pictures = [picture for part in given.sections for picture in part.pictures]
    assert page.count("<img") == len(pictures)
    assert all(len(picture.alt) > 20 for picture in pictures)
