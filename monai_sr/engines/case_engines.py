"""MONAI evaluators over whole cases: ``inference.yaml`` upscales them, ``evaluate.yaml`` measures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from ignite.engine import Events
from monai.data import Dataset
from monai.data.utils import no_collation
from monai.engines import Evaluator
from torch.utils.data import DataLoader

from monai_sr.catalogue import ModelError
from monai_sr.engines.config import ConfigRefused
from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.scoreboard import markdown_table, summary
from monai_sr.engines.tasks import STANDARD_TASKS, Task
from monai_sr.inference import HaloInferer, SRModel, load_model, super_resolve
from monai_sr.io import InputError, find_cases
from monai_sr.report import in_words, write_results, write_run_record

__all__ = ["QualityEvaluator", "UpscaleEvaluator", "case_dataset", "open_model"]

_logger = logging.getLogger(__name__)


def case_dataset(dataset_dir: str | Path | None, affine: Literal["sform", "qform"] | None = None) -> Dataset:
    """The scans in a folder as a MONAI dataset of ``{"image": monai_sr.io.Case}``; no voxel is read yet.

    Args:
        dataset_dir: NIfTI file, DICOM series, or a folder of them.
        affine: for NIfTI files that state two different ones.

    Raises:
        ConfigRefused: in one sentence, if nothing is there.
    """
    if not dataset_dir:
        raise ConfigRefused("dataset_dir is not given; name a scan or a folder of scans: --dataset_dir DIR")
    try:
        found = find_cases(Path(dataset_dir), affine=affine)
        meant = [case for case in found if case.skip is None] or found  # a study holds localizers and reports too
        return Dataset([{"image": case} for case in meant])
    except (InputError, FileNotFoundError) as error:
        raise ConfigRefused(str(error)) from error


def open_model(name: str | Path) -> SRModel:
    """A model by name, weights file or folder; of a bundle's folder its first.

    Raises:
        ConfigRefused: in one sentence, if it is missing or damaged.
    """
    try:
        return load_model(name)
    except ModelError as error:
        raise ConfigRefused(str(error)) from error


class _CaseEvaluator(Evaluator):
    """One case per iteration; a refused one is told and the others go on."""

    def __init__(self, device: torch.device | str, dataset: Dataset, handlers: Sequence[Any] | None = None) -> None:
        loader = DataLoader(dataset, batch_size=1, collate_fn=no_collation)
        super().__init__(device=torch.device(device), val_data_loader=loader, val_handlers=handlers, decollate=False)
        self.refused: dict[str, str] = {}

    def run(self, global_epoch: int = 1) -> None:  # type: ignore[override]
        """Process all cases.

        Raises:
            ConfigRefused: at the end, if some were refused; the exit status of the command must say so.
        """
        self.refused.clear()
        super().run(global_epoch)
        if self.refused:
            raise ConfigRefused(f"refused {len(self.refused)} of {self.state.iteration}: {', '.join(self.refused)}")

    def _iteration(  # type: ignore[override]
        self, engine: Any, batchdata: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        case = batchdata[0]["image"]
        try:
            return self.case(case.name, case.read())
        except InputError as error:
            self.refused[case.name] = str(error)
            _logger.warning("refused %s: %s", case.name, error)
            return {"case": case.name, "error": str(error)}

    def case(self, name: str, volume: Any) -> dict[str, Any]:
        """What is done with one scan; the result is ``engine.state.output``."""
        raise NotImplementedError


class UpscaleEvaluator(_CaseEvaluator):
    """Upscale every case through ``super_resolve`` and write it in the format in which it was read.

    ``output_dir/<case>/`` gets ``<case>_sr.nii.gz`` or ``dicom/*.dcm``, ``preview.png`` and ``run.json``.

    Args:
        device: where to run.
        dataset: see :func:`case_dataset`.
        model: loaded model, or ``"none"``.
        inferer: its tile is used.
        output_dir: where to.
        options: further arguments of ``super_resolve``, such as ``spacing``.
        val_handlers: ignite handlers.
    """

    def __init__(
        self,
        device: torch.device | str,
        dataset: Dataset,
        model: SRModel | str,
        inferer: HaloInferer,
        output_dir: str | Path,
        options: Mapping[str, Any] | None = None,
        val_handlers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(device, dataset, val_handlers)
        self.model = model
        self.inferer = inferer
        self.output_dir = Path(output_dir)
        self.options = dict(options or {})

    def case(self, name: str, volume: Any) -> dict[str, Any]:
        """Upscale and write; returns the report and the names of the files."""
        folder = self.output_dir / name
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} holds results already; choose another output_dir")
        result = super_resolve(
            volume, model=self.model, device=str(self.state.device), tile=self.inferer.tile, **self.options
        )
        folder.mkdir(parents=True, exist_ok=True)
        files = write_results(result, folder, name, facts={"options": self.options})
        for warning in result.report["warnings"]:
            _logger.warning("%s: %s", name, warning)
        _logger.info("%s: %s, in %s", name, in_words(result), folder)
        return {**result.report, "outputs": files}


class QualityEvaluator(_CaseEvaluator):
    """Degrade every case with the forward model, restore it with every method, and measure.

    ``output_dir`` gets ``quality.md`` (the table), ``quality.json`` (its summary) and ``rows.jsonl`` (each number).

    Args:
        device: where to run.
        dataset: truths, see :func:`case_dataset`.
        model: name, path or loaded model.
        output_dir: where to; numbers that lie there are not computed again.
        tasks: degradations.
        crop: at most so many voxels per axis around the body; None: all.
        modality: of all cases; default: as the file says.
        val_handlers: ignite handlers.
    """

    def __init__(
        self,
        device: torch.device | str,
        dataset: Dataset,
        model: SRModel | str | Path,
        output_dir: str | Path,
        tasks: Sequence[Task] = STANDARD_TASKS,
        crop: int | None = None,
        modality: Literal["CT", "MR"] | None = None,
        val_handlers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(device, dataset, val_handlers)
        self.model = model
        self.output_dir = Path(output_dir)
        self.tasks = tasks
        self.crop = crop
        self.modality = modality
        self.rows: list[dict[str, Any]] = []
        self.add_event_handler(Events.STARTED, self.rows.clear)
        self.add_event_handler(Events.COMPLETED, self._report)

    def case(self, name: str, volume: Any) -> dict[str, Any]:
        """All tasks and methods on one truth."""
        rows = evaluate(
            [volume],
            model=self.model,
            tasks=self.tasks,
            out=self.output_dir,
            crop=self.crop,
            modality=self.modality,
            device=str(self.state.device),
        )
        self.rows += rows
        return {"case": name, "rows": rows}

    def _report(self) -> None:
        if not self.rows:
            return
        table = markdown_table(self.rows)
        (self.output_dir / "quality.md").write_text(table + "\n", encoding="utf-8")
        found = summary(self.rows)
        write_run_record(found, self.output_dir / "quality.json", overwrite=True)
        self.state.metrics.update({k: v for k, v in found["all"].items() if v is not None})
        _logger.info("%s\n%s", self.output_dir / "quality.md", table)
