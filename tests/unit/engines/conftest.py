"""A whole training in miniature: phantoms, a tiny generator, and a discriminator where one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.optimizers import WarmupCosineSchedule
from scipy import ndimage
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from monai_sr.catalogue import ModelRecord
from monai_sr.data import SeededPatchDataset, StepSampler, thicken
from monai_sr.data.phantom import ellipsoids
from monai_sr.engines import Adversary, Checkpointer, Learner, SRGanTrainer
from monai_sr.inference import SRModel
from monai_sr.io import Volume
from monai_sr.losses import AdversarialLoss, WeightedLosses
from monai_sr.networks import SRPatchDiscriminator, UNetGenerator
from monai_sr.transforms import DescribeScand, NormalizeScand, RandSimulatePatchd


@pytest.fixture(scope="session")
def phantom_cases() -> list[dict[str, Any]]:
    """Two prepared phantoms, one CT and one MR."""
    prepared = []
    for modality in ("CT", "MR"):
        volume = ellipsoids((40, 40, 40), modality=modality)
        tensor = MetaTensor(
            torch.from_numpy(volume.array)[None],
            affine=torch.from_numpy(volume.geometry.affine.copy()),
            meta={"modality": modality, "spacing": volume.geometry.spacing, "name": f"phantom_{modality}"},
        )
        prepared.append(DescribeScand()(NormalizeScand("label")({"label": tensor})))
    return prepared


class Miniature(SRGanTrainer):
    """The trainer with the pieces it was built from, for tests to look at."""

    sampler: StepSampler


@pytest.fixture
def make_trainer(phantom_cases: list[dict[str, Any]]) -> Callable[..., Miniature]:
    """Build a training; equal arguments give equal trainings."""

    def make(
        folder: Path,
        *,
        gan: bool = False,
        steps: int = 6,
        steps_per_epoch: int = 2,
        batch: int = 2,
        resume: bool = True,
        handlers: list[Any] | None = None,
        device: str = "cpu",
        **options: Any,
    ) -> Miniature:
        torch.manual_seed(7)
        generator = _learner(UNetGenerator(channels=(4, 8), blocks=(1, 1)).to(device), steps, 0.05, ema=True)
        adversary = None
        if gan:
            discriminator = SRPatchDiscriminator(channels=4, num_layers=2).to(device)
            adversary = Adversary(_learner(discriminator, steps, 1.0), AdversarialLoss(), weight=0.1)
        sampler = StepSampler(steps, batch)
        dataset = SeededPatchDataset(phantom_cases, [RandSimulatePatchd(16)], seed=3)
        trainer = Miniature(
            device=torch.device(device),
            max_epochs=steps // steps_per_epoch,
            train_data_loader=DataLoader(dataset, batch_size=batch, sampler=sampler),
            epoch_length=steps_per_epoch,
            generator=generator,
            loss=WeightedLosses({"l1": torch.nn.L1Loss()}),
            adversary=adversary,
            train_handlers=[Checkpointer(folder, sampler, resume=resume), *(handlers or [])],
            **options,
        )
        trainer.sampler = sampler
        return trainer

    return make


@pytest.fixture(scope="session")
def thick_scan() -> Volume:
    """An MR phantom of 1 x 1 x 3 mm whose organs have a texture."""
    body = ellipsoids((60, 56, 60), modality="MR")
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(0.0, 1.0, body.array.shape), 1.2)
    values = body.array * (1.0 + 0.2 * texture / texture.std())
    return replace(thicken(body.with_values(values.astype(np.float32)), axis=2, factor=3.0), name="phantom")


@pytest.fixture
def scan_model() -> Callable[..., SRModel]:
    """A small untrained generator as a model; arguments narrow its trained range."""

    def make(**trained: Any) -> SRModel:
        torch.manual_seed(0)
        wide = {"modalities": ["CT", "MR"], "factor": [1, 6], "width": [0, 4], "noise": [0, 1]}
        network = UNetGenerator(channels=(8, 16), blocks=(1, 1), act=["LEAKYRELU", {"negative_slope": 0.1}]).eval()
        return SRModel(network, ModelRecord("toy", Path("toy.pt"), "0" * 64, {}, "l1", {**wide, **trained}))

    return make


def _learner(network: torch.nn.Module, steps: int, clip: float, ema: bool = False) -> Learner:
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    return Learner(
        network,
        optimizer,
        WarmupCosineSchedule(optimizer, warmup_steps=2, t_total=steps, end_lr=1e-6, warmup_multiplier=0.1),
        max_grad_norm=clip,
        ema=AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9)) if ema else None,
    )
