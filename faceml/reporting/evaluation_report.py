"""What a report says of a model on a split."""

from faceml.config.evaluate import EvaluateConfig
from faceml.config.loading import dump_config
from faceml.datasets.labels import EXPRESSIONS
from faceml.reporting.chart import svg
from faceml.reporting.classes import classes_data_table, confusion_figure
from faceml.reporting.html import Chapter, DataTable, Headline, Picture, Section
from faceml.reporting.numbers import INTERVAL, percent, percent_range, significant
from faceml.training.evaluation import EvaluationResult

OF_POINTS = "nme_"


def evaluation_chapter(result: EvaluationResult, config: EvaluateConfig) -> Chapter:
    """Return what an evaluation has to say."""
    confusion, metrics = result.confusion, result.metrics
    low, high = confusion.macro_f1_interval()
    points = [name.removeprefix(OF_POINTS) for name in metrics if name.startswith(OF_POINTS)]
    return Chapter(
        title="Evaluation",
        headlines=[
            Headline(
                "Expression accuracy",
                percent(confusion.accuracy),
                f"{INTERVAL} {percent_range(confusion.accuracy_interval())}; n = {confusion.images:,}",
            ),
            Headline(
                "Macro-F1",
                f"{confusion.macro_f1:.3f}",
                f"{INTERVAL} {low:.3f}–{high:.3f}; every expression counts alike",
            ),
            Headline("Landmark MSE", significant(metrics["landmark_mse"]), "of coordinates from 0 to 1"),
            Headline("Landmark NME", percent(metrics["nme_interocular"]), "of the distance between the eyes"),
        ],
        sections=[
            Section(
                title="How well each expression is recognised",
                text=[f"{config.model} on the images of {config.data.table}."],
                pictures=[
                    Picture(
                        "Confusions",
                        svg(confusion_figure(confusion, EXPRESSIONS)),
                        "image/svg+xml",
                        "Counts of images by true and by predicted expression; the table below has the share "
                        "that is right of each.",
                        "Rows are true expressions, columns what the network says; the darker, the larger a "
                        "row's share.",
                    )
                ],
                tables=[classes_data_table(confusion, EXPRESSIONS, "Each expression")],
            ),
            Section(
                title="How well landmarks are placed",
                text=["Compared with MediaPipe's points, which no person has checked."],
                tables=[
                    DataTable(
                        title="Error of each point",
                        header=["point", "NME"],
                        rows=[
                            [name.replace("_", " "), percent(metrics[OF_POINTS + name])]
                            for name in points
                            if name != "interocular"
                        ],
                    )
                ],
            ),
        ],
        config=dump_config(config),
    )
