"""From one scan to an archive: a manifest of series, workers on one machine or many, a status row for each series.

Needs the extra ``[archive]``: Ray Data, and PyArrow for the tables. No voxel passes through Ray: a worker gets a
number, reads that row of the manifest, and writes the case's folder itself.
"""

from __future__ import annotations

from monai_sr.archive.job import Job, JobRefused, Shard
from monai_sr.archive.manifest import Manifest, write_manifest
from monai_sr.archive.status import StatusRow, StatusWriter, read_status
from monai_sr.archive.summary import summary_of
from monai_sr.archive.worker import Worker

__all__ = [
    "Job",
    "JobRefused",
    "Manifest",
    "Shard",
    "StatusRow",
    "StatusWriter",
    "Worker",
    "read_status",
    "summary_of",
    "write_manifest",
]
