"""How well expressions are recognised.

Shape letters: B images of a batch, E expressions.
"""

from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score


def expression_metrics(num_classes: int) -> MetricCollection:
    """Return the metrics of the expression task; each takes logits (B, E), then true labels (B,).

    * `accuracy`: share of images classified right.
    * `macro_f1`: F1 averaged over the classes that occur among the true or the predicted labels, so that a
      rare expression counts as much as a frequent one.
    * `confusion_matrix`: int64 of shape (E, E), counts; rows are true labels, columns predictions.

    Args:
        num_classes: Number E of expressions.
    """
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "macro_f1": MulticlassF1Score(num_classes, average="macro"),
            "confusion_matrix": MulticlassConfusionMatrix(num_classes),
        }
    )
