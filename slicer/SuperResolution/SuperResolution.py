"""MONAI Super-Resolution: a volume of the scene through ``monai-sr upscale``, the result loaded beside it.

Thin: what can be tested without Slicer is in SuperResolutionLib.
"""

import shutil
import tempfile
from pathlib import Path

import ctk
import qt
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from SuperResolutionLib.upscaling import UpscaleError, Wish, run

import slicer

PROGRAM_SETTING = "SuperResolution/Program"


class SuperResolution(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "MONAI Super-Resolution"
        parent.categories = ["Filtering"]
        parent.contributors = ["The monai_sr developers"]
        parent.helpText = (
            "Upscales a CT or MR volume along its coarse axes with monai_sr, which is installed outside of Slicer. "
            "Research only. Not for diagnosis."
        )


class SuperResolutionWidget(ScriptedLoadableModuleWidget):
    """Volume, modality, spacing, program, and one button."""

    def setup(self):
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = SuperResolutionLogic()
        panel = ctk.ctkCollapsibleButton()
        panel.text = "Upscale. Research only. Not for diagnosis."
        self.layout.addWidget(panel)
        form = qt.QFormLayout(panel)
        self.volume = slicer.qMRMLNodeComboBox()
        self.volume.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        self.volume.addEnabled = self.volume.removeEnabled = False
        self.volume.setMRMLScene(slicer.mrmlScene)
        form.addRow("Volume", self.volume)
        self.modality = qt.QComboBox()
        self.modality.addItems(["ct", "mr"])
        form.addRow("Modality", self.modality)
        self.spacing = qt.QLineEdit("auto")
        form.addRow("Spacing in mm", self.spacing)
        self.program = ctk.ctkPathLineEdit()
        self.program.currentPath = qt.QSettings().value(PROGRAM_SETTING) or shutil.which("monai-sr") or ""
        form.addRow("monai-sr program", self.program)
        self.button = qt.QPushButton("Upscale")
        self.button.connect("clicked()", self.onUpscale)
        form.addRow(self.button)
        self.layout.addStretch(1)

    def onUpscale(self):
        """Run, and show what is said."""
        qt.QSettings().setValue(PROGRAM_SETTING, self.program.currentPath)
        wish = Wish(self.program.currentPath, self.modality.currentText, self.spacing.text.strip())
        try:
            with slicer.util.tryWithErrorDisplay("Upscaling failed.", waitCursor=True):
                self.logic.upscale(self.volume.currentNode(), wish)
        finally:
            slicer.util.showStatusMessage("")


class SuperResolutionLogic(ScriptedLoadableModuleLogic):
    """Between the scene and the files."""

    def upscale(self, volume, wish):
        """Write the volume, run the program, load the result beside it; returns the new volume.

        Raises:
            UpscaleError: if nothing was chosen, or the program refuses the volume.
        """
        if volume is None:
            raise UpscaleError("no volume is chosen")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "volume.nii.gz"
            if not slicer.util.saveNode(volume, str(file)):
                raise UpscaleError("the volume cannot be written as NIfTI")
            variables = slicer.util.startupEnvironment()
            result = run(wish, file, Path(folder) / "out", progress=self._show, remark=print, variables=variables)
            loaded = slicer.util.loadVolume(str(result), {"name": f"{volume.GetName()} [AI SR]"})
        loaded.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        slicer.util.setSliceViewerLayers(background=volume, foreground=loaded, foregroundOpacity=1.0)
        return loaded

    @staticmethod
    def _show(stage, share):
        slicer.util.showStatusMessage(f"monai-sr: {stage} {100 * share:.0f} %")
        slicer.app.processEvents()
