import os
import pickle
import resource
import shlex
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceml.config import ConfigError
from faceml.formats import import_data_set, open_format
from faceml.formats.registry import find_format
from tests.formats.record_files import pickle_by_python_2, random_images, write_bin

SAME = [True, False, False, True]


def files_of(output: Path) -> dict[str, bytes]:
    root = output / "images"
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def names_of(number: int, name: str = "lfw") -> list[str]:
    return [f"{name}/{place:06d}.jpg" for place in range(number)]


def pairs_of(names: list[str], same: list[bool]) -> str:
    pairs = zip(names[::2], names[1::2], same, strict=True)
    return "".join(f"{one}\t{other}\t{int(flag)}\n" for one, other, flag in pairs)


def as_column(image: bytes) -> np.ndarray:
    """Return an encoded image as OpenCV 3 and 4.4 return it."""
    return np.frombuffer(image, np.uint8).reshape(-1, 1)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("stored", [bytes, as_column, lambda image: np.frombuffer(image, np.uint8).copy()])
def test_insightface_bin__reads_every_protocol(
    tmp_path: Path, protocol: int, stored: Callable[[bytes], Any]
) -> None:
    images = random_images(7)
    images.append(images[0])
    write_bin(tmp_path / "lfw.bin", [stored(image) for image in images], SAME, protocol)
    summary = import_data_set(open_format("insightface-bin", tmp_path / "lfw.bin"), tmp_path / "out")
    assert files_of(tmp_path / "out") == dict(zip(names_of(8), images, strict=True))
    assert (tmp_path / "out/pairs/lfw.txt").read_text() == pairs_of(names_of(8), SAME)
    assert (summary.images, dict(summary.splits), dict(summary.broken)) == (8, {"lfw": 8}, {})


def test_insightface_bin__reads_what_python_2_wrote(tmp_path: Path) -> None:
    images = [
        b"\xff\xd8\xff" + bytes([place]) * length for place, length in enumerate((0, 5, 252, 253, 3000, 9))
    ]
    content = pickle_by_python_2(images, SAME[:3])
    assert pickle.loads(content, encoding="bytes") == (images, SAME[:3])
    (tmp_path / "agedb_30.bin").write_bytes(content)
    import_data_set(open_format("insightface-bin", tmp_path), tmp_path / "out")
    assert list(files_of(tmp_path / "out").values()) == images


def test_insightface_bin__reads_an_image_that_is_in_several_pairs(tmp_path: Path) -> None:
    one, other = random_images(2)
    write_bin(tmp_path / "lfw.bin", [one, other, one, one], [False, True])
    import_data_set(open_format("insightface-bin", tmp_path), tmp_path / "out")
    assert list(files_of(tmp_path / "out").values()) == [one, other, one, one]


def test_insightface_bin__imports_all_files_of_a_folder(tmp_path: Path) -> None:
    images = random_images(8)
    for name in ("lfw", "cfp_fp"):
        write_bin(tmp_path / f"{name}.bin", images, SAME)
    (tmp_path / "train.txt").write_text("another file")
    assert find_format(tmp_path) == find_format(tmp_path / "lfw.bin") == "insightface-bin"
    data = open_format("insightface-bin", tmp_path)
    assert data.count_records() == 16
    import_data_set(data, tmp_path / "out")
    assert sorted(files_of(tmp_path / "out")) == [*names_of(8, "cfp_fp"), *names_of(8, "lfw")]
    assert sorted(path.name for path in (tmp_path / "out/pairs").iterdir()) == ["cfp_fp.txt", "lfw.txt"]
    settings = [shlex.split(line) for line in data.advice(tmp_path / "out") if line.startswith("--set ")]
    assert [words[-1] for words in settings] == [
        f"data.pairs.file={tmp_path}/out/pairs/{name}.txt" for name in ("cfp_fp", "lfw")
    ]


def test_insightface_bin__names_a_broken_image_and_leaves_out_its_pair(tmp_path: Path) -> None:
    images = random_images(8)
    images[3] = b"no image"
    write_bin(tmp_path / "lfw.bin", images, SAME)
    summary = import_data_set(open_format("insightface-bin", tmp_path), tmp_path / "out")
    assert summary.broken_names == {"is no JPEG or PNG image": ["lfw.bin, image 3"]}
    names = [name for place, name in enumerate(names_of(8)) if place not in (2, 3)]
    assert (tmp_path / "out/pairs/lfw.txt").read_text() == pairs_of(names, [SAME[0], *SAME[2:]])


