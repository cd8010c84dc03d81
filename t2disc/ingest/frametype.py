"""What kind of image a plane is, told from the marks each vendor leaves.

Sources: DICOM PS3.3 C.8.3.1.1.1 and C.8.13.3.1 (ImageType, FrameType), (0008,9208) ComplexImageComponent,
(0018,0020) ScanningSequence, (0018,9008) EchoPulseSequence; GE (0043,102F) raw data type.
"""

from __future__ import annotations

from collections.abc import Iterable

from t2disc.ingest.frames import MAGNITUDE

_PARTS = {
    "P": "phase", "PHASE": "phase", "PHASE MAP": "phase", "PHASE_MAP": "phase",
    "R": "real part", "REAL": "real part", "I": "imaginary part", "IMAGINARY": "imaginary part",
}  # fmt: skip
_MAPS = frozenset({"T1", "T2", "T2*", "T2_STAR", "R1", "R2", "R2*", "R2_STAR", "ADC", "FA", "B0", "B1"})
_COMBINED = frozenset(
    {"MEAN", "RMS", "SUM", "SOS", "MIP", "MIN_IP", "MPR", "PROJECTION IMAGE", "SUBTRACTION", "ADDITION"}
)
_GE_RAW_TYPE = {1: "phase", 2: "real part", 3: "imaginary part"}


def component(image_type: Iterable[str], complex_component: str = "", ge_raw_type: float | None = None) -> str:
    """Return ``magnitude`` for an original magnitude image, otherwise what the image is instead."""
    values = [value.strip().upper() for value in image_type]
    if _is_map(values):
        return "scanner map"
    if "LOCALIZER" in values:
        return "localiser"
    for value in [*values[2:], complex_component.strip().upper()]:
        if value in _PARTS:
            return _PARTS[value]
    if ge_raw_type is not None and ge_raw_type in _GE_RAW_TYPE:
        return _GE_RAW_TYPE[int(ge_raw_type)]
    if any(value in _COMBINED for value in values[2:]):
        return "combined echoes"
    return "derived image" if values[:1] == ["DERIVED"] else MAGNITUDE


def _is_map(values: list[str]) -> bool:
    """Tell maps from weighted images: the third value of an original enhanced frame may say T2 for its weighting."""
    quantities = values[2:] if values[:1] == ["DERIVED"] else values[3:]
    return any(value in _MAPS for value in quantities) or any(
        value.endswith("MAP") and value not in _PARTS for value in values[2:]
    )


def sequence(scanning_sequence: Iterable[str], echo_pulse_sequence: str = "", image_type: Iterable[str] = ()) -> str:
    """Return ``spin-echo``, ``gradient-echo`` or ``unknown``; GRASE and EPI with refocusing count as spin echo."""
    marks = {value.strip().upper() for value in scanning_sequence}
    marks |= {"SPIN": {"SE"}, "BOTH": {"SE"}, "GRADIENT": {"GR"}}.get(echo_pulse_sequence.strip().upper(), set())
    if not marks & {"SE", "GR"}:  # Philips repeats it in ImageType: M_SE, M_FFE
        endings = {value.strip().upper().rpartition("_")[2] for value in image_type}
        marks |= {"SE"} & endings | ({"GR"} if "FFE" in endings else set())
    if "SE" in marks:
        return "spin-echo"
    return "gradient-echo" if "GR" in marks else "unknown"


def vendor(manufacturer: str) -> str | None:
    """Return the vendor's short name, ``other`` for one not known here, ``None`` when the header does not say."""
    text = manufacturer.upper()
    names = {"SIEMENS": "Siemens", "PHILIPS": "Philips", "GE ": "GE", "CANON": "Canon", "TOSHIBA": "Canon",
             "UIH": "United Imaging", "UNITED IMAGING": "United Imaging"}  # fmt: skip
    if not text.strip() or text.strip() in {"UNKNOWN", "ANONYMIZED", "NONE"}:
        return None
    return next((name for mark, name in names.items() if mark in text + " "), "other")
