from .detector import (
    FaceObservation as FaceObservation,
    HeadPose as HeadPose,
    LandmarkDetector as LandmarkDetector,
)
from .draw import draw_landmarks as draw_landmarks, point_colors as point_colors
from .extractor import DETECTION_SIDE_PX as DETECTION_SIDE_PX, LandmarkExtractor as LandmarkExtractor
from .mediapipe_detector import MediaPipeDetector as MediaPipeDetector
from .model_bundle import BUNDLE_SHA256 as BUNDLE_SHA256, find_model_bundle as find_model_bundle
from .native_log import NativeLogFilter as NativeLogFilter
from .points import select_points as select_points
from .settings import ExtractorSettings as ExtractorSettings
from .tiled_detector import TiledDetector as TiledDetector
from .training_copy import EmbedOptions as EmbedOptions
