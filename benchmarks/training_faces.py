"""Faces and landmark tables for measurements of trainings."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from measuring import run_job

from faceml.synthetic import generate_faces

IMAGE_SIZE_PX = 350


def make_data(folder: Path, images: int) -> Path:
    """Draw faces and extract them with copies in the tables, unless the tables exist."""
    data = folder / f"training_{images}"
    if not data.is_dir():
        partial = folder / f"training_{images}.partial"
        splits = {"train": images, "val": 64}
        generate_faces(partial / "faces", "affectnet", splits, image_size_px=IMAGE_SIZE_PX)
        for split in splits:
            settings = {
                "data.root": partial / "faces" / split,
                "output.table": partial / "tables" / split,
                "output.embed": "{size: 256, quality: 95}",
            }
            run_job("extract", "configs/extract_landmarks.yaml", settings)
        partial.rename(data)
    return data


def repeated(data: Path, times: int) -> Path:
    """Make data whose training split has every face several times under different names."""
    larger = data.with_name(f"{data.name}_x{times}")
    if not larger.is_dir():
        partial_folder = larger.with_name(f"{larger.name}.partial")
        (partial_folder / "tables" / "train").mkdir(parents=True)
        for shard in (data / "tables" / "train").glob("*.parquet"):
            rows = pq.read_table(shard)
            for number in range(times):
                names = pc.binary_join_element_wise(rows["image_id"], f"{number}.jpg", "_")
                copy = rows.set_column(0, rows.schema.field(0), names)
                pq.write_table(copy, partial_folder / "tables" / "train" / f"{number}_{shard.name}")
                for image, name in zip(rows["image_id"].to_pylist(), names.to_pylist(), strict=True):
                    file = partial_folder / "faces" / "train" / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.hardlink_to(data / "faces" / "train" / image)
        for split in ("faces/val", "tables/val"):
            (partial_folder / split).symlink_to((data / split).resolve())
        partial_folder.rename(larger)
    return larger
