"""Report of an evaluation of landmarks against annotations."""

from faceml.config import EvaluateLandmarksConfig, dump_config
from faceml.datasets import ImageFiles
from faceml.metrics import FAILURE_NME
from faceml.page import (
    INTERVAL,
    Chapter,
    Headline,
    Section,
    capitalised,
    chart_picture,
    percent,
    percent_range,
)
from faceml.reporting.localisation.findings import LandmarkFindings, mean_of, nme_of, share_of
from faceml.reporting.localisation.pictures import cumulative_figure, worst_pictures
from faceml.reporting.localisation.tables import group_tables, points_table, result_table
from faceml.reporting.provenance import data_fact
from faceml.tables import TableSelection


def landmark_chapter(config: EvaluateLandmarksConfig, findings: LandmarkFindings, images: str) -> Chapter:
    """Return the report of an evaluation.

    Args:
        config: Configuration of the evaluation.
        findings: Its results.
        images: Folder of the images.
    """
    facts = [("Annotations", config.annotations), ("Images", images)]
    facts += [data_fact("Landmark table", TableSelection(config.table))] if config.table else []
    facts += [("Model", config.model)] if config.model else []
    return Chapter(
        title="Landmarks against annotations",
        headlines=_headlines(findings),
        sections=[
            _result_section(findings),
            *(
                _source_section(findings, name, ImageFiles(images, follow_links=True), config.report.worst)
                for name in findings.located
            ),
        ],
        config=dump_config(config),
        facts=facts,
    )


def difference_sentence(findings: LandmarkFindings) -> str:
    """Return the paired difference of both sources in one sentence; empty for a single source."""
    difference = findings.difference
    if difference is None:
        return ""
    first, second = findings.located
    limits = f" ({INTERVAL} {percent_range(difference.interval, 2)})" if difference.interval else ""
    return (
        f"On the {difference.count:,} faces that both found, the NME of the {second} minus that of the "
        f"{first} is {percent(difference.mean, 2)}{limits}."
    )


def _headlines(findings: LandmarkFindings) -> list[Headline]:
    lines = []
    for name, errors in findings.main.items():
        nme, nme_limits = nme_of(errors)
        failures, failure_limits = share_of(errors.is_failure)
        area, area_limits = mean_of(errors.areas)
        lines += [
            Headline(
                f"{capitalised(name)}: NME",
                percent(nme, 2),
                f"of the {findings.faces.markup.normalizer}; {int(errors.is_matched.sum()):,} faces; "
                f"{INTERVAL} {percent_range(nme_limits, 2)}",
            ),
            Headline(
                f"{capitalised(name)}: failures",
                percent(failures),
                f"above {percent(FAILURE_NME, 0)}, missed or another face; {INTERVAL} "
                f"{percent_range(failure_limits)}",
            ),
            Headline(
                f"{capitalised(name)}: area",
                percent(area),
                f"under the cumulative curve to {percent(FAILURE_NME, 0)}; {INTERVAL} "
                f"{percent_range(area_limits)}",
            ),
        ]
    return lines


def _result_section(findings: LandmarkFindings) -> Section:
    markup, images = findings.faces.markup, len(set(findings.faces.images))
    left_out = [f"{len(names):,} ({reason})" for reason, names in findings.left_out.items()]
    texts = [
        f"{len(findings.faces):,} faces in {images:,} images have the {markup.num_points} points of "
        f"{markup.name}. The normalised mean error (NME) of a face is the mean distance of its landmarks "
        f"from the annotated ones, divided by the {markup.normalizer} of the annotation.",
        difference_sentence(findings),
        f"Annotated faces that were not evaluated: {', '.join(left_out)}." if left_out else "",
    ]
    curve = "; ".join(
        f"{name}: area {percent(mean_of(errors.areas)[0])}" for name, errors in findings.main.items()
    )
    return Section(
        title="Errors",
        text=[text for text in texts if text],
        pictures=[
            chart_picture(
                "Cumulative error",
                cumulative_figure(findings),
                f"Share of annotated faces by their NME, from 0 to {percent(FAILURE_NME, 0)}; {curve}.",
                "Share of all annotated faces whose NME is at most the value on the axis. Missed faces and "
                "other faces never count as found.",
            )
        ],
        tables=[result_table(findings), *(points_table(findings, number) for number in findings.sets)],
        notes=[
            "Another face was found where the mean of the detected landmarks lies outside the square around "
            "the annotated points. The NME is over the annotated faces that were found. Failures are missed "
            f"faces, other faces, and faces with an NME above {percent(FAILURE_NME, 0)}. Intervals of means "
            "are Student's t intervals, those of shares Wilson intervals.",
            f"Annotated points are numbered from 1. Coordinates of {markup.name} count the first pixel as "
            f"{markup.origin.first_px}; {markup.origin.reason}. Part of an error is a difference of "
            "definition: people mark other spots than the vertices of MediaPipe's mesh.",
        ],
    )


def _source_section(findings: LandmarkFindings, source: str, images: ImageFiles, most: int) -> Section:
    yaw = findings.yaw
    notes = (
        [
            "Yaw is estimated from the annotated points, for missed faces too, by a linear fit to the yaw of "
            f"{yaw.faces:,} faces by MediaPipe (correlation {yaw.correlation:.2f}); it is too small for "
            "profiles."
        ]
        if yaw
        else []
    )
    several = (
        ["A table has only one face per image, so further annotated faces count as another face found."]
        if source == "table" and len(set(findings.faces.images)) < len(findings.faces)
        else []
    )
    return Section(
        title=f"{capitalised(source)}: misses and largest errors",
        text=[
            "Annotated landmarks are green. Those that were found are blue on the viewer's left, orange on "
            "the right, white in the middle.",
            *several,
        ],
        pictures=worst_pictures(findings, source, images, most),
        tables=group_tables(findings, source),
        notes=notes,
    )