class Hostile:
    """Value whose pickle calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def hostile_pickles(trace: Path) -> dict[str, bytes]:
    """Return pickles that write a file when they are unpickled, or ask for gigabytes."""
    write = f"open({str(trace)!r}, 'w')"
    system, evaluate = Hostile(os.system, f"touch {trace}"), Hostile(eval, write)
    images = random_images(2)
    return {
        "os.system": pickle.dumps(system),
        "in the list": pickle.dumps(([images[0], system], [True])),
        "in the list, protocol 0": pickle.dumps(([images[0], system], [True]), protocol=0),
        "in the booleans": pickle.dumps((images, [evaluate]), protocol=2),
        "nested": pickle.dumps((images, [True, [[{"a": (evaluate,)}]]])),
        "in an array": pickle.dumps((Hostile(np.array, evaluate), [True])),
        "in the dtype": pickle.dumps(([Hostile(np.dtype, evaluate)] * 2, [True])),
        "array of objects": pickle.dumps((list(np.array([images], object)), [True])),
        "INST": b"(S'" + write.encode() + b"'\nibuiltins\neval\n.",
        "OBJ": b"(cbuiltins\neval\nS'" + write.encode() + b"'\no.",
        "name from strings": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x01a\x85R.",
        "name of numpy": b"\x80\x04\x8c\x05numpy\x8c\x0ef2py.exec_eval\x93.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent identifier": b"Pname\n.",
        "persistent identifier, binary": b"\x80\x02K\x01Q.",
        "buffer": b"\x80\x05\x97.",
        "large frame": b"\x80\x04\x95" + b"\xff" * 8 + b"].",
        "large memo": b"\x80\x02]r\xff\xff\xff\xff.",
        "large bytes": b"\x80\x03B\xff\xff\xff\xff.",
        "larger bytes": b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b".",
        "largest bytes": b"\x80\x04\x8e" + (2**63 - 1).to_bytes(8, "little") + b".",
        "bytes beyond": b"\x80\x04\x8e" + b"\xff" * 8 + b".",
        "large number": b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "long number": b"I" + b"9" * 100_000 + b"\n.",
        "deep tuples": b"\x80\x02]" + b"\x85" * 200_000 + b".",
        "deep lists": b"\x80\x02]" + b"]a" * 100_000 + b".",
        "deep calls": b"\x80\x02" + b"c_codecs\nencode\n)R" * 10_000 + b".",
        "list in itself": b"\x80\x02]q\x00h\x00ah\x00ah\x00\x86.",
        "no memo": b"\x80\x02h\x07.",
        "empty stack": b"\x80\x02\x86.",
        "no mark": b"\x80\x02]e.",
        "mark": b"\x80\x02(.",
        "state of a list": b"\x80\x02]Nb.",
        "call of a list": b"\x80\x02])R.",
        "no end": b"\x80\x02]",
        "cut off": pickle.dumps((images, [True]))[:-40],
        "nothing": b"",
        "text": b"hello",
        "a dictionary": pickle.dumps({"images": images}),
        "three lists": pickle.dumps((images, [30.0], [True])),
        "two numbers": pickle.dumps((1, 2)),
        "floats": pickle.dumps((images, [1.0])),
        "too many pairs": pickle.dumps((images, [True, False])),
        "texts": pickle.dumps((["a", "b"], [True])),
        "arrays of floats": pickle.dumps(([np.ones(3), np.ones(3)], [True])),
    }


@pytest.mark.parametrize("kind", hostile_pickles(Path("trace")))
def test_insightface_bin__runs_nothing_of_a_hostile_pickle(tmp_path: Path, kind: str) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "lfw.bin").write_bytes(hostile_pickles(trace)[kind])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError) as refused:
        open_format("insightface-bin", tmp_path)
    message = str(refused.value)
    assert message.startswith(f"{tmp_path}/lfw.bin: is no pickle of images and pairs")
    assert "\n" not in message
    assert not trace.exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 200_000  # kilobytes


def test_insightface_bin__keeps_no_image_in_memory(tmp_path: Path) -> None:
    images = [b"\xff\xd8\xff" + bytes(300_000 + number) for number in range(50)]
    write_bin(tmp_path / "lfw.bin", images, [True] * 25)
    tracemalloc.start()
    import_data_set(open_format("insightface-bin", tmp_path), tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list(files_of(tmp_path / "out").values()) == images
    assert peak < 2_000_000


def test_insightface_bin__refuses_a_folder_without_its_files(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04")
    assert find_format(tmp_path) is None
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(ConfigError, match=r"has no \*\.bin"):
        open_format("insightface-bin", tmp_path)
