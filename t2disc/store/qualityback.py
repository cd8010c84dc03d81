"""Maps of goodness of fit of a measured visit, read back from where they were published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2disc.store.readback import _image, _reading
from t2disc.store.records import VisitRecord


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredQuality:
    """Goodness of fit as a visit's outputs tell it, ``(X, Y, Z)`` each; see :class:`~t2disc.model.FitQuality`."""

    chi2_red: NDArray[np.float32]
    r2: NDArray[np.float32]
    odd_even: NDArray[np.float32]
    decay_variance: NDArray[np.float32]
    affine: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid ``(X, Y, Z)`` in voxels."""
        x, y, z = self.chi2_red.shape
        return x, y, z


def read_quality(out: Path, record: VisitRecord) -> StoredQuality:
    """Read the maps of goodness of fit of a visit that is done.

    Raises
    ------
    OutputsDamaged
        ``outputs-damaged``: a map is not there, as in outputs older than these maps, or not whole.
    """
    folder = out / record.participant_id / record.session_id / "anat"
    stem = f"{record.participant_id}_{record.session_id}"
    with _reading(record.key):
        maps = {name: _image(folder / f"{stem}_desc-{name}_fitmap.nii.gz") for name in _NAMES}
        return StoredQuality(**{_NAMES[name]: image for name, (image, _) in maps.items()}, affine=maps["r2"][1])


_NAMES = {"chi2red": "chi2_red", "r2": "r2", "oddeven": "odd_even", "decayvariance": "decay_variance"}
