"""Enhanced MR objects: many frames, what they share, and what each says of itself (DICOM PS3.3 A.36)."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import EnhancedMRImageStorage

from t2disc.simulate.dicom.encode import set_pixels
from t2disc.simulate.dicom.exam import Exam, Series
from t2disc.simulate.dicom.header import (
    decimal,
    decimals,
    exam_header,
    orientation_lps,
    pixel_spacing,
    position_lps,
    slice_spacing_mm,
)
from t2disc.simulate.grid import Grid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameSpec:
    """One frame: a slice of a grid at an echo, stored pixels ``(rows, columns)`` and their rescale."""

    grid: Grid
    index: int
    stored: NDArray[np.uint16]
    echo: int
    echo_time_ms: float
    frame_type: tuple[str, ...]
    component: str = "MAGNITUDE"
    slope: float = 1.0
    intercept: float = 0.0
    rescale_type: str = "US"
    image_type: tuple[str, ...] = ()  # classic ImageType, for vendors that repeat it per frame
    scale_slope: float = 1.0  # Philips' private one


def enhanced_object(
    exam: Exam, series: Series, frames: SequenceOf[FrameSpec], *instance: object, pixel_measures_shared: bool = False
) -> Dataset:
    """Return one multi-frame object; ImageType is the first frame's, and MIXED where components differ."""
    out = exam_header(exam, series, EnhancedMRImageStorage, *instance)
    del out.AcquisitionDate, out.AcquisitionTime, out.ImagingFrequency
    out.AcquisitionDateTime = exam.study_date + series.time
    out.InstanceNumber = 1
    out.ImageType = list(frames[0].frame_type)
    components = {frame.component for frame in frames}
    out.ComplexImageComponent = components.pop() if len(components) == 1 else "MIXED"
    _describe_sequence(out, series)
    _describe_dimensions(exam, out, series)
    out.NumberOfFrames = len(frames)
    out.SharedFunctionalGroupsSequence = Sequence([_shared(exam, series, frames[0], pixel_measures_shared)])
    out.PerFrameFunctionalGroupsSequence = Sequence(
        [_per_frame(exam, series, frame, pixel_measures_shared) for frame in frames]
    )
    out.AcquisitionContextSequence = Sequence([])
    out.PresentationLUTShape = "IDENTITY"
    out.LossyImageCompression = "00"
    out.BurnedInAnnotation = "NO"
    set_pixels(out, np.stack([frame.stored for frame in frames]))
    return out


def _describe_sequence(out: Dataset, series: Series) -> None:
    """Say that it is a spin echo with several echoes, or a gradient echo."""
    is_spin = series.sequence == "SE"
    out.PixelPresentation = "MONOCHROME"
    out.VolumetricProperties = "VOLUME"
    out.VolumeBasedCalculationTechnique = "NONE"
    out.AcquisitionContrast = "UNKNOWN"
    out.ContentQualification = "PRODUCT"
    out.MRAcquisitionType = "2D"
    out.EchoPulseSequence = "SPIN" if is_spin else "GRADIENT"
    out.MultipleSpinEcho = "YES" if is_spin else "NO"
    out.MultiPlanarExcitation = out.PhaseContrast = out.TimeOfFlightContrast = "NO"
    out.SteadyStatePulseSequence = out.SpectrallySelectedSuppression = "NONE"
    out.EchoPlanarPulseSequence = out.SaturationRecovery = "NO"
    out.GeometryOfKSpaceTraversal = "RECTILINEAR"
    out.SegmentedKSpaceTraversal = "SINGLE"
    out.RectilinearPhaseEncodeReordering = "LINEAR"
    out.NumberOfKSpaceTrajectories = 1
    out.ResonantNucleus = "1H"
    out.ApplicableSafetyStandardAgency = "IEC"


