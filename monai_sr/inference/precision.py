"""The precision in which a network computes: bfloat16 where the hardware does so natively."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

__all__ = ["Precision", "computing_in", "native_bfloat16", "network_dtype"]

Precision = Literal["auto", "float32"]


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 itself: CUDA from Ampere on, CPUs with AVX512-BF16 or AMX.

    There it is two to eight times as fast as float32; emulated, as elsewhere, it is slower.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


def network_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Of the network's layers; what it adds to, and all that happens outside it, stays float32."""
    return torch.bfloat16 if precision == "auto" and native_bfloat16(device) else torch.float32


@contextmanager
def computing_in(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """The layers inside compute in bfloat16, or in float32 to the last bit.

    CUDA convolves float32 in TF32 unless told otherwise, whose mantissa is hardly longer than that of bfloat16.
    """
    cudnn = torch.backends.cudnn
    allowed = cudnn.allow_tf32
    try:
        cudnn.allow_tf32 = allowed and dtype != torch.float32
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            yield
    finally:
        cudnn.allow_tf32 = allowed
