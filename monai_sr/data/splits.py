"""Who trains and who validates: by subject, written to a file, never recomputed silently."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from monai_sr.data.pairing import Case
from monai_sr.io.atomic import atomic_path
from monai_sr.io.volume import InputError

__all__ = ["ROLES", "Split", "make_split", "split_cases"]

ROLES = ("train", "validation", "test", "exclude")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """A subject-level split.

    Args:
        roles: subject to one of ``ROLES``.
        files: name of a case below the data folder to its subject.
    """

    roles: dict[str, str]
    files: dict[str, str]

    @staticmethod
    def read(path: Path) -> Split:
        """Read and check a split file.

        Raises:
            InputError: if it is no split, a role is unknown, or a file's subject has no role.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            split = Split(roles=dict(content["roles"]), files=dict(content["files"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a split file (JSON with roles and files): {error}") from error
        for subject, role in split.roles.items():
            if role not in ROLES:
                raise InputError(f"{path}: the role of {subject} must be one of {', '.join(ROLES)}, got {role!r}")
        for file, subject in split.files.items():
            if subject not in split.roles:
                raise InputError(f"{path}: {file} belongs to {subject}, who has no role")
        return split

    def write(self, path: Path) -> None:
        """Write as JSON that :meth:`read` accepts."""
        with atomic_path(path, overwrite=True) as temporary:  # several processes may write the same
            temporary.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @property
    def sha256(self) -> str:
        """Hash of the content, whatever the layout of the file: it goes into the record of a run."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def assign(self, cases: Sequence[Case]) -> dict[str, list[Case]]:
        """Cases by role; their ``subject`` is the split's.

        Raises:
            InputError: if files of the split are missing, or nothing is left to train on.
        """
        by_name = {case["name"]: case for case in cases}
        missing = sorted(file for file in self.files if file not in by_name and self._role(file) != "exclude")
        if missing:
            raise InputError(f"the split names files that are not in the data folder: {', '.join(missing)}")
        surplus = sorted(set(by_name) - set(self.files))
        if surplus:
            _logger.warning("left out, because the split does not name them: %s", ", ".join(surplus))
        assigned: dict[str, list[Case]] = {role: [] for role in ROLES}
        for name, case in by_name.items():
            if name in self.files:
                assigned[self._role(name)].append({**case, "subject": self.files[name]})
        if not assigned["train"]:
            raise InputError("the split leaves no case to train on; give at least one subject the role train")
        return assigned

    def _role(self, file: str) -> str:
        return self.roles[self.files[file]]


def make_split(cases: Sequence[Case], validation_fraction: float, seed: int) -> Split:
    """A random split by subject; a subject's place depends on its name and the seed alone.

    At least one subject trains; with two or more, at least one validates.
    """

    def draw(subject: str) -> str:
        return hashlib.sha256(f"{seed}:{subject}".encode()).hexdigest()

    subjects = sorted({case["subject"] for case in cases}, key=draw)
    count = min(max(round(validation_fraction * len(subjects)), 1), len(subjects) - 1)
    roles = {subject: "validation" if i < count else "train" for i, subject in enumerate(subjects)}
    return Split(roles, {case["name"]: case["subject"] for case in cases})


def split_cases(
    cases: Sequence[Case],
    output_dir: Path,
    split_file: Path | None = None,
    validation_fraction: float = 0.15,
    seed: int = 0,
) -> tuple[dict[str, list[Case]], Split]:
    """Cases by role, and the split they follow.

    Args:
        cases: everything that was found.
        output_dir: the split in use is written here as ``split.json``; one that lies here already is followed.
        split_file: a split made before.
        validation_fraction: share of subjects that validate, if a split is made.
        seed: of a split that is made.

    Raises:
        InputError: see :class:`Split`; also if ``split_file`` and the ``split.json`` of an earlier run differ.
    """
    kept = output_dir / "split.json"
    wanted = Split.read(split_file) if split_file is not None else None
    if kept.exists():
        split = Split.read(kept)
        if wanted is not None and wanted.sha256 != split.sha256:
            raise InputError(f"{split_file} differs from {kept}, which this run began with; choose another output_dir")
    else:
        split = wanted or make_split(cases, validation_fraction, seed)
    assigned = split.assign(cases)
    if not kept.exists():
        split.write(kept)
    if not assigned["validation"]:
        _logger.warning("nobody validates: with one subject, a validation score would be the training score")
    return assigned, split
