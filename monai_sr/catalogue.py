"""Which models exist, where they lie and what they were trained for. Answers without importing torch.

A model is a weights-only state dict ``X.pt`` and a record. The records of the shipped models stand under ``models`` in
``bundle/configs/metadata.json``; a model trained by a user has its record beside it, ``X.json``. A TorchScript archive
``X.ts`` of ``monai-sr export --torchscript`` has its record inside.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

__all__ = [
    "ModelError",
    "ModelRecord",
    "bundle_root",
    "find_model",
    "models",
    "perceptual_partner",
    "read_record",
    "release",
    "write_record",
]

_PACKAGE = Path(__file__).resolve().parent


class ModelError(ValueError):
    """A model cannot be used; the message names file, rule, value and remedy."""


@dataclass(frozen=True)
class ModelRecord:
    """What is known of a model.

    Args:
        name: what ``--model`` takes.
        file: its state dict.
        sha256: of the file; in a TorchScript archive, of the state dict that it was exported from.
        network: ``_target_`` (a class of ``monai_sr.networks``) and its arguments.
        stage: ``"l1"`` or ``"gan"``.
        trained_range: limits of what it has seen: ``modalities``, ``factor``, ``width``, ``noise``; and per modality
            ``contrast`` (limits of the statistics of ``monai_sr.intensity.contrast``) and ``body_parts``.
        description: one sentence for people.
        size: ``"fast"`` or ``"best"`` for the shipped models, by which they are asked for whatever the modality.
    """

    name: str
    file: Path
    sha256: str
    network: Mapping[str, Any]
    stage: str
    trained_range: Mapping[str, Any]
    description: str = ""
    size: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain types; the path is the file's name."""
        return {**asdict(self), "file": self.file.name}


def bundle_root() -> Path:
    """Folder of the shipped bundle: package data in an installed wheel, ``bundle/`` in a checkout.

    Raises:
        ModelError: if neither is there.
    """
    for folder in (_PACKAGE / "_bundle", _PACKAGE.parent / "bundle"):
        if (folder / "configs" / "metadata.json").is_file():
            return folder
    raise ModelError(f"the bundle is missing beside {_PACKAGE}; reinstall monai_sr")


def sha256(file: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _record(name: str, entry: Mapping[str, Any], folder: Path) -> ModelRecord:
    known = ("file", "sha256", "network", "stage", "trained_range", "description", "size")
    missing = [key for key in known[:-2] if key not in entry]
    if missing:
        raise ModelError(f"the record of model {name} in {folder} lacks {', '.join(missing)}; write it again")
    file = Path(str(entry["file"])).name  # a record never points outside its folder
    return ModelRecord(
        name=name,
        file=folder / file,
        sha256=str(entry["sha256"]),
        network=dict(entry["network"]),
        stage=str(entry["stage"]),
        trained_range=dict(entry["trained_range"]),
        description=str(entry.get("description", "")),
        size=str(entry.get("size", "")),
        extra={key: value for key, value in entry.items() if key not in (*known, "name", "extra")},
    )


def models(root: Path | None = None) -> list[ModelRecord]:
    """Records of the models in a bundle, the shipped one by default; the first is the default model."""
    root = bundle_root() if root is None else root
    try:
        metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{root / 'configs' / 'metadata.json'} cannot be read: {error}") from None
    return [_record(name, entry, root / "models") for name, entry in metadata.get("models", {}).items()]


def read_record(weights: Path) -> ModelRecord:
    """Record beside a weights file, ``model.json`` of ``model.pt``, or inside a TorchScript archive, ``model.ts``."""
    if weights.suffix == ".ts":
        return _record_inside(weights)
    file = weights.with_suffix(".json")
    if not file.is_file():
        raise ModelError(f"{weights.name} has no record {file.name} beside it; 'monai-sr train' writes one")
    try:
        entry = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON: {error}") from None
    return _record(str(entry.get("name", weights.stem)), {**entry, "file": weights.name}, weights.parent)


def _record_inside(archive: Path) -> ModelRecord:
    """Record in the metadata that ``monai.bundle ckpt_export`` put into a TorchScript archive."""
    try:
        with zipfile.ZipFile(archive) as content:
            (inner,) = (name for name in content.namelist() if name.endswith("/extra/metadata.json"))
            entries = dict(json.loads(content.read(inner)).get("models", {}))
    except (OSError, ValueError, zipfile.BadZipFile):
        raise ModelError(f"{archive.name} is not a TorchScript archive with metadata.json inside") from None
    if len(entries) != 1:
        raise ModelError(
            f"{archive.name} has the records of {len(entries)} models inside and one is needed; "
            "write it with monai-sr export --torchscript"
        )
    ((name, entry),) = entries.items()
    return _record(name, {**entry, "file": archive.name}, archive.parent)


def write_record(weights: Path, entry: Mapping[str, Any]) -> Path:
    """Write the record of a weights file beside it, with its digest."""
    file = weights.with_suffix(".json")
    content = {"name": weights.stem, **entry, "file": weights.name, "sha256": sha256(weights)}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return file


def release(
    record: ModelRecord, root: Path, name: str, description: str = "", *, size: str = "", default: bool = True
) -> Path:
    """Put a trained model into a bundle.

    Args:
        record: of the trained model.
        root: folder of the bundle.
        name: what ``--model`` will take, ``<modality>_<size>_<stage>``.
        description: one sentence for people; default: the record's own.
        size: ``"fast"`` or ``"best"``; default: the record's own.
        default: the model becomes the bundle's default one: ``models/model.pt``, its record listed first. Otherwise it
            stands beside that: ``models/<name>.pt``, its record where one of its name was, or last.

    Raises:
        ModelError: if the folder is no bundle, or a model beside the default one is to take its name.
    """
    file_name = "model.pt" if default else f"{name}.pt"
    there = {other.name: other for other in models(root)}
    if not default and name in there and there[name].file.name == "model.pt":
        raise ModelError(f"{name} is the default model of {root}; a model beside it needs another name")
    weights = root / "models" / file_name
    weights.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(record.file, weights)
    new = replace(
        record,
        name=name,
        file=weights,
        description=description or record.description,
        size=size or record.size,
    )
    listed = {name: new} if default else {}
    listed |= {other: r for other, r in there.items() if other == name or r.file.name != file_name}
    listed[name] = new  # a key keeps its place
    entries = {}
    for entry in listed.values():
        content = entry.as_json()
        entries[content.pop("name")] = {**content.pop("extra"), **content}
    file = root / "configs" / "metadata.json"
    metadata = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**metadata, "models": entries}, indent=2) + "\n", encoding="utf-8")
    return weights


