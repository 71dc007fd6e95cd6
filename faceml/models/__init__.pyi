from .architecture import Architecture as Architecture
from .backbone import ModelT as ModelT, backbone_stages as backbone_stages
from .checkpoint_layouts import nonfinite_values as nonfinite_values
from .full_memory import (
    FOR_TRAINING as FOR_TRAINING,
    FullMemoryError as FullMemoryError,
    translate_full_memory as translate_full_memory,
)
from .heads import ClassHead as ClassHead, LandmarkHead as LandmarkHead, NumberHead as NumberHead
from .multitask import (
    FaceOutputs as FaceOutputs,
    MultitaskFaceModel as MultitaskFaceModel,
    build_multitask_model as build_multitask_model,
)
from .recognition import (
    FaceResNet as FaceResNet,
    IdentityHead as IdentityHead,
    build_face_resnet as build_face_resnet,
)
from .small_maps import speed_up_small_maps as speed_up_small_maps
from .starting_weights import (
    refuse_other_normalisation as refuse_other_normalisation,
    refuse_unusable_network as refuse_unusable_network,
)
