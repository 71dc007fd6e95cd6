"""Export of trained models: ONNX, ExportedProgram, int8 quantization, and their verification."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
