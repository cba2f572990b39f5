"""Attribute lists for derived series: what is copied, what is left out, what must be there.

Keywords as in PS3.6; the reasons for each list stand beside it.
"""

from __future__ import annotations

from pydicom.tag import BaseTag, Tag

from monai_sr.io.volume import Modality

__all__ = [
    "CLASSIC_NAMES",
    "COMMON",
    "EMPTY",
    "NOT_ACQUISITION",
    "PATIENT_GROUPS",
    "STUDY",
    "is_acquisition",
]


def _tags(keywords: str) -> frozenset[BaseTag]:
    return frozenset(Tag(keyword) for keyword in keywords.split())


# Patient, clinical trial and study, copied word for word: groups 0010 and 0012 whole, and these.
PATIENT_GROUPS = (0x0010, 0x0012)
STUDY = _tags("""
    SpecificCharacterSet TimezoneOffsetFromUTC StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence
    ReferringPhysicianName ReferringPhysicianIdentificationSequence ConsultingPhysicianName StudyDescription
    ProcedureCodeSequence PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy
    AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence ReferencedStudySequence ReferencedPatientSequence
    StudyInstanceUID StudyID AdmissionID RequestingService RequestAttributesSequence
    LongitudinalTemporalInformationModified
""")
# Series, equipment, frame of reference and image: copied where all slices agree.
COMMON = _tags("""
    Manufacturer InstitutionName InstitutionAddress InstitutionCodeSequence InstitutionalDepartmentName StationName
    ManufacturerModelName PerformingPhysicianName OperatorsName AnatomicRegionSequence
    PrimaryAnatomicStructureSequence Laterality FrameOfReferenceUID PositionReferenceIndicator PatientOrientation
    BurnedInAnnotation RecognizableVisualFeatures LossyImageCompression LossyImageCompressionRatio
    LossyImageCompressionMethod RescaleType
""")
# Group 0018 describes the acquisition and is copied where all slices agree, but not what describes the old grid or
# the moment of one slice.
NOT_ACQUISITION = _tags("""
    SliceThickness SpacingBetweenSlices SpatialResolution TriggerTime NominalInterval BeatRejectionFlag LowRRValue
    HighRRValue IntervalsAcquired IntervalsRejected FrameTime FrameTimeVector FrameDelay TriggerWindow
    ActualFrameDuration
""")
# Above this element number group 0018 belongs to the Enhanced objects, but for these.
ENHANCED_FROM = 0x9000
CLASSIC_AFTER_ALL = _tags("""
    CTDIvol SingleCollimationWidth TotalCollimationWidth TableSpeed TableFeedPerRotation SpiralPitchFactor
    ExposureModulationType EstimatedDoseSaving DiffusionBValue DiffusionGradientOrientation
""")
# Attributes that an image of either kind must have, if only empty (type 2).
_EMPTY_COMMON = """
    PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber ReferringPhysicianName StudyID
    Manufacturer PositionReferenceIndicator PatientPosition AcquisitionNumber
"""
EMPTY: dict[Modality, frozenset[BaseTag]] = {
    "CT": _tags(f"{_EMPTY_COMMON} KVP"),
    "MR": _tags(f"{_EMPTY_COMMON} ScanOptions MRAcquisitionType RepetitionTime EchoTime EchoTrainLength"),
}
# Functional group of an Enhanced object, attribute in it, and the classic attribute of the same meaning and unit.
CLASSIC_NAMES: dict[Modality, list[tuple[str, str, str]]] = {
    "MR": [
        ("FrameAnatomySequence", "AnatomicRegionSequence", "AnatomicRegionSequence"),
        ("MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"),
        ("MRTimingAndRelatedParametersSequence", "EchoTrainLength", "EchoTrainLength"),
        ("MRTimingAndRelatedParametersSequence", "FlipAngle", "FlipAngle"),
        ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
        ("MRAveragesSequence", "NumberOfAverages", "NumberOfAverages"),
        ("MRModifierSequence", "InversionTimes", "InversionTime"),
        ("MRImagingModifierSequence", "PixelBandwidth", "PixelBandwidth"),
        ("MRImagingModifierSequence", "TransmitterFrequency", "ImagingFrequency"),
    ],
    "CT": [
        ("FrameAnatomySequence", "AnatomicRegionSequence", "AnatomicRegionSequence"),
        ("CTXRayDetailsSequence", "KVP", "KVP"),
        ("CTReconstructionSequence", "ConvolutionKernel", "ConvolutionKernel"),
    ],
}


def is_acquisition(tag: BaseTag) -> bool:
    """Whether a standard attribute describes the acquisition in a way that stays true for resampled slices."""
    if tag.group != 0x0018 or tag in NOT_ACQUISITION:
        return False
    return tag.element < ENHANCED_FROM or tag in CLASSIC_AFTER_ALL
