from .config import ConfigError as ConfigError
from .datasets import FaceDataset as FaceDataset, PersonDataset as PersonDataset
from .losses import (
    AdaFace as AdaFace,
    ArcFace as ArcFace,
    CosFace as CosFace,
    FixedWeighting as FixedWeighting,
    KendallWeighting as KendallWeighting,
    RevisedWeighting as RevisedWeighting,
    UncertaintyWeighting as UncertaintyWeighting,
)
from .models import FaceResNet as FaceResNet, MultitaskFaceModel as MultitaskFaceModel
from .prediction import FacePredictor as FacePredictor, load as load
from .tables import (
    LANDMARK_SETS as LANDMARK_SETS,
    LabelSource as LabelSource,
    TableSelection as TableSelection,
    read_table as read_table,
)

__version__: str
