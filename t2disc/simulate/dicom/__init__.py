"""Exams written as DICOM in the manner of each vendor, all from the same float volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydicom.dataset import Dataset

from t2disc.simulate.dicom.encode import TRANSFER_SYNTAXES, to_bytes
from t2disc.simulate.dicom.exam import Exam
from t2disc.simulate.dicom.ge import ge_images
from t2disc.simulate.dicom.philips import philips_enhanced_objects, philips_images
from t2disc.simulate.dicom.siemens import siemens_images
from t2disc.simulate.dicom.siemens_xa import siemens_xa_objects
from t2disc.simulate.recipe import refuse_unknown

_WRITERS: dict[str, Callable[[Exam], Iterator[Dataset]]] = {
    "siemens": siemens_images,
    "siemens_xa": siemens_xa_objects,
    "ge": ge_images,
    "philips": philips_images,
    "philips_enhanced": philips_enhanced_objects,
}

VENDORS: tuple[str, ...] = tuple(_WRITERS)
"""Manners of writing that :func:`write_exam` knows."""


def write_exam(exam: Exam, vendor: str) -> Iterator[bytes]:
    """Yield the files of an exam in the manner of one vendor.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: a vendor that is not one of VENDORS, or an unknown transfer syntax.
    """
    refuse_unknown("vendor", (vendor,), VENDORS)
    for dataset in _WRITERS[vendor](exam):
        yield to_bytes(dataset, exam.transfer_syntax)


__all__ = ["TRANSFER_SYNTAXES", "VENDORS", "Exam", "write_exam"]
