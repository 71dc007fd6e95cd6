from .drawing import draw_predictions as draw_predictions
from .found_images import FoundImage as FoundImage, find_images as find_images
from .loading import build_predictor as build_predictor, load as load, model_file as model_file
from .prediction_files import (
    prediction_table_schema as prediction_table_schema,
    write_lines as write_lines,
    write_predictions as write_predictions,
)
from .predictor import FacePredictor as FacePredictor
from .results import ImagePrediction as ImagePrediction
from .row_settings import PredictionSettings as PredictionSettings, file_digest as file_digest
from .tally import Tally as Tally
