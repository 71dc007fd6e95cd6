from .agreement import TOLERANCE as TOLERANCE, eager as eager
from .checked_images import (
    CheckedImages as CheckedImages,
    differences_from_training as differences_from_training,
)
from .exportable import Exportable as Exportable, load_exportable as load_exportable
from .onnx_file import open_onnx as open_onnx, versions as versions
from .packages import refuse_missing_packages as refuse_missing_packages
from .paired_inference import answer_in_turns as answer_in_turns
from .quantization_loss import (
    PairedFigure as PairedFigure,
    QuantizationLoss as QuantizationLoss,
    expression_loss as expression_loss,
)
from .recognition_loss import recognition_loss as recognition_loss
from .result import ExportResult as ExportResult
from .split_images import SplitImages as SplitImages, open_split as open_split
from .write import (
    INT8_FILE as INT8_FILE,
    MODEL_FILES as MODEL_FILES,
    ONNX_FILE as ONNX_FILE,
    write_int8_model as write_int8_model,
    write_models as write_models,
)
