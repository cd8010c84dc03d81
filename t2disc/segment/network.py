"""Vertebrae, discs, canal and sacrum in sagittal slices, by a small network whose weights come with the package.

The network is an ONNX file run by onnxruntime on the CPU; how it was trained and how well it does stands in
docs/model_card.md. Each slice is computed alone and in one thread: the result does not depend on how many slices run at
the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2disc.errors import ArgumentInvalid, WeightsDamaged
from t2disc.segment.slices import Floats, neighbour_step, to_planes, to_volume, unshaded, with_neighbours
from t2disc.segment.structures import Structure, StructureMap
from t2disc.segment.tidy import tidied

WEIGHTS_SHA256 = "52f4e85249bb719632c9dec0ab846ec24046cf1c6f9af1f76a5173a6df17a4e3"
"""Check sum of ``weights/segmenter.onnx``; the file is refused when it differs."""

Spacing = tuple[float, float, float]


def label_structures(volume: NDArray[np.generic], spacing_mm: Spacing, *, n_threads: int = 1) -> NDArray[np.uint8]:
    """Label vertebrae, discs, canal and sacrum in a sagittal volume of any one contrast.

    Parameters
    ----------
    volume
        ``(X, Y, Z)`` intensities in RAS+ order: X runs over sagittal slices (one is enough), Y from posterior to
        anterior, Z from inferior to superior. Any scale; not finite counts as 0.
    spacing_mm
        Distance between voxel centres along X, Y and Z, mm.
    n_threads
        Slices computed at the same time; the result is the same for any number.

    Returns
    -------
    ndarray
        ``(X, Y, Z)`` uint8: 0 background, 1 vertebra, 2 disc, 3 canal, 4 sacrum.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: no volume of three dimensions, or a spacing that is not above 0.
    WeightsDamaged
        ``weights-damaged``: the file of the weights is not the one that belongs to this version.
    """
    return map_structures(volume, volume, spacing_mm, n_threads=n_threads).structures


def map_structures(
    late: NDArray[np.generic], early: NDArray[np.generic], spacing_mm: Spacing, *, n_threads: int = 1
) -> StructureMap:
    """Label structures from two contrasts ``(X, Y, Z)`` of one volume: a late echo (T2-weighted) and an early one."""
    _require_volume(late, spacing_mm)
    planes = unshaded(to_planes(late, spacing_mm))
    others = planes if early is late else unshaded(to_planes(early, spacing_mm))
    structures = np.empty(late.shape, np.uint8)
    likely = np.empty(late.shape, np.float32)
    for x, probabilities in enumerate(_probabilities(planes, others, spacing_mm, n_threads)):
        structures[x], likely[x] = _on_slice(probabilities, late.shape[1:], spacing_mm)
    return StructureMap(structures=structures, disc_probability=likely)


def _require_volume(volume: NDArray[np.generic], spacing_mm: Spacing) -> None:
    if volume.ndim != 3 or 0 in volume.shape:
        raise ArgumentInvalid(f"an array of shape {volume.shape}", expected="a volume (X, Y, Z)")
    if len(spacing_mm) != 3 or not all(np.isfinite(mm) and mm > 0 for mm in spacing_mm):
        raise ArgumentInvalid("a spacing that is not above 0 in three directions", expected="mm along X, Y and Z")


def _probabilities(late: Floats, early: Floats, spacing_mm: Spacing, n_threads: int) -> Iterator[Floats]:
    """Yield the class probabilities ``(K, H, W)`` of each slice on the grid of 1 mm, in order."""
    session, step = _session(), neighbour_step(spacing_mm[0])
    height, width = late.shape[1:]

    def one(x: int) -> Floats:
        (probabilities,) = session.run(None, {"images": with_neighbours(late, early, x, step)})
        return np.asarray(probabilities[0, :, :height, :width])

    if n_threads == 1:
        yield from map(one, range(len(late)))
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            yield from pool.map(one, range(len(late)))


def _on_slice(probabilities: Floats, shape: tuple[int, int], spacing_mm: Spacing) -> tuple[NDArray[np.uint8], Floats]:
    """Return the likeliest structure of each voxel of a slice ``(Y, Z)``, and the probability of disc."""
    best = to_volume(probabilities[0], shape, spacing_mm)
    structure = np.zeros(shape, np.uint8)
    disc = best
    for value in range(1, len(probabilities)):
        here = to_volume(probabilities[value], shape, spacing_mm)
        structure[here > best] = value
        best = np.maximum(best, here)
        disc = here if value == Structure.DISC else disc
    return tidied(structure, (spacing_mm[1], spacing_mm[2])), disc


@cache
def _session() -> Any:
    """Return the network, loaded once per process, after its check sum was verified."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where a caller imported it before t2disc could forbid them
    content = weights_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def weights_bytes() -> bytes:
    """Return the weights, verified.

    Raises
    ------
    WeightsDamaged
        ``weights-damaged``: absent, or another SHA-256 than this version's.
    """
    path = files("t2disc.segment").joinpath("weights", "segmenter.onnx")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsDamaged("no file of weights") from error
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise WeightsDamaged("weights with another SHA-256 than this version's")
    return content
