"""The volumes that the viewer in three planes shows of a visit: first echo, T2 on the discs, disc labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from t2disc import store
from t2disc.model import DiscLabels

if TYPE_CHECKING:
    from t2disc.qc.review import ViewedVisit


def viewed_visit(name: str, levels: tuple[str, ...]) -> ViewedVisit:
    """Return what the viewer needs to know of a visit before its volumes are loaded."""
    from t2disc.qc.review import ViewedVisit

    found = tuple((level, DiscLabels.value_of(level), store.colour_of(level)) for level in levels)
    return ViewedVisit(name=name, levels=found)


def plane_volume(visit: store.StoredVisit, echo: NDArray[np.float32] | None, name: str, affine: NDArray[Any]) -> bytes:
    """Return one volume of a visit as gzipped NIfTI.

    Parameters
    ----------
    visit
        As read back from the outputs.
    echo
        First echo ``(X, Y, Z)``; S0 stands in for it in outputs made before it was kept.
    name
        ``echo``; ``T2``, in ms on the discs and 0 elsewhere; or ``discs``.
    affine
        ``(4, 4)`` voxel index to RAS+ mm.
    """
    if name == "discs":
        return store.nifti_bytes(visit.discs.discs, affine)
    if name == "T2":
        on_disc = (visit.discs.discs > 0) & np.isfinite(visit.t2map.t2_ms)
        return store.nifti_bytes(np.where(on_disc, visit.t2map.t2_ms, np.float32(0)), affine)
    grey = visit.t2map.s0 if echo is None else echo
    return store.nifti_bytes(np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0), affine)


def centred(affine: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return an affine with the middle of the volume at 0: how the patient lay in the scanner is nobody's business."""
    moved = affine.copy()
    moved[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return moved
