"""`faceml demo`: the whole way on synthetic faces, on one Ray cluster, told in one report."""

import logging
import time
from pathlib import Path

from rich.console import Console

from faceml.config import ConfigError, DemoConfig, build_stages, dump_config
from faceml.page import Report, write_report
from faceml.reporting import extraction_chapter, training_chapter, tuning_chapter
from faceml.runs import CONFIG_FILE, REPORT_FILE
from faceml.storage import write_text
from ray_jobs.cluster import RayCluster
from ray_jobs.local import synthesis
from ray_jobs.search import tuning
from ray_jobs.tables import extraction
from ray_jobs.training import multitask

logger = logging.getLogger(__name__)


def run_and_show(config: DemoConfig, console: Console) -> None:
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
            extraction.run_and_show(settings, console)
        multitask.run_and_show(stages.train, console)
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
