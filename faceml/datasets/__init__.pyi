from .augmentation import (
    FaceAugmentation as FaceAugmentation,
    Moves as Moves,
    build_augmentation as build_augmentation,
    mirror_landmarks as mirror_landmarks,
    move_landmarks as move_landmarks,
)
from .batches import (
    EpochBatches as EpochBatches,
    EpochSampler as EpochSampler,
    FaceLoader as FaceLoader,
    SampledBatches as SampledBatches,
    WatchedBatches as WatchedBatches,
)
from .face_columns import (
    FaceKey as FaceKey,
    is_list as is_list,
    number_columns as number_columns,
    number_lists as number_lists,
    seen_landmarks as seen_landmarks,
)
from .face_dataset import FaceDataset as FaceDataset
from .identity_sampling import (
    PKSampler as PKSampler,
    ShuffledSampler as ShuffledSampler,
    pk_draws as pk_draws,
)
from .image_source import ImageFiles as ImageFiles
from .labelled_faces import FaceSample as FaceSample, LabelledFaces as LabelledFaces
from .mixing import ImageMixing as ImageMixing, Mix as Mix, build_mixing as build_mixing
from .pairs_file import read_pairs as read_pairs
from .person_dataset import (
    AlignedPreprocessing as AlignedPreprocessing,
    PersonDataset as PersonDataset,
)
from .person_rows import ALIGNED_BY as ALIGNED_BY, IDENTITY as IDENTITY
from .preprocessing import (
    IMAGENET_MEAN as IMAGENET_MEAN,
    IMAGENET_STD as IMAGENET_STD,
    Preprocessing as Preprocessing,
)
from .sampling import ClassSampler as ClassSampler
from .streamed_faces import (
    Columns as Columns,
    collate_columns as collate_columns,
    decode_rows as decode_rows,
    streamed_columns as streamed_columns,
)
from .table_rows import crop_margin as crop_margin, has_all_faces as has_all_faces
from .targets import (
    Target as Target,
    TargetReader as TargetReader,
    Targets as Targets,
    targets_of as targets_of,
)
from .verification_pairs import (
    VerificationPairs as VerificationPairs,
    draw_pairs as draw_pairs,
)