def _describe_dimensions(exam: Exam, out: Dataset, series: Series) -> None:
    """Say that frames are indexed by stack, place in the stack and echo time."""
    organisation = Dataset()
    organisation.DimensionOrganizationUID = exam.uid("dimensions", series.number)
    out.DimensionOrganizationSequence = Sequence([organisation])
    indices = []
    for pointer, group in (
        ("StackID", 0x00209111),
        ("InStackPositionNumber", 0x00209111),
        ("EffectiveEchoTime", 0x00189114),
    ):
        index = Dataset()
        index.DimensionOrganizationUID = organisation.DimensionOrganizationUID
        index.DimensionIndexPointer = Tag(pointer)
        index.FunctionalGroupPointer = Tag(group)
        indices.append(index)
    out.DimensionIndexSequence = Sequence(indices)


def _item(**elements: object) -> Sequence:
    """Return a sequence of one item."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return Sequence([item])


def _shared(exam: Exam, series: Series, frame: FrameSpec, pixel_measures: bool) -> Dataset:
    acquisition = exam.acquisition
    is_spin = series.sequence == "SE"
    group = Dataset()
    group.MRTimingAndRelatedParametersSequence = _item(
        RepetitionTime=decimal(acquisition.repetition_time_ms if is_spin else 300),
        FlipAngle=decimal(90 if is_spin else 20),
        EchoTrainLength=len(acquisition.echo_times_ms) if is_spin else 1,
        RFEchoTrainLength=len(acquisition.echo_times_ms) if is_spin else 0,
        GradientEchoTrainLength=0 if is_spin else 1,
        GradientOutputType="GRADIENT_FIELD",
    )
    group.MRImagingModifierSequence = _item(
        MagnetizationTransfer="NONE",
        BloodSignalNulling="NO",
        Tagging="NONE",
        TransmitterFrequency=acquisition.field_strength_t * 42.577,
        PixelBandwidth="228",
    )
    group.MRReceiveCoilSequence = _item(
        ReceiveCoilName="Spine_32",
        ReceiveCoilManufacturerName="",
        ReceiveCoilType="MULTICOIL",
        QuadratureReceiveCoil="NO",
    )
    group.FrameAnatomySequence = _item(FrameLaterality="U")
    if pixel_measures:
        group.PixelMeasuresSequence = _pixel_measures(frame)
    return group


def _pixel_measures(frame: FrameSpec) -> Sequence:
    step_mm = slice_spacing_mm(frame.grid)
    return _item(
        SliceThickness=decimal(frame.grid.thickness_mm),
        SpacingBetweenSlices=decimal(step_mm),
        PixelSpacing=pixel_spacing(frame.grid),
    )


def _per_frame(exam: Exam, series: Series, frame: FrameSpec, pixel_measures_shared: bool) -> Dataset:
    when = exam.study_date + series.time
    place = frame.index + 1
    top = max(int(frame.stored.max()), 1)
    group = Dataset()
    group.MREchoSequence = _item(EffectiveEchoTime=float(frame.echo_time_ms))
    group.MRImageFrameTypeSequence = _item(
        FrameType=list(frame.frame_type),
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent=frame.component,
        AcquisitionContrast="UNKNOWN",
    )
    group.FrameContentSequence = _item(
        FrameAcquisitionDateTime=when,
        FrameReferenceDateTime=when,
        FrameAcquisitionDuration=60000.0,
        StackID="1",
        InStackPositionNumber=place,
        FrameAcquisitionNumber=1,
        DimensionIndexValues=[1, place, frame.echo + 1],
    )
    group.PlanePositionSequence = _item(ImagePositionPatient=decimals(position_lps(frame.grid, frame.index)))
    group.PlaneOrientationSequence = _item(ImageOrientationPatient=decimals(orientation_lps(frame.grid)))
    if not pixel_measures_shared:
        group.PixelMeasuresSequence = _pixel_measures(frame)
    group.FrameVOILUTSequence = _item(WindowCenter=decimal(top // 2), WindowWidth=decimal(top))
    group.PixelValueTransformationSequence = _item(
        RescaleIntercept=decimal(frame.intercept), RescaleSlope=decimal(frame.slope), RescaleType=frame.rescale_type
    )
    return group
