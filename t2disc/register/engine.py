"""The rigid motion between two pictures, by SimpleITK; the only module of the package that imports it.

Both pictures are locally normalised, so their correlation is a local one. Decision 12 holds what else was tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.register.contrast import Picture
from t2disc.register.motions import Matrix

_SEED = 1  # of the offsets within the regular pattern of samples; SimpleITK's own default is the clock
_LARGEST_STEP_MM, _SMALLEST_STEP_MM = 0.5, 2e-4
_MOST_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A rigid motion ``(4, 4)``, fixed to moving RAS+ mm, and the correlation of the pictures under it (NaN: none)."""

    motion: Matrix
    correlation: float


def find_motion(
    fixed: Picture, moving: Picture, where: NDArray[np.bool_], start: Matrix, centre_mm: Matrix, *, n_samples: int
) -> Found:
    """Return the rigid motion near ``start`` under which two pictures correlate best.

    Parameters
    ----------
    fixed, moving
        Locally normalised pictures.
    where
        ``(X, Y, Z)`` voxels of the fixed picture that are compared.
    start
        ``(4, 4)`` fixed to moving, RAS+ mm.
    centre_mm
        ``(3,)`` the point that rotations turn about, RAS+ mm of the fixed picture.
    n_samples
        Voxels that are compared, in a regular pattern over ``where``; all where there are fewer.

    Returns
    -------
    Found
        One thread, fixed samples: the same bytes on every run. ``start`` where nothing better was found, with NaN where
        too little of the pictures overlaps.
    """
    frame = _frame(fixed.affine, centre_mm)
    radius_mm = _radius_mm(where, fixed.affine, centre_mm)
    method = _method(min(1.0, n_samples / max(int(where.sum()), 1)), radius_mm)
    turn = _sitk().Euler3DTransform()
    method.SetInitialTransform(turn, True)
    inverse = np.linalg.inv(frame)
    method.SetMetricFixedMask(_image(where.astype(np.uint8), inverse @ fixed.affine))
    images = (
        _image(fixed.values, inverse @ fixed.affine),
        _image(moving.values, inverse @ np.linalg.inv(start) @ moving.affine),
    )
    values: list[float] = []
    method.AddCommand(_sitk().sitkIterationEvent, lambda: values.append(-float(method.GetMetricValue())))
    try:
        method.Execute(*images)
    except RuntimeError:  # ITK: all samples map outside the moving image
        return Found(motion=start, correlation=np.nan)
    finally:
        method.RemoveAllCommands()
    correlation = -float(method.GetMetricValue())
    if values and not correlation >= values[0]:
        return Found(motion=start, correlation=values[0])
    motion: Matrix = start @ frame @ _matrix(turn) @ inverse
    return Found(motion=motion, correlation=correlation)


def _sitk() -> Any:
    """Load SimpleITK when it is first needed: it takes a second. Its stubs stop short of the calls made here."""
    return import_module("SimpleITK")


def _method(share: float, radius_mm: float) -> Any:
    """Return the search: correlation at samples, regular steps down its gradient.

    A turn counts as the way of a point at the mean distance of all that are compared. The gradient is that of the
    interpolated image itself: ITK's own smoothing of gradients over the thickest voxel axis shifts the optimum by
    0.1 mm within the slice.
    """
    method = _sitk().ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)  # of the metric, which otherwise sums in as many parts as the machine has cores
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(share, _SEED)
    method.MetricUseFixedImageGradientFilterOff()
    method.MetricUseMovingImageGradientFilterOff()
    method.SetInterpolator(_sitk().sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        _LARGEST_STEP_MM, _SMALLEST_STEP_MM, _MOST_STEPS, relaxationFactor=0.5, gradientMagnitudeTolerance=1e-10
    )
    method.SetOptimizerScales([radius_mm**2] * 3 + [1.0] * 3)
    return method


def _radius_mm(where: NDArray[np.bool_], affine: Matrix, centre_mm: Matrix) -> float:
    """Return the root mean square distance of voxels from a centre, mm; 1 mm at least."""
    points_mm = np.argwhere(where) @ affine[:3, :3].T + affine[:3, 3]
    return max(float(np.sqrt(np.square(points_mm - centre_mm).sum(axis=1).mean())), 1.0) if len(points_mm) else 1.0


def _frame(affine: Matrix, centre_mm: Matrix) -> Matrix:
    """Return the matrix to RAS+ mm of the axes along the fixed picture's own voxels, about the centre.

    In it the fixed image lies straight and the search starts from rest, whatever the obliquity of the slices.
    """
    frame = np.eye(4)
    frame[:3, :3] = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    frame[:3, 3] = centre_mm
    return frame


def _image(values: NDArray[Any], affine: Matrix) -> Any:
    """Return an array ``(X, Y, Z)`` as an image whose physical space is that of ``affine``.

    Its axes run Z, Y, X: the regular pattern fills each slice before it goes on to the next, and skips none.
    """
    image = _sitk().GetImageFromArray(np.ascontiguousarray(values))
    steps = affine[:3, 2::-1]
    spacing_mm = np.linalg.norm(steps, axis=0)
    image.SetSpacing(spacing_mm.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((steps / spacing_mm).ravel().tolist())
    return image


def _matrix(turn: Any) -> Matrix:
    """Return an Euler transform about the origin as a matrix."""
    out = np.eye(4)
    out[:3, :3] = np.array(turn.GetMatrix()).reshape(3, 3)
    out[:3, 3] = turn.GetTranslation()
    return out
