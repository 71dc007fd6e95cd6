from .backbone import ModelT as ModelT, build_backbone_from as build_backbone_from
from .checkpoint_layouts import nonfinite_values as nonfinite_values
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
from .starting_weights import (
    refuse_other_normalisation as refuse_other_normalisation,
    refuse_unusable_weights as refuse_unusable_weights,
)
