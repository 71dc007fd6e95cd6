"""`faceml evaluate` with `sets`: evaluation of face recognition models on the same pairs, without Ray."""

import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console

from faceml.config import ConfigError, EvaluateRecognitionConfig, VerificationSetConfig, dump_config
from faceml.datasets import AlignedPreprocessing
from faceml.page import ProgressReport, Report
from faceml.prediction import model_file
from faceml.quality import LeakageAudit
from faceml.reporting import (
    ModelScores,
    SetFindings,
    VerificationFindings,
    comparison_sentence,
    data_fact,
    extreme_pairs,
    model_facts,
    pair_groups,
    true_accepts_table,
    verification_chapter,
    verification_summary,
    verification_table,
)
from faceml.runs import BEST_MODEL_FILE, REPORT_FILE, SUMMARY_FILE, RunFolder, find_split
from faceml.search import join_names
from faceml.storage import split_place
from faceml.tables import build_selection
from faceml.training import (
    EmbeddingNetwork,
    VerificationSet,
    load_embedding_network,
    open_pairs,
    open_people,
    read_facts,
    read_pairs_table,
    score_split,
    write_pairs,
)

logger = logging.getLogger(__name__)


class _Model(NamedTuple):
    """A model, its file, and its provenance."""

    file: str
    network: EmbeddingNetwork
    facts: dict[str, str]


def run(config: EvaluateRecognitionConfig) -> VerificationFindings:
    """Evaluate the models on the sets, and write the results.

    Scores of an interrupted or an earlier evaluation in the same folder are used again if neither the model
    nor the set has changed.

    Raises:
        ConfigError: A model or a set cannot be used.
        StoppedError: An image has changed since its extraction.
    """
    started_s = time.monotonic()
    if config.use_gpu and not torch.cuda.is_available():
        raise ConfigError("use_gpu: true needs a GPU, and PyTorch sees none. Set it to false.")
    run_folder = RunFolder(config.run.folder)
    run_folder.check_kind(dump_config(config))
    models = load_models(config)
    first = next(iter(models.values()))
    sets = {name: open_set(name, each, first.network.preprocessing) for name, each in config.sets.items()}
    leaks = {name: find_leaks(name, config, models) for name in sets}
    with run_folder:
        run_folder.renew(dump_config(config), REPORT_FILE, SUMMARY_FILE)
        findings = VerificationFindings(
            [evaluate_set(name, sets[name], config, models, leaks[name], run_folder) for name in sets],
            {name: model.network.kind for name, model in models.items()},
        )
        run_folder.write_summary(
            verification_summary(findings) | {"wall_s": round(time.monotonic() - started_s, 2)}
        )

        def build_report() -> Report:
            facts = [data_fact(f"{name}: table", opened.faces.selection) for name, opened in sets.items()]
            for name, model in models.items():
                facts += [(f"{name}: {what}", value) for what, value in model.facts.items()]
            chapter = verification_chapter(config, findings, facts)
            return Report("Face recognition", findings.answer, [chapter])

        run_folder.finish(build_report)
    return findings


def load_models(config: EvaluateRecognitionConfig) -> dict[str, _Model]:
    """Load all models by their names; that of the evaluated one is the name of its run folder.

    Raises:
        ConfigError: A model cannot be used, or two have the same name.
    """
    file = model_file(config.model)
    folder, last = split_place(file)
    name = split_place(folder)[1] if last == BEST_MODEL_FILE else last.rpartition(".")[0]
    if name in config.compare:
        raise ConfigError(
            f"compare.{name}: this is already the name of the model {config.model}, which is named after its "
            "run folder. Choose another name under compare."
        )
    places = {name: ("model", file)} | {
        other: (f"compare.{other}", model_file(place, f"compare.{other}"))
        for other, place in config.compare.items()
    }
    models = {}
    for each, (setting, place) in places.items():
        network = load_embedding_network(place, setting)
        models[each] = _Model(place, network, dict(model_facts(place, network.config)))
    return models


def open_set(
    name: str, config: VerificationSetConfig, preprocessing: AlignedPreprocessing
) -> VerificationSet:
    """Open a set with the preprocessing of a model.

    Raises:
        ConfigError: The table, its images or the pairs cannot be used.
    """
    key = f"sets.{name}"
    faces = open_people(config, preprocessing, with_undetected=config.pairs.file is not None)
    faces.log_left_out()
    return VerificationSet(faces, open_pairs(config.pairs, faces, f"{key}.table", f"{key}.pairs.file"))


