from .comparison import (
    TOLERANCE as TOLERANCE,
    CheckedImages as CheckedImages,
    differences_from_training as differences_from_training,
)
from .exportable import Exportable as Exportable, load_exportable as load_exportable
from .graph import eager_inference as eager_inference
from .onnx_file import onnx_versions as onnx_versions, open_onnx as open_onnx
from .quantization_loss import (
    QuantizationLoss as QuantizationLoss,
    measure_task_loss as measure_task_loss,
    measure_verification_loss as measure_verification_loss,
    run_alternately as run_alternately,
)
from .split_images import SplitImages as SplitImages, open_split as open_split
from .write import (
    INT8_FILE as INT8_FILE,
    MODEL_FILES as MODEL_FILES,
    ONNX_FILE as ONNX_FILE,
    ExportResult as ExportResult,
    refuse_missing_packages as refuse_missing_packages,
    write_int8_model as write_int8_model,
    write_models as write_models,
)
