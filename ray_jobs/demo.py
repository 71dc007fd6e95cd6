"""`faceml demo`: the whole way on synthetic faces, on one Ray cluster, told in one report."""

import logging
import time
from pathlib import Path

from rich.console import Console

from faceml.atomic import write_text
from faceml.config.config_error import ConfigError
from faceml.config.demo import DemoConfig, build_stages
from faceml.config.loading import dump_config
from faceml.reporting.extraction_report import extraction_chapter
from faceml.reporting.html import Report, write_report
from faceml.reporting.training_report import training_chapter
from faceml.reporting.tuning_report import tuning_chapter
from faceml.run_files import CONFIG_FILE, REPORT_FILE
from ray_jobs import extract, synth, train, tune
from ray_jobs.cluster import RayCluster

logger = logging.getLogger(__name__)


def run(config: DemoConfig, console: Console) -> None:
    """Draw faces, extract their landmarks, train, search, and write `report.html`.

    Raises:
        ConfigError: The folder holds something already, or a stage refuses a setting.
    """
    started_s = time.monotonic()
    stages, folder = build_stages(config), config.run.folder
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"run.folder: {folder} is not empty. Choose another folder or remove it.")
    write_text(folder / CONFIG_FILE, dump_config(config))
    synth.run(stages.synth)
    with RayCluster():
        for settings in stages.extract.values():
            extract.show(*extract.run(settings), settings, console)
        train.run(stages.train)
        train.show(stages.train, console)
        trials = tune.run(stages.tune)
        tune.show(trials, stages.tune, console)
    chapters = [
        extraction_chapter(Path(stages.extract["train"].run_folder)),
        training_chapter(Path(stages.train.run.folder)),
        tuning_chapter(Path(stages.tune.run.folder), trials),
    ]
    answer = (
        "Drawn faces of people who do not exist went the whole way: their landmarks were found, one network "
        "learned expression and landmarks together, and a search compared settings of that training."
    )
    write_report(Report("From faces to a tuned model", answer, chapters), folder / REPORT_FILE)
    logger.info("Demo done in %.0f s", time.monotonic() - started_s)


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("demo")
