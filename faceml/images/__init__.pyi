from .alignment import ARCFACE_TEMPLATE as ARCFACE_TEMPLATE, align_face as align_face
from .box import Box as Box, crop_landmarks as crop_landmarks
from .decoding import (
    DecodedImage as DecodedImage,
    DecodeFailure as DecodeFailure,
    RgbImage as RgbImage,
    as_rgb as as_rgb,
    decode_image as decode_image,
    decode_reduced as decode_reduced,
    difference_hash as difference_hash,
    encode_jpeg as encode_jpeg,
    shrink as shrink,
)
from .framing import Framing as Framing
from .limits import DecodeLimits as DecodeLimits
