"""Integers of 8 bits in place of the floats of an ONNX model.

Imported only where it is asked for: the packages are an extra.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from faceml.export.agreement import Images
from faceml.export.graph import INPUT
from faceml.export.onnx_file import set_metadata

# All that a backbone does between the image and its features. Preprocessing stays as it is, and so do the
# linear layers: they are 2 to 5 % of the weights, and coordinates in 256 steps would be off by half a step.
QUANTIZED = ("Conv", "Add", "MaxPool", "GlobalAveragePool")


def write_int8(floats: Path, images: Iterable[Images], weight_bits: int, file: Path) -> None:
    """Quantise a model statically: scales of weights for each channel, ranges of activations from images.

    What is computed in integers stands between QuantizeLinear and DequantizeLinear (QDQ), which every
    runtime understands. Weights are symmetric int8, activations uint8 with a zero point (Jacob et al. 2018,
    "Quantization and training of neural networks for efficient integer-arithmetic-only inference").

    Args:
        floats: The ONNX file.
        images: For the ranges, their smallest and largest values.
        weight_bits: 7 or 8, of the 8 bits of a weight.
        file: To write.
    """
    with TemporaryDirectory() as folder:
        shaped = Path(folder, "shaped.onnx")
        quant_pre_process(str(floats), str(shaped), skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            shaped,
            file,
            _Calibration(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            reduce_range=weight_bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    model = onnx.load_model(file)
    props = {entry.key: entry.value for entry in onnx.load_model(floats).metadata_props}
    set_metadata(model, {**props, "quantization": f"static QDQ, per channel, int8 with {weight_bits} bits"})
    file.write_bytes(model.SerializeToString())


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    """Feed images one batch after the other."""

    def __init__(self, images: Iterable[Images]) -> None:
        self._images: Iterator[Images] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the inputs of the next run, None after the last."""
        images = next(self._images, None)
        return None if images is None else {INPUT: images}