def find_model(name: str | Path = "default", modality: str | None = None) -> ModelRecord:
    """Record of a model by name, by weights file, or by folder (a bundle, or a training's output).

    Args:
        name: name, file (``.pt`` or ``.ts``) or folder; ``"default"``: the first model of the shipped bundle;
            ``"fast"``, ``"best"``: the first of that size.
        modality: what a default, a size or a bundle is asked for: its first model that was trained on it, rather one of
            that size that was trained on it alone; if there is none or it is not known, the first of all, rather one of
            that size that was trained on more. It changes nothing where one model is named.

    Raises:
        ModelError: if there is no such model; the message lists the names that exist.
    """
    path = Path(name)
    if path.is_dir():
        if (path / "configs" / "metadata.json").is_file():
            return _first_for(models(path), modality)
        return read_record(path / "model.pt")
    if path.suffix in (".pt", ".ts"):
        if not path.is_file():
            raise ModelError(f"model file {path} does not exist")
        return read_record(path)
    known = models()
    if str(name) == "default" and known:
        return _first_for(known, modality)
    for record in known:
        if record.name == str(name):
            return record
    if sized := [record for record in known if record.size == str(name)]:
        return _first_for(sized, modality)
    names = dict.fromkeys(["none", *(r.size for r in known if r.size), *(r.name for r in known)])
    raise ModelError(f"no model named {name}; there are: {', '.join(names)}, or a path")


def perceptual_partner(record: ModelRecord) -> ModelRecord | None:
    """The GAN stage of a model of a bundle: same size, network and modalities; None if there is none."""
    root = record.file.parent.parent
    if not record.size or record.stage == "gan" or not (root / "configs" / "metadata.json").is_file():
        return None
    for other in models(root):
        alike = (other.size, other.network) == (record.size, record.network)
        if alike and other.stage == "gan" and other.trained_range["modalities"] == record.trained_range["modalities"]:
            return other
    return None


def _first_for(records: Sequence[ModelRecord], modality: str | None) -> ModelRecord:
    """The first that was trained on the modality, or one of the same size and stage that was trained on less else.

    Where the modality is not known, or no record has it: the first, or one of its size and stage that was trained on
    more of them. The order in which models of a size were released says nothing.
    """
    fitting = [r for r in records if modality is not None and modality in r.trained_range.get("modalities", ())]
    first = (fitting or records)[0]
    alike = [r for r in fitting or records if first.size and (r.size, r.stage) == (first.size, first.stage)]
    choose = min if fitting else max
    return choose(alike or [first], key=lambda r: len(r.trained_range.get("modalities", ())))
