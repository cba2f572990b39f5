"""The words of super-resolution for the words of MONAI's engines and configs."""

from __future__ import annotations

from monai.utils.enums import CommonKeys

__all__ = ["HR", "LR", "SR"]

LR = CommonKeys.IMAGE
"""Network input on the target grid: ``(B, C, X, Y, Z)``, see ``networks.contract``."""
HR = CommonKeys.LABEL
"""Truth on the target grid: ``(B, 1, X, Y, Z)``."""
SR = CommonKeys.PRED
"""Network output on the target grid: ``(B, 1, X, Y, Z)``."""
