"""From YAML and `--set` to a validated configuration, tried as a user would get it wrong."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from faceml.config.config_error import ConfigError
from faceml.config.extract import ExtractConfig
from faceml.config.loading import (
    apply_overrides,
    assign_keys,
    check_inputs,
    dump_config,
    dump_yaml,
    load_config,
    load_yaml,
    parse_config,
)
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig

SPLIT = {"table": "/tables", "images": "/images"}
TRAIN: dict[str, Any] = {
    "data": {"train": SPLIT, "val": SPLIT},
    "weighting": {"kind": "uncertainty", "learning_rate": 0.5},
    "run": {"folder": "/runs/train"},
}
TUNE: dict[str, Any] = {
    "train": TRAIN,
    "search": {"optimizer.learning_rate": {"kind": "loguniform", "low": 1e-4, "high": 1e-2}},
    "run": {"folder": "/runs/tune"},
}
EXTRACT: dict[str, Any] = {"data": {"root": "/faces"}, "output": {"table": "/table"}}


def complaint(raw: dict[str, Any], *overrides: str, model: type[Any] = TrainConfig) -> str:
    with pytest.raises(ConfigError) as error:
        parse_config(model, apply_overrides(raw, overrides))
    return str(error.value)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "data.image_siz=64",
            "Unknown key: 'data.image_siz' (= 64). Did you mean 'data.image_size'? Allowed under "
            "'data': train, val, labels, num_landmarks, image_size, sampling, sampling_task, leakage, "
            "augmentation, mixing, loader_processes, ingest, shuffle_buffer, cache.",
        ),
        (
            "sed=1",
            "Unknown key: 'sed' (= 1). Did you mean 'seed'? Allowed at the top: "
            "data, model, tasks, selection, loss, weighting, optimizer, training, scaling, storage, logging, "
            "run, tracking, seed.",
        ),
        (
            "name=x",
            "Unknown key: 'name' (= 'x'). Allowed at the top: "
            "data, model, tasks, selection, loss, weighting, optimizer, training, scaling, storage, logging, "
            "run, tracking, seed.",
        ),
        (
            "model._target_=os.system",
            "Unknown key: 'model._target_' (= 'os.system'). "
            "Allowed under 'model': backbone, weights, embedding_dim, stem_stride.",
        ),
        (
            "weighting={kind: fixed, lambda_landmark: 2}",
            "Unknown key: 'weighting.lambda_landmark' (= 2). Did you mean 'weighting.lambda_landmarks'? "
            "Allowed under 'weighting': lambdas, lambda_expression, lambda_landmarks, kind.",
        ),
        (
            "optimizer={name: adamw, momentum: 0.9}",
            "Unknown key: 'optimizer.momentum' (= 0.9). "
            "Allowed under 'optimizer': name, learning_rate, head_multiplier, weight_decay, layer_decay.",
        ),
        ("training.epochs=1.5", "Bad value: 'training.epochs' = 1.5: must be a valid integer."),
        ("training.epochs='3'", "Bad value: 'training.epochs' = '3': must be a valid integer."),
        ("training.epochs=true", "Bad value: 'training.epochs' = True: must be a valid integer."),
        ("training.epochs=0", "Bad value: 'training.epochs' = 0: must be greater than or equal to 1."),
        ("seed=1.0", "Bad value: 'seed' = 1.0: must be a valid integer."),
        ("seed=-1", "Bad value: 'seed' = -1: must be greater than or equal to 0."),
        (
            "optimizer.learning_rate=1e-3",
            "Missing key: 'optimizer.name'. Set it to select the kind of optimizer.",
        ),
        (
            "optimizer={name: adamw, learning_rate: .nan}",
            "Bad value: 'optimizer.learning_rate' = nan: must be a finite number.",
        ),
        (
            "weighting.max_abs_log_var=.inf",
            "Bad value: 'weighting.max_abs_log_var' = inf: must be a finite number.",
        ),
        (
            "weighting.initial_log_var=-3",
            "Bad value: 'weighting': initial_log_var: -3 exceeds max_abs_log_var: 2. Raise max_abs_log_var.",
        ),
        (
            "weighting.learning_rate=nan",
            "Bad value: 'weighting.learning_rate' = 'nan': must be a finite number.",
        ),
        (
            "weighting.learning_rate=fast",
            "Bad value: 'weighting.learning_rate' = 'fast': must be a valid number, "
            "unable to parse string as a number.",
        ),
        (
            "data.augmentation.flip_probability=1.5",
            "Bad value: 'data.augmentation.flip_probability' = 1.5: must be less than or equal to 1.",
        ),
        ("data.num_landmarks=7", "Bad value: 'data.num_landmarks' = 7: must be 5 or 10."),
        (
            "model.backbone=vgg",
            "Bad value: 'model.backbone' = 'vgg': must be resnet18, resnet50, iresnet18, iresnet50, "
            "iresnet100, narrow, or timm/NAME for a network of timm.",  # narrow is that of the tests
        ),
        ("weighting=fixed", "Bad value: 'weighting' = 'fixed': must be a section of keys."),
        ("weighting={}", "Missing key: 'weighting.kind'. Set it to select the kind of weighting."),
        (
            "weighting.kind=learned",
            "Bad value: 'weighting.kind' = 'learned': must be one of 'fixed', 'uncertainty', "
            "'uncertainty_kendall', 'uncertainty_revised', 'pcgrad', 'dwa', 'rlw', 'famo', 'uw_so', 'gls', "
            "'db_mtl'.",
        ),
        ("data.augmentation.scale=1.1", "Bad value: 'data.augmentation.scale' = 1.1: must be a list."),
        ("data.augmentation.scale=[1]", "Bad value: 'data.augmentation.scale' = [1]: has too few items."),
        (
            "data.augmentation.scale=[1.2, 0.9]",
            "Bad value: 'data.augmentation': scale: [1.2, 0.9] has its smallest zoom after its largest; "
            "swap them.",
        ),
        ("run.folder=3", "Bad value: 'run.folder' = 3: must be a path or URI."),
    ],
)
def test_parse_config__one_mistake_gives_one_line_with_key_value_and_remedy(override: str, line: str) -> None:
    assert complaint(TRAIN, override) == line


def test_parse_config__a_missing_key_is_named_with_its_section() -> None:
    assert complaint({"data": {"val": SPLIT}, "run": {"folder": "/r"}}) == (
        "Missing key: 'data.train'. Add it to the YAML file or pass --set data.train=VALUE."
    )


def test_parse_config__several_mistakes_give_several_lines() -> None:
    lines = complaint(TRAIN, "seed=-1", "training.epoch=2", "data.num_landmarks=6").splitlines()
    assert sorted(line.partition("' ")[0] for line in lines) == [
        "Bad value: 'data.num_landmarks",
        "Bad value: 'seed",
        "Unknown key: 'training.epoch",
    ]


@pytest.mark.parametrize("value", ["0", "many", "1.5"])
def test_parse_config__a_value_of_no_member_of_a_union_is_named_by_its_key_alone(value: str) -> None:
    for line in complaint(EXTRACT, f"landmarker.actors={value}", model=ExtractConfig).splitlines():
        assert line.startswith("Bad value: 'landmarker.actors' = ")
    for line in complaint(TRAIN, "model.weights=[a]").splitlines():
        assert line.startswith("Bad value: 'model.weights' = ['a']: must be ")


@pytest.mark.parametrize(
    ("search", "line"),
    [
        (
            {"a.b": {"kind": "loguniform", "low": 1e-4, "high": 1.0, "hight": 1}},
            "Unknown key: 'search.a.b.hight' (= 1). Did you mean 'search.a.b.high'? "
            "Allowed under 'search.a.b': when, low, high, kind.",
        ),
        (
            {"a.b": {"kind": "log", "low": 1}},
            "Bad value: 'search.a.b.kind' = 'log': must be one of "
            "'choice', 'grid', 'uniform', 'loguniform', 'randint'.",
        ),
        (
            {"a.b": {"values": [1]}},
            "Missing key: 'search.a.b.kind'. Set it to select the kind of search.a.b.",
        ),
        (
            {"a.b": {"kind": "uniform", "low": 2, "high": 1}},
            "Bad value: 'search.a.b': low 2.0 is not below high 1.0.",
        ),
        (
            {"a.b": {"kind": "loguniform", "low": 0, "high": 1}},
            "Bad value: 'search.a.b.low' = 0: must be greater than 0.",
        ),
        (
            {"a.b": {"kind": "choice", "values": "resnet18"}},
            "Bad value: 'search.a.b.values' = 'resnet18': must be a list.",
        ),
        (3, "Bad value: 'search' = 3: must be a section of keys."),
    ],
)
def test_parse_config__mistakes_below_a_dotted_search_key_are_named_in_full(search: Any, line: str) -> None:
    assert complaint(TUNE | {"search": search}, model=TuneConfig) == line


def test_parse_config__mistakes_of_a_nested_job_carry_the_whole_key() -> None:
    found = complaint(
        TUNE, "train.training.epoch=1", "scheduler={kind: asha, grace_epoch: 1}", model=TuneConfig
    )
    assert "'train.training.epoch'" in found
    assert "Did you mean 'train.training.epochs'?" in found
    assert "Did you mean 'scheduler.grace_epochs'?" in found


def test_parse_config__names_the_section_that_it_was_given() -> None:
    with pytest.raises(
        ConfigError, match=r"'train\.data\.image_siz'.*'train\.data\.image_size'.*'train\.data':"
    ):
        parse_config(TrainConfig, apply_overrides(TRAIN, ["data.image_siz=1"]), "train")


def test_parse_config__keys_that_are_no_text_are_refused() -> None:
    assert "Bad value: '5' = 5: Keys should be strings." in complaint(TRAIN | {5: 5})  # type: ignore[arg-type]


def test_parse_config__a_number_in_exponent_form_is_a_float() -> None:
    assert yaml.safe_load("1e-3") == "1e-3", "the reason why numbers are not strict"
    config = parse_config(TrainConfig, apply_overrides(TRAIN, ["weighting.learning_rate=1e-3"]))
    assert config.weighting.kind == "uncertainty"
    assert config.weighting.learning_rate == 0.001


def test_parse_config__the_result_is_frozen() -> None:
    config = parse_config(TrainConfig, TRAIN)
    with pytest.raises(ValidationError):
        config.seed = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        config.data.image_size = 64  # type: ignore[misc]


def test_parse_config__defaults_are_validated_too() -> None:
    config = parse_config(TrainConfig, TRAIN)
    assert config.optimizer.name == "adamw"
    assert config.data.augmentation.scale == (0.9, 1.1)


def test_parse_config__paths_are_absolute_and_home_is_expanded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config = parse_config(TrainConfig, apply_overrides(TRAIN, ["run.folder=~/run", "data.val.table=tables"]))
    assert config.run.folder == str(tmp_path / "run")
    assert config.data.val.table == str(tmp_path / "tables")
    nobody = parse_config(TrainConfig, apply_overrides(TRAIN, ["run.folder=~nobody-by-this-name/run"]))
    assert nobody.run.folder == str(tmp_path / "~nobody-by-this-name" / "run")


def test_parse_config__a_uri_stays_as_it_is_where_it_is_taken_and_is_refused_elsewhere() -> None:
    uris = {
        "data.train.table": "s3://bucket/tables/train?region=eu-west-1",
        "data.val.images": "gs://bucket/faces/val",
        "model.weights": "s3://bucket/runs/best_model.pt",
        "run.folder": "s3://bucket/runs/second",
    }
    config = parse_config(TrainConfig, apply_overrides(TRAIN, [f"{key}={uri}" for key, uri in uris.items()]))
    found = (config.data.train.table, config.data.val.images, config.model.weights, config.run.folder)
    assert found == tuple(uris.values())
    check_inputs(config.model)
    file = parse_config(TrainConfig, apply_overrides(TRAIN, ["data.val.table=file:///a%20b/val"]))
    assert file.data.val.table == "/a b/val"
    for key in uris:
        told = complaint(TRAIN, f"{key}=s3://name:secret@bucket/train")
        assert "A URI must not contain credentials" in told
        assert "secret" not in told
    search = {"train": TRAIN, "search": {"seed": {"kind": "grid", "values": [0, 1]}}}
    search_config = parse_config(TuneConfig, apply_overrides(search, ["run.folder=s3://bucket/search"]))
    assert search_config.run.folder == "s3://bucket/search"
    told = complaint(TRAIN, "data.cache=s3://bucket/cache")
    assert told == (
        "Bad value: 'data.cache' = 's3://bucket/cache': must be a local path: this setting does "
        "not accept the URI of an object store."
    )


def test_parse_config__a_word_for_weights_is_no_file() -> None:
    assert (
        parse_config(TrainConfig, apply_overrides(TRAIN, ["model.weights=imagenet"])).model.weights
        == "imagenet"
    )
    assert parse_config(TrainConfig, apply_overrides(TRAIN, ["model.weights=/a.pt"])).model.weights == "/a.pt"


def test_load_config__reads_a_file_and_overrides_it(tmp_path: Path) -> None:
    file = config_file(tmp_path, TRAIN)
    config = load_config(
        TrainConfig, file, ["data.augmentation.scale=[0.5, 2]", "scaling.use_gpu=true", "seed=7"]
    )
    assert config.data.augmentation.scale == (0.5, 2.0)
    assert config.scaling.use_gpu is True
    assert config.seed == 7


def test_load_config__a_missing_input_is_named_with_its_key(tmp_path: Path) -> None:
    file = config_file(tmp_path, TRAIN)
    missing = ["data.train.images=/not/there", f"data.val.table={file}", "model.weights=/no/weights.pt"]
    with pytest.raises(ConfigError) as error:
        load_config(TrainConfig, file, missing)
    first, second, third = str(error.value).splitlines()
    assert first.startswith("Bad value: 'data.train.images' = '/not/there': no such folder.")
    assert second.startswith(f"Bad value: 'data.val.table' = '{file}': no such folder.")
    assert third.startswith("Bad value: 'model.weights' = '/no/weights.pt': no such file.")


def test_load_config__a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--config .*none\.yaml: no such file"):
        load_config(TrainConfig, tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "content", [b"data: [1, 2", b"data: {a: b: c}", b"\tdata: 1", b"name: caf\xe9", b"a: \x00"]
)
def test_load_config__malformed_yaml_is_one_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^--config .*broken\.yaml: malformed YAML: [^\n]+$"):
        load_config(TrainConfig, file)


@pytest.mark.parametrize(("content", "kind"), [("", "NoneType"), ("- a\n", "list"), ("text", "str")])
def test_load_config__a_file_of_something_else_is_refused(content: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=f"must be a mapping of keys to values, is {kind}"):
        load_config(TrainConfig, file)


def test_load_config__yaml_constructs_no_objects(tmp_path: Path) -> None:
    file = tmp_path / "unsafe.yaml"
    file.write_text("seed: !!python/object/apply:os.getpid []\n")
    with pytest.raises(ConfigError, match="malformed YAML"):
        load_config(TrainConfig, file)


@pytest.mark.parametrize("override", ["seed", "=1", "seed 1", ""])
def test_apply_overrides__needs_key_and_value(override: str) -> None:
    with pytest.raises(ConfigError, match=f"^--set {override}: must have the form dotted.key=value"):
        apply_overrides(TRAIN, [override])


def test_apply_overrides__a_malformed_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^--set data.augmentation.scale=\[1,: malformed YAML"):
        apply_overrides(TRAIN, ["data.augmentation.scale=[1,"])


def test_apply_overrides__only_the_first_equals_sign_divides() -> None:
    assert apply_overrides({}, ["run.folder=/a=b"]) == {"run": {"folder": "/a=b"}}


def test_assign_keys__makes_sections_and_fills_empty_ones() -> None:
    assert assign_keys({"a": None}, {"a.b.c": 1, "d.e": [2]}) == {"a": {"b": {"c": 1}}, "d": {"e": [2]}}


def test_assign_keys__keeps_the_assigned_sections_as_they_are() -> None:
    section = {"b": {"c": 1}}
    assert assign_keys({}, {"a": section, "a.b.c": 2, "a.d": 3}) == {"a": {"b": {"c": 2}, "d": 3}}
    assert section == {"b": {"c": 1}}


def test_assign_keys__refuses_a_key_below_a_value() -> None:
    with pytest.raises(ConfigError, match=r"Unknown key: 'a\.b\.c' \(= 1\)\. 'a\.b' is a value"):
        assign_keys({"a": {"b": 3}}, {"a.b.c": 1})


def test_assign_keys__another_kind_starts_the_section_afresh() -> None:
    for order in (
        ("weighting.kind", "weighting.lambda_landmarks"),
        ("weighting.lambda_landmarks", "weighting.kind"),
    ):
        values = {"weighting.kind": "fixed", "weighting.lambda_landmarks": 3.0}
        changed = assign_keys(TRAIN, {key: values[key] for key in order})
        assert changed["weighting"] == {"kind": "fixed", "lambda_landmarks": 3.0}
        assert changed["data"] == TRAIN["data"]


def test_assign_keys__the_same_kind_keeps_the_section() -> None:
    assert assign_keys(TRAIN, {"weighting.kind": "uncertainty"}) == TRAIN


def test_assign_keys__reaches_below_keys_that_have_dots_themselves() -> None:
    changed = assign_keys(TUNE, {"search.optimizer.learning_rate.low": 1e-5})
    assert changed["search"] == {"optimizer.learning_rate": {"kind": "loguniform", "low": 1e-5, "high": 1e-2}}
    whole = assign_keys(TUNE, {"search.optimizer.learning_rate": {"kind": "choice", "values": [1]}})
    assert whole["search"] == {"optimizer.learning_rate": {"kind": "choice", "values": [1]}}


names = st.sampled_from(["a", "b", "c", "d"])
trees = st.recursive(
    st.dictionaries(names, st.integers(), max_size=3),
    lambda inner: st.dictionaries(names, st.integers() | inner, max_size=3),
    max_leaves=8,
)


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


@given(tree=trees, path=st.lists(names, min_size=1, max_size=4), value=st.integers())
def test_assign_keys__changes_one_key_and_never_its_argument(
    tree: dict[str, Any], path: list[str], value: int
) -> None:
    before, key = deepcopy(tree), ".".join(path)
    above = {".".join(path[:depth]) for depth in range(1, len(path))}
    if above & leaves(tree).keys():
        with pytest.raises(ConfigError, match="is a value"):
            assign_keys(tree, {key: value})
    else:
        kept = {
            other: v for other, v in leaves(tree).items() if other != key and not other.startswith(f"{key}.")
        }
        assert leaves(assign_keys(tree, {key: value})) == kept | {key: value}
    assert tree == before


positive = st.floats(min_value=1e-12, max_value=1e6)
training_values = st.fixed_dictionaries(
    {
        "weighting": st.sampled_from(["uncertainty", "uncertainty_kendall", "uncertainty_revised"]).flatmap(
            lambda kind: st.fixed_dictionaries(
                {"kind": st.just(kind), "initial_log_var": st.floats(-2, 2), "learning_rate": positive}
            )
        )
        | st.fixed_dictionaries({"kind": st.just("fixed"), "lambda_expression": positive}),
        "optimizer": st.fixed_dictionaries(
            {"name": st.sampled_from(["sgd", "adamw"]), "learning_rate": positive}
        ),
        "run": st.fixed_dictionaries(
            {"folder": st.sampled_from(["/runs/größe 1", "/runs/yes", "/runs/1e3", "/é:#"])}
        ),
        "seed": st.integers(0, 2**63),
    }
)


@given(values=training_values)
@settings(max_examples=60, deadline=None)
def test_dump_config__is_read_back_to_an_equal_configuration(values: dict[str, Any]) -> None:
    config = parse_config(TrainConfig, TRAIN | values)
    again = parse_config(TrainConfig, yaml.safe_load(dump_config(config)))
    assert again == config
    assert type(again.weighting) is type(config.weighting)


def test_dump_config__load_config_round_trip_of_a_search(tmp_path: Path) -> None:
    search = {
        "data.augmentation.scale": {"kind": "choice", "values": [[0.9, 1.1], [1.0, 1.0]]},
        "model.backbone": {"kind": "grid", "values": ["resnet18", "resnet50"]},
        "optimizer.learning_rate": {"kind": "loguniform", "low": "1e-4", "high": "1e-2"},
    }
    overrides = [f"train.data.{split}.{key}={tmp_path}" for split in ("train", "val") for key in SPLIT]
    config = load_config(TuneConfig, config_file(tmp_path, TUNE | {"search": search}), overrides)
    (tmp_path / "dumped.yaml").write_text(dump_config(config), encoding="utf-8")
    assert load_config(TuneConfig, tmp_path / "dumped.yaml") == config


def config_file(folder: Path, raw: dict[str, Any]) -> Path:
    """Write a configuration whose inputs are there."""
    there = {"table": str(folder), "images": str(folder)}
    file = folder / "config.yaml"
    raw = raw | ({"data": {"train": there, "val": there}} if "data" in raw else {})
    file.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return file


def test_train_config__warm_up_longer_than_the_training_is_refused() -> None:
    split = {"table": "t", "images": "i"}
    raw = {
        "data": {"train": split, "val": split},
        "training": {"epochs": 3, "warmup_epochs": 5},
        "run": {"folder": "r"},
    }
    with pytest.raises(ConfigError, match="'training': warmup_epochs 5 is longer than all 3 epochs"):
        parse_config(TrainConfig, raw)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("[3e-4, 1E3, -2e+1, .5e1, 1.e2, 1.5e-3]", [3e-4, 1000.0, -20.0, 5.0, 100.0, 1.5e-3]),
        ("{low: 1e-4}", {"low": 1e-4}),
        ("[3e, e4, 3e-4x, '3e-4', 1-2e3]", ["3e", "e4", "3e-4x", "3e-4", "1-2e3"]),
        ("[1, 0.5, yes, null, 1e]", [1, 0.5, True, None, "1e"]),
    ],
)
def test_load_yaml__exponents_make_numbers(text: str, value: Any) -> None:
    found = load_yaml(text)
    assert found == value
    assert repr(found) == repr(value)


# Not all of Unicode: PyYAML loses a few line breaks of it.
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS
    | st.from_regex(r"[-+]?[0-9]{0,2}[.]?[0-9]{0,2}[eE][-+]?[0-9]{1,2}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(PLAIN)
def test_dump_yaml__is_read_back_as_it_was(values: Any) -> None:
    found = load_yaml(dump_yaml(values))
    assert found == values
    assert repr(found) == repr(values)


def test_load_yaml__makes_plain_values_only() -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml("!!python/object/apply:os.system [ls]")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seed: 1\nepochs: 2\nseed: 3", "line 3, column 1"),
        ("training: {epochs: 1}\ntraining:\n  batch_size: 4", "line 2, column 1"),
        ("arms:\n  - {rate: 1, 'rate': 2}", "line 2, column 15"),
    ],
)
def test_load_config__a_key_that_is_given_twice_is_refused(text: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=rf"the key '(seed|training|rate)' is given twice in {place}$"):
        load_config(TrainConfig, file)


def test_load_yaml__a_key_may_replace_a_merged_one() -> None:
    text = "base: &base {a: 1, b: 2}\nown: &own {<<: *base, b: 3}\nother: {<<: *own, a: 4}"
    assert load_yaml(text) == {"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": 3}, "other": {"a": 4, "b": 3}}


def test_load_yaml__the_same_word_may_be_a_number_and_a_text() -> None:
    assert load_yaml("{1: a, '1': b}") == {1: "a", "1": "b"}


def test_dump_yaml__writes_a_value_that_is_there_twice_twice() -> None:
    roots = {"train": "/data/train"}
    assert (
        dump_yaml({"train": roots, "val": roots})
        == "train:\n  train: /data/train\nval:\n  train: /data/train\n"
    )


def test_extract__whole_images_as_copies_of_all_faces_are_refused() -> None:
    told = complaint(EXTRACT, "landmarker.max_faces=0", "output.embed={size: 64}", model=ExtractConfig)
    assert "landmarker.max_faces: 0 gives each face a row" in told
    for cut in ("crop: {margin: 0.2}", "align: true"):
        overrides = ["landmarker.max_faces=0", f"output.embed={{size: 64, {cut}}}"]
        assert parse_config(ExtractConfig, apply_overrides(EXTRACT, overrides)).landmarker.max_faces == 0
