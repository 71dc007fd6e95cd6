"""Numeric precision of the forward and backward pass."""

from typing import Literal

import torch

AnyPrecision = Literal["auto", "fp32", "bf16", "fp16"]
Precision = Literal["fp32", "bf16", "fp16"]
AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(precision: AnyPrecision, device: torch.device) -> Precision:
    """Return the precision to train in; `auto` is bf16 if the device has instructions for it, else fp32."""
    if precision == "auto":
        return "bf16" if has_bf16_instructions(device) else "fp32"
    return precision


def slow_precision_warning(precision: Precision, device: torch.device) -> str | None:
    """Return the warning for a precision that the device has no instructions for, or None.

    Without them PyTorch computes in bf16 all the same: on a CPU with AVX2, ResNet-18 trains 7 to 25 times
    slower than in fp32 (docs/benchmarks.md).
    """
    if precision != "bf16" or has_bf16_instructions(device):
        return None
    hardware = "GPU" if device.type == "cuda" else "CPU"
    return (
        f"training.precision: bf16 is slow here, because this {hardware} has no bf16 instructions. Set it to "
        "fp32, or to auto, which is bf16 on hardware that has them and fp32 elsewhere."
    )


def has_bf16_instructions(device: torch.device) -> bool:
    """Return whether a device has bf16 instructions: GPUs since Ampere, x86 CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
