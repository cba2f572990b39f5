from __future__ import annotations

import pytest
import torch

from monai_sr.inference.precision import computing_in

CPU = torch.device("cpu")


def test_float32_is_not_rounded_to_tf32_on_the_way():
    allowed = torch.backends.cudnn.allow_tf32
    with computing_in(torch.float32, CPU):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.is_autocast_enabled("cpu")
    with computing_in(torch.bfloat16, CPU):
        assert torch.backends.cudnn.allow_tf32 == allowed
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
        assert torch.is_autocast_enabled("cpu")
    with pytest.raises(RuntimeError), computing_in(torch.float32, CPU):
        raise RuntimeError
    assert torch.backends.cudnn.allow_tf32 == allowed