def find_leaks(name: str, config: EvaluateRecognitionConfig, models: Mapping[str, _Model]) -> list[str]:
    """Return what the models have seen of a set, a sentence each.

    Raises:
        ConfigError: Something was found, and `leakage.on_found` is `strict`.
    """
    selection = build_selection(config.sets[name])
    audit = LeakageAudit(name, "", config.leakage, "leakage.on_found")
    selected_on = [
        each
        for each, model in models.items()
        if not model.network.is_final and str(find_split(model.network.config, "data.val")) == str(selection)
    ]
    optimistic = []
    if selected_on:
        several = len(selected_on) > 1
        optimistic.append(
            f"The best {'epochs' if several else 'epoch'} of {join_names(selected_on)} "
            f"{'were' if several else 'was'} selected on {name}: {'their' if several else 'its'} figures are "
            "optimistic."
        )
    seen = audit(selection, [model.file for model in models.values()])
    return [*optimistic, *seen.found, *seen.unknown]


def evaluate_set(
    name: str,
    opened: VerificationSet,
    config: EvaluateRecognitionConfig,
    models: Mapping[str, _Model],
    leaks: list[str],
    run_folder: RunFolder,
) -> SetFindings:
    """Score the pairs of a set with each model, and write the scores."""
    digest = opened.digest
    scores = {
        each: score_set(name, each, opened, digest, config, model, run_folder)
        for each, model in models.items()
    }
    return SetFindings(
        name=name,
        split=str(opened.faces.selection),
        models=scores,
        images=len(np.unique(opened.pairs.images)),
        without_landmarks=opened.without_landmarks,
        counted_wrong=opened.pairs.counted_wrong,
        leaks=leaks,
        groups=pair_groups(opened),
        extremes=extreme_pairs(opened, next(iter(scores.values())), config.report.pairs),
    )


def score_set(
    name: str,
    model_name: str,
    opened: VerificationSet,
    digest: str,
    config: EvaluateRecognitionConfig,
    model: _Model,
    run_folder: RunFolder,
) -> ModelScores:
    """Score the pairs of a set with one model, or read the scores of an earlier evaluation.

    Args:
        name: Name of the set.
        model_name: Name of the model.
        opened: The set, with any preprocessing.
        digest: Its digest.
        config: Configuration of the evaluation.
        model: The model.
        run_folder: Run folder, entered.
    """
    file = run_folder.path / f"{name}.{model_name}.parquet"
    origin = {
        "model": model.facts["SHA-256 of the model file"],
        "set": digest,
        "flip_test": config.flip_test,
    }
    stored = read_facts(file)
    if stored.get("origin") == origin:
        logger.info("%s by %s: the scores in %s are used again.", name, model_name, run_folder.place)
        return ModelScores(read_pairs_table(file), stored["identified"])
    faces, preprocessing = opened.faces, model.network.preprocessing
    if faces.preprocessing != preprocessing:
        undetected = config.sets[name].pairs.file is not None
        faces = open_people(config.sets[name], preprocessing, with_undetected=undetected)
    device = torch.device("cuda" if config.use_gpu else "cpu")
    with ProgressReport(f"{name} by {model_name}", len(faces)) as progress:
        scored, identified = score_split(
            model.network.model.to(device),
            faces,
            opened.pairs,
            config.batch_size,
            device,
            config.loader_processes,
            flip_test=config.flip_test,
            on_batch=progress.advance,
        )
    facts = {"origin": origin, "identified": dict(identified)}
    write_pairs(scored, opened.pairs, faces.names, file, facts)
    run_folder.push()
    return ModelScores(scored, identified)


def show(findings: VerificationFindings, console: Console) -> None:
    """Print the metrics of each model on each set, and the comparisons."""
    for found in findings.sets:
        console.print(verification_table(found))
        console.print(true_accepts_table(found))
        console.print(found.answer, soft_wrap=True)
        for sentence in (*map(comparison_sentence, found.comparisons), *found.leaks):
            console.print(sentence, soft_wrap=True)


def run_and_show(config: EvaluateRecognitionConfig, console: Console) -> None:
    """Evaluate, and print the results."""
    show(run(config), console)
