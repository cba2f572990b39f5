"""The precision in which a network computes: bfloat16 where the hardware does so natively."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["Precision", "native_bfloat16", "network_dtype"]

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
