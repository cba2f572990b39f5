"""Can a discriminator still tell restored from real patches: accuracy, precision, recall and F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

__all__ = ["DiscriminatorScores", "discriminator_scores"]

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class DiscriminatorScores:
    """Of a discriminator that calls patches real (positive class: real high resolution) or restored; all 0 to 1.

    With as many restored as real patches, an accuracy near 0.5 says that it cannot tell them apart, near 1 that it can.

    Args:
        accuracy: share of all patches that are called what they are.
        precision: share of real ones among the patches called real; 0 if none is called real.
        recall: share of the real patches that are called real.
        f1: harmonic mean of precision and recall; 0 if both are.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float


def discriminator_scores(real_logits: FloatArray, fake_logits: FloatArray) -> DiscriminatorScores:
    """Decide for each patch, then count.

    A patch is called real if the **mean of the sigmoid over its logit map** is larger than 0.5. For a patch with a
    single logit that is logit > 0. For a map it is not the sign of the mean logit: the sigmoid bounds what one very
    sure piece of the patch can say, so that the pieces vote.

    Args:
        real_logits: ``(N,)`` or ``(N, ...)``, one logit or one map of logits per real patch.
        fake_logits: ``(M,)`` or ``(M, ...)``, the same for restored patches. With ``M`` unlike ``N`` accuracy and
            precision depend on their ratio; choose them equal.

    Raises:
        ValueError: if one of them holds no patch, or a value that is not finite.
    """
    called_real = []
    for name, logits in (("real_logits", real_logits), ("fake_logits", fake_logits)):
        logits = np.asarray(logits, dtype=np.float64)
        if logits.ndim == 0 or logits.size == 0:
            raise ValueError(f"{name} has shape {logits.shape}, which holds no patch; give one row per patch")
        if not np.isfinite(logits).all():
            raise ValueError(f"{name} holds values that are not finite; the discriminator has diverged")
        called_real.append(expit(logits).reshape(len(logits), -1).mean(axis=1) > 0.5)
    real, fake = called_real
    hits, false_alarms = int(real.sum()), int(fake.sum())
    called = hits + false_alarms
    return DiscriminatorScores(
        accuracy=(hits + len(fake) - false_alarms) / (len(real) + len(fake)),
        precision=hits / called if called else 0.0,
        recall=hits / len(real),
        f1=2 * hits / (called + len(real)),
    )
