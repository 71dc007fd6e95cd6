from .augmentation import FaceAugmentation as FaceAugmentation, build_augmentation as build_augmentation
from .batches import (
    EpochBatches as EpochBatches,
    EpochSampler as EpochSampler,
    FaceLoader as FaceLoader,
    SampledBatches as SampledBatches,
    WatchedBatches as WatchedBatches,
)
from .face_columns import read_yaw as read_yaw, training_columns as training_columns
from .face_dataset import (
    FaceDataset as FaceDataset,
    FaceSample as FaceSample,
    LabelledFaces as LabelledFaces,
)
from .identity_sampling import PKSampler as PKSampler, ShuffledSampler as ShuffledSampler
from .image_source import ImageFiles as ImageFiles
from .labels import (
    EXPRESSIONS as EXPRESSIONS,
    expression_label as expression_label,
    refuse_other_order as refuse_other_order,
)
from .pairs_file import read_pairs as read_pairs
from .person_dataset import (
    ALIGNED_BY as ALIGNED_BY,
    AlignedPreprocessing as AlignedPreprocessing,
    PersonDataset as PersonDataset,
)
from .preprocessing import Preprocessing as Preprocessing
from .sampling import ExpressionSampler as ExpressionSampler
from .streamed_faces import (
    Columns as Columns,
    collate_columns as collate_columns,
    decode_rows as decode_rows,
)
from .verification_pairs import (
    VerificationPairs as VerificationPairs,
    draw_pairs as draw_pairs,
)
