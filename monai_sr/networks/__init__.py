"""Generators and discriminators."""

from monai_sr.networks.contract import SRGenerator
from monai_sr.networks.discriminator import SRPatchDiscriminator
from monai_sr.networks.generator import UNetGenerator

__all__ = ["SRGenerator", "SRPatchDiscriminator", "UNetGenerator"]
