"""Training: the trainer, what happens around its step, and the door of the bundle configs."""

from monai_sr.engines.case_engines import QualityEvaluator, UpscaleEvaluator, case_dataset, open_model
from monai_sr.engines.checkpoint import Checkpointer, latest_checkpoint
from monai_sr.engines.config import ConfigRefused, check_config, find_bundle_root, running_config
from monai_sr.engines.dictionary_fit import fit_dictionary
from monai_sr.engines.dictionary_training import DictionaryTraining
from monai_sr.engines.discriminator_check import DiscriminatorCheck
from monai_sr.engines.distributed import average_gradients, start_processes, stop_processes
from monai_sr.engines.evaluate import evaluate
from monai_sr.engines.handlers import CollapseWarning, LossLog, Progress
from monai_sr.engines.network_interpolation import NetworkInterpolation
from monai_sr.engines.parts import (
    TrainingCases,
    epochs,
    fix_numerics,
    memory_format,
    pick_device,
    prepare_network,
    sample_count,
    share_of,
    warm_hold_decay,
)
from monai_sr.engines.record import RunRecord, export_weights, trained_range
from monai_sr.engines.srgan_trainer import Adversary, Learner, SRGanTrainer, TrainingDiverged, amp_dtype
from monai_sr.engines.tasks import STANDARD_TASKS, Task
from monai_sr.engines.tensorboard import TensorBoard, image_panel
from monai_sr.engines.validation import PatchScores, Validation, WholeVolumeScores

__all__ = [
    "STANDARD_TASKS",
    "Adversary",
    "Checkpointer",
    "CollapseWarning",
    "ConfigRefused",
    "DictionaryTraining",
    "DiscriminatorCheck",
    "Learner",
    "LossLog",
    "NetworkInterpolation",
    "PatchScores",
    "Progress",
    "QualityEvaluator",
    "RunRecord",
    "SRGanTrainer",
    "Task",
    "TensorBoard",
    "TrainingCases",
    "TrainingDiverged",
    "UpscaleEvaluator",
    "Validation",
    "WholeVolumeScores",
    "amp_dtype",
    "average_gradients",
    "case_dataset",
    "check_config",
    "epochs",
    "evaluate",
    "export_weights",
    "find_bundle_root",
    "fit_dictionary",
    "fix_numerics",
    "image_panel",
    "latest_checkpoint",
    "memory_format",
    "open_model",
    "pick_device",
    "prepare_network",
    "running_config",
    "sample_count",
    "share_of",
    "start_processes",
    "stop_processes",
    "trained_range",
    "warm_hold_decay",
]
