"""Runs and files derived from tables: trainings, models that started from theirs, evaluations and exports.

A run is derived from a table if its configuration names the table, the images of the table, or a derived run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from faceml.config import ConfigError
from faceml.runs.files import BEST_MODEL_FILE, CONFIG_FILE, DATA_FILE, METRICS_FILE, MLFLOW_FILE, SUMMARY_FILE
from faceml.runs.lineage import find_split, read_model_config
from faceml.runs.run_config import kind_of_run, parse_run_config
from faceml.runs.run_folder import cached_copy
from faceml.storage import StorageFolder, canonical_place, is_below, is_uri, place_below, split_place

MODEL_SUFFIXES = (".pt", ".pt2", ".onnx", ".pth", ".safetensors")
IMPERSONAL = (
    CONFIG_FILE,
    DATA_FILE,
    METRICS_FILE,
    SUMMARY_FILE,
    MLFLOW_FILE,
    "settings.json",
    "outcome.json",
)
"""Files of a run that hold no images, names or embeddings of people."""
TRAININGS = ("multitask training", "recognition training", "search", "study")
COMPARED_MODELS = "compare"
"""Section of models by their names."""
IMAGE_KEYS = ("images", "root", "paths")
"""Last parts of the keys of folders of images; names of sources may follow."""
MODEL_KEYS = ("weights", "model")
"""Last parts of the keys of models."""
COMPARISON_KEYS = ("other_tables", "compare_with", COMPARED_MODELS)
PREDICTION_KEYS = ("output.table", "output.file", "output.drawn")


class DerivedRun(NamedTuple):
    """A run derived from a table.

    Attributes:
        folder: Path or URI of the run folder, or of a model's file without its run.
        reason: `trained on TABLE`, `started from RUN/best_model.pt`, `evaluation of RUN/best_model.pt`, ….
        models: Paths or URIs of model files, including those of checkpoints.
        files: Other files that may hold images, names, embeddings or predictions, and MLflow runs.
    """

    folder: str
    reason: str
    models: list[str]
    files: list[str]


class Derived(NamedTuple):
    """Everything derived from tables.

    Attributes:
        runs: Derived runs; a run follows the runs that it is derived from.
        unknown: Model files whose training data are unknown.
        spellings: All spellings of the tables, in the arguments and in configurations.
        caches: Folders of cached copies that the configurations name.
    """

    runs: list[DerivedRun]
    unknown: list[str]
    spellings: list[str]
    caches: list[Path]


class _Run(NamedTuple):
    """A run folder, or a model's file without one, with its configuration and the files that belong to it."""

    place: str
    config: Mapping[str, Any]
    files: list[str]

    @property
    def kind(self) -> str | None:
        return kind_of_run(self.config)

    @property
    def models(self) -> list[str]:
        return [file for file in self.files if _path(file).endswith(MODEL_SUFFIXES)]

    @property
    def leaves(self) -> list[tuple[str, str]]:
        """Dotted keys and values of all places in the configuration, except that of the run itself."""
        return [
            (key, value)
            for key, value in _strings(self.config)
            if (is_uri(value) or Path(value).is_absolute()) and not key.endswith("run.folder")
        ]


def find_derived(tables: Sequence[str], folders: Sequence[str]) -> Derived:
    """Find the runs, models and files derived from tables.

    Args:
        tables: Paths or URIs of tables.
        folders: Folders that contain run folders of any job, at any depth; paths or URIs.

    Raises:
        ConfigError: A folder does not exist.
    """
    runs, unknown = _find_runs(folders)
    reached = {canonical_place(table) for table in tables}
    images = set[str]()
    found: dict[str, DerivedRun] = {}
    grown = True
    while grown:
        grown = False
        for run in runs:
            hits = [(key, value) for key, value in run.leaves if _is_reached(key, value, reached, images)]
            if hits and run.place not in found:
                found[run.place] = _derived_run(run, *_telling(hits))
                grown = True
            if hits:
                size = len(reached) + len(images)
                _reach(run, hits, reached, images)
                grown |= len(reached) + len(images) > size
    originals = {canonical_place(table) for table in tables}
    leaves = [leaf for run in runs for leaf in run.leaves]
    return Derived(
        runs=[run for run in found.values() if run.models or run.files],
        unknown=[model for model in unknown if not any(model in run.models for run in found.values())],
        spellings=list(dict.fromkeys([*tables, *(v for _, v in leaves if canonical_place(v) in originals)])),
        caches=[Path(cache) for cache in sorted({v for key, v in leaves if key.endswith("data.cache")})],
    )


def _find_runs(folders: Sequence[str]) -> tuple[list[_Run], list[str]]:
    """Return all runs and models, and the model files whose training data are unknown."""
    files = dict.fromkeys(file for folder in folders for file in _list_files(folder))
    owned: dict[str, list[str]] = {split_place(file)[0]: [] for file in files if _name(file) == CONFIG_FILE}
    stray = list[str]()
    for file in files:
        owner = next((parent for parent in _parents(file) if parent in owned), None)
        (stray if owner is None else owned[owner]).append(file)
    runs = [_Run(place, _read_config(place), belonging) for place, belonging in owned.items()]
    # Models without a training beside them, such as copies, are known by the configuration in their file.
    models = [model for run in runs if run.kind not in (*TRAININGS, "export") for model in run.models]
    models += [file for file in stray if _path(file).endswith(MODEL_SUFFIXES)]
    known = [canonical_place(run.place) for run in runs]
    models += [
        value
        for run in runs
        for key, value in run.leaves
        if _last_part(key) in (*MODEL_KEYS, COMPARED_MODELS)
        and not any(is_below(canonical_place(value), k) for k in known)
    ]
    configs = {model: read_model_config(_model_file(model)) for model in dict.fromkeys(models)}
    read = [_Run(model, config, [model]) for model, config in configs.items() if config is not None]
    return [*runs, *read], [model for model, config in configs.items() if config is None]


