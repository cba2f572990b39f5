"""Run by the Python that has slicer-core: what 3D Slicer's own reader makes of files, as JSON and arrays.

    python slicer_reader.py JOBS.json RESULTS/

Imports only what `make test-slicer` installs into that environment; monai_sr is not there.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(jobs: Path, results: Path) -> None:
    """Read every job, ``{"kind": "dicom" or "nifti", "files": [...]}``.

    Each gives ``<number>.json``: warnings, distances between slices (DICOM), and the volumes, whose values are in
    ``<number>_<volume>.npy`` as ``(X, Y, Z)``.
    """
    import slicer

    warnings = _Collector()
    logging.getLogger().addHandler(warnings)
    for number, job in enumerate(json.loads(jobs.read_text())):
        warnings.messages = []
        scene = slicer.vtkMRMLScene()
        found: dict[str, Any] = {}
        try:
            if job["kind"] == "dicom":
                plugin = _scalar_volume_plugin()
                nodes = plugin.load_dcm_volumes(scene, job["files"])
                found["distances"] = plugin.get_dicom_volume_slice_spacing(job["files"])
                found["stored"] = [_described(_from_storage(scene, job["files"]))]
            else:
                nodes = [_from_storage(scene, job["files"])]
            found["volumes"] = [_described(node) for node in nodes]
        except Exception as error:  # what the reader refuses is an answer too
            found = {"error": f"{type(error).__name__}: {error}", "volumes": []}
            nodes = []
        found["warnings"] = warnings.messages
        for volume, node in enumerate(nodes):
            _save(node, results / f"{number}_{volume}.npy")
        (results / f"{number}.json").write_text(json.dumps(found))


class _Collector(logging.Handler):
    """Keeps what would have been a warning in Slicer's window."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _scalar_volume_plugin() -> Any:
    """Slicer's DICOMScalarVolumePlugin as Kitware ported it: its own file, since the package around it needs a GUI."""
    package = importlib.util.find_spec("trame_slicer")
    assert package is not None and package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "core" / "volumes_reader.py"
    spec = importlib.util.spec_from_file_location("volumes_reader", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.VolumesReader


def _from_storage(scene: Any, files: list[str]) -> Any:
    """The road of "Add data": MRML's storage node."""
    import slicer

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(files[0])
    storage.ResetFileNameList()
    for file in files:
        storage.AddFileName(file)
    storage.SetSingleFile(0)
    if not storage.ReadData(node):
        raise RuntimeError("vtkMRMLVolumeArchetypeStorageNode could not read it")
    return node


def _described(node: Any) -> dict[str, Any]:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return {
        "name": node.GetName(),
        "dimensions": list(node.GetImageData().GetDimensions()),
        "spacing": list(node.GetSpacing()),
        "origin": list(node.GetOrigin()),
        "ijk_to_ras": [[matrix.GetElement(i, j) for j in range(4)] for i in range(4)],
        "transformed": node.GetParentTransformNode() is not None,
    }


def _save(node: Any, file: Path) -> None:
    import numpy as np
    from vtkmodules.util.numpy_support import vtk_to_numpy

    image = node.GetImageData()
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    np.save(file, values.transpose(2, 1, 0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
