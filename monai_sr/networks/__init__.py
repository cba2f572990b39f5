"""Generators and discriminators."""

from monai_sr.networks.baselines.attention import AttentionSRResNet
from monai_sr.networks.baselines.autoencoder import SRAutoencoder
from monai_sr.networks.baselines.dictionary import CoupledDictionary
from monai_sr.networks.baselines.progressive import ProgressiveSR
from monai_sr.networks.baselines.rrdb import RRDBNet
from monai_sr.networks.baselines.srcnn import SRCNN
from monai_sr.networks.baselines.srresnet import EDSR, SRResNet
from monai_sr.networks.contract import SRGenerator
from monai_sr.networks.discriminator import SRGANDiscriminator, SRPatchDiscriminator
from monai_sr.networks.generator import UNetGenerator
from monai_sr.networks.interpolation import interpolate_weights

__all__ = [
    "EDSR",
    "SRCNN",
    "AttentionSRResNet",
    "CoupledDictionary",
    "ProgressiveSR",
    "RRDBNet",
    "SRAutoencoder",
    "SRGANDiscriminator",
    "SRGenerator",
    "SRPatchDiscriminator",
    "SRResNet",
    "UNetGenerator",
    "interpolate_weights",
]
