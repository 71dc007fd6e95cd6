from .annotated_images import predict_annotated_faces as predict_annotated_faces
from .drawing import draw_predictions as draw_predictions
from .extraction import (
    build_prediction_settings as build_prediction_settings,
    file_digest as file_digest,
)
from .input_images import InputImage as InputImage, find_images as find_images
from .loading import (
    build_predictor as build_predictor,
    load as load,
    model_file as model_file,
    open_predictor as open_predictor,
)
from .prediction_files import (
    named_columns as named_columns,
    prediction_schema as prediction_schema,
    prediction_table_schema as prediction_table_schema,
    write_lines as write_lines,
    write_predictions as write_predictions,
)
from .predictor import FacePredictor as FacePredictor
from .results import ImagePrediction as ImagePrediction, PredictionCounts as PredictionCounts
