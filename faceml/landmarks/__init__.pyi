from .detector import (
    FaceObservation as FaceObservation,
    HeadPose as HeadPose,
    LandmarkDetector as LandmarkDetector,
    select_points as select_points,
)
from .draw import draw_box as draw_box, draw_landmarks as draw_landmarks, point_colors as point_colors
from .extractor import DETECTION_SIDE_PX as DETECTION_SIDE_PX, LandmarkExtractor as LandmarkExtractor
from .litert_detector import LiteRtDetector as LiteRtDetector
from .mediapipe_detector import MediaPipeDetector as MediaPipeDetector
from .model_bundle import find_model_bundle as find_model_bundle
from .options import (
    DetectorOptions as DetectorOptions,
    ExtractorSettings as ExtractorSettings,
    build_extractor_settings as build_extractor_settings,
    build_face_detection as build_face_detection,
    detector_metadata as detector_metadata,
)
from .second_look import SecondLook as SecondLook