def _model_file(place: str) -> str:
    """Return the place of a model's file, given that or its run folder."""
    return place if _path(place).endswith(MODEL_SUFFIXES) else place_below(place, BEST_MODEL_FILE)


def _list_files(folder: str) -> Iterator[str]:
    there = StorageFolder(folder)
    if not there.exists():
        raise ConfigError(f"--runs {folder}: there is no such folder.")
    for file in sorted(there.walk(follow_links=True, hidden=True)):
        yield place_below(there.uri, *file.path.split("/"))


def _read_config(place: str) -> dict[str, Any]:
    content = StorageFolder(place).read(CONFIG_FILE, follow_links=True)
    return parse_run_config(content) if isinstance(content, bytes) else {}


def _is_reached(key: str, value: str, reached: set[str], images: set[str]) -> bool:
    place = canonical_place(value)
    if any(is_below(place, known) for known in reached):
        return True
    is_folder_of_images = not {*key.split(".")[-2:]}.isdisjoint(IMAGE_KEYS)
    return is_folder_of_images and any(is_below(place, i) or is_below(i, place) for i in images)


def _reach(run: _Run, hits: Sequence[tuple[str, str]], reached: set[str], images: set[str]) -> None:
    """Add the places that a derived run has written, and the images of the tables that it names."""
    reached.add(canonical_place(run.place))
    settings = dict(run.leaves)
    for key, _ in hits:
        section, _, last = key.rpartition(".")
        if last == "table":
            images.update(_places(settings, f"{section}.images"))
        if key == "output.table" and run.kind == "extraction":
            images.update(_places(settings, "data.root"))
        if _is_at(key, "data.root") and run.kind == "extraction":
            reached.add(canonical_place(settings["output.table"]))
    if run.kind == "prediction":
        reached |= {canonical_place(settings[key]) for key in PREDICTION_KEYS if key in settings}


def _is_at(key: str, setting: str) -> bool:
    """Return whether a dotted key is that of a setting, or of the place of one source in it."""
    return key == setting or key.startswith(f"{setting}.")


def _places(settings: Mapping[str, str], setting: str) -> set[str]:
    """Return the places of a setting: one, or those of several sources."""
    return {canonical_place(place) for key, place in settings.items() if _is_at(key, setting)}


def _telling(hits: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the key and value that say most about the origin of a run."""
    return min(hits, key=lambda hit: [last != _last_part(hit[0]) for last in ("table", *MODEL_KEYS)])


def _last_part(key: str) -> str:
    """Return the last part of a dotted key, without the name of a compared model."""
    return COMPARED_MODELS if _is_at(key, COMPARED_MODELS) else key.rpartition(".")[2]


def _derived_run(run: _Run, key: str, value: str) -> DerivedRun:
    is_training = run.kind in (*TRAININGS, None)
    last = _last_part(key)
    by_key = {"weights": "started from"} | dict.fromkeys(COMPARISON_KEYS, "compared with")
    verb = by_key.get(last, "trained on" if is_training else f"{run.kind} of")
    models = run.models
    files = [file for file in run.files if file not in models and _name(file) not in IMPERSONAL]
    settings = dict(run.leaves)
    if run.kind == "prediction":
        files += [settings[each] for each in PREDICTION_KEYS if each in settings]
    if run.kind == "extraction" and key != "output.table":
        files.append(settings["output.table"])
    files += [f"MLflow: {_mlflow_run(file)}" for file in run.files if _name(file) == MLFLOW_FILE]
    copy = cached_copy(run.place) if is_uri(run.place) else None
    if copy is not None and copy.is_dir():
        files.append(str(copy))
    named = (find_split(run.config, key.rpartition(".")[0]) if last == "table" else None) or value
    return DerivedRun(run.place, f"{verb} {named}", models, files)


def _mlflow_run(file: str) -> str:
    folder, name = split_place(file)
    content = StorageFolder(folder).read(name)
    run = json.loads(content) if isinstance(content, bytes) else {}
    return f"run {run.get('run_id')} of experiment {run.get('experiment')} in {run.get('uri')}, its artifacts"


def _strings(section: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted key and value of every string in plain values."""
    if isinstance(section, Mapping):
        for name, value in section.items():
            yield from _strings(value, f"{key}.{name}".lstrip("."))
    elif isinstance(section, list | tuple):
        for value in section:
            yield from _strings(value, key)
    elif isinstance(section, str):
        yield key, section


def _parents(file: str) -> Iterator[str]:
    folder, name = split_place(file)
    while name:
        yield folder
        folder, name = split_place(folder)


def _name(file: str) -> str:
    return split_place(file)[1]


def _path(file: str) -> str:
    return file.partition("?")[0] if is_uri(file) else file
