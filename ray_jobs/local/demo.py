"""`faceml demo`: extraction, training and search on synthetic faces, with one report."""

import logging
import time
from pathlib import Path

from rich.console import Console

from faceml.config import ConfigError, DemoConfig, build_stages, dump_config
from faceml.page import Report
from faceml.reporting import extraction_chapter, training_chapter, tuning_chapter
from faceml.runs import RunFolder
from ray_jobs.cluster import RayCluster
from ray_jobs.local import synthesis
from ray_jobs.search import tuning
from ray_jobs.tables import extraction
from ray_jobs.training import multitask

ANSWER = (
    "On synthetic faces, landmarks were detected, one network was trained on expressions and landmarks "
    "together, and a search compared settings of that training."
)

logger = logging.getLogger(__name__)


def run_and_show(config: DemoConfig, console: Console) -> None:
    """Generate faces, extract their landmarks, train, search, and write `report.html`.

    Raises:
        ConfigError: The folder is not empty, or a stage refuses a setting.
    """
    started_s = time.monotonic()
    stages, folder = build_stages(config), config.run.folder
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"run.folder: {folder} is not empty. Choose another folder or remove it.")
    with RunFolder(folder) as run_folder:
        run_folder.write_config(dump_config(config))
        synthesis.run(stages.synth)
        with RayCluster():
            for settings in stages.extract.values():
                extraction.run_and_show(settings, console)
            multitask.run_and_show(stages.train, console)
            trials = tuning.run(stages.tune)
            tuning.show(trials, stages.tune, console)

        def build_report() -> Report:
            chapters = [
                extraction_chapter(Path(stages.extract["train"].run_folder)),
                training_chapter(Path(stages.train.run.folder)),
                tuning_chapter(Path(stages.tune.run.folder), trials),
            ]
            return Report("From faces to a tuned model", ANSWER, chapters)

        run_folder.finish(build_report)
    logger.info("Demo done in %.0f s", time.monotonic() - started_s)
