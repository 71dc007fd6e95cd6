"""`faceml demo`: the whole way on synthetic faces, on one Ray cluster, told in one report."""

import logging
import time
from pathlib import Path

from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.demo import DemoConfig, build_stages
from faceml.config.loading import dump_config
from faceml.page.html import Report, write_report
from faceml.reporting.extraction.report import extraction_chapter
from faceml.reporting.search.report import tuning_chapter
from faceml.reporting.training.report import training_chapter
from faceml.runs.files import CONFIG_FILE, REPORT_FILE
from faceml.storage.atomic import write_text
from ray_jobs.cluster.connection import RayCluster
from ray_jobs.local import synthesis
from ray_jobs.search import tuning
from ray_jobs.tables import extraction
from ray_jobs.training import multitask

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
    synthesis.run(stages.synth)
    with RayCluster():
        for settings in stages.extract.values():
            extraction.show(*extraction.run(settings), settings, console)
        multitask.run(stages.train)
        multitask.show(stages.train, console)
        trials = tuning.run(stages.tune)
        tuning.show(trials, stages.tune, console)
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
