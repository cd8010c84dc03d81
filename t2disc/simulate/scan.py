"""One measured stack: the float volume that every vendor's files are written from, and its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2disc.model.levels import LEVELS
from t2disc.simulate.anatomy import Anatomy, tissue_fractions
from t2disc.simulate.grid import Grid, localiser_grids, sagittal_grid, to_body_mm
from t2disc.simulate.recipe import AcquisitionRecipe
from t2disc.simulate.signal import (
    b1_map,
    coil_sensitivity,
    decay_table,
    loglinear_t2,
    noisy_channels,
    phase_field,
    texture_field,
    wrapped_phase,
)
from t2disc.simulate.tissues import Tissue, cartilage_tissue, disc_tissues

FULL_SCALE = 4000.0
"""Largest magnitude of a scan, in the scanner's arbitrary units; it fits 12 bits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What is known about the stack, in image order ``(Z, rows, columns)``.

    ``t2_ms`` is the T2 of the tissue that fills most of the voxel (NaN in air); ``discs`` holds the place of the level
    in LEVELS plus 1 where the disc fills at least half of the voxel; ``regions`` is 1 for NP, 2 / 3 for AF in front /
    behind, within the discs.
    """

    t2_ms: NDArray[np.float32]
    discs: NDArray[np.uint8]
    regions: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """The multi-echo stack: magnitude ``(E, Z, rows, columns)``, phase of the first echoes in rad, scanner T2 in ms."""

    grid: Grid
    echo_times_ms: tuple[float, ...]
    magnitude: NDArray[np.float32]
    phase: NDArray[np.float32]
    scanner_t2_ms: NDArray[np.float32]
    sigma: float
    truth: Truth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocaliserImage:
    """One slice of the three-plane localiser, magnitude ``(rows, columns)``."""

    grid: Grid
    magnitude: NDArray[np.float32]


def measure(anatomy: Anatomy, acquisition: AcquisitionRecipe, seed: int) -> Scan:
    """Return the stack that the sequence measures of a person in the pose of the anatomy."""
    grid = sagittal_grid(acquisition)
    shape = (grid.n_slices, grid.rows, grid.columns)
    clean = np.empty((len(acquisition.echo_times_ms), *shape), np.float32)
    truth = Truth(t2_ms=np.empty(shape, np.float32), discs=np.empty(shape, np.uint8), regions=np.empty(shape, np.uint8))
    decay = decay_table(anatomy.tissues, acquisition)
    for index in range(grid.n_slices):
        points_mm = grid.slice_centres_mm(index)
        body_mm = to_body_mm(points_mm, anatomy.pose)
        fractions = tissue_fractions(anatomy, grid, index)
        _note_truth(truth, index, fractions, body_mm, anatomy)
        shares = _textured(fractions, body_mm, anatomy)
        signal = decay.signal(shares, b1_map(body_mm, acquisition).ravel()) * coil_sensitivity(points_mm).reshape(-1, 1)
        clean[:, index] = signal.T.reshape(-1, grid.rows, grid.columns)
    clean *= FULL_SCALE / (clean.max() * 1.1)
    nucleus = truth.regions == 1
    level = clean[0][nucleus if nucleus.any() else clean[0] > 0].mean()
    return _noisy(grid, acquisition, clean, truth, float(level) / acquisition.snr, seed)


def _textured(fractions: NDArray[np.float32], body_mm: NDArray[np.float64], anatomy: Anatomy) -> NDArray[np.float32]:
    texture = np.clip(texture_field(body_mm, anatomy.seed), -3, 3).reshape(-1, 1)
    return np.asarray(fractions * (1 + texture * anatomy.tissues.texture.astype(np.float32)))


def _note_truth(
    truth: Truth, index: int, fractions: NDArray[np.float32], body_mm: NDArray[np.float64], anatomy: Anatomy
) -> None:
    """Write one slice of the truth from the tissue shares ``(V, K)`` of its voxels."""
    shape = body_mm.shape[:2]
    most = fractions.argmax(axis=1)
    t2_ms = np.where(most == Tissue.AIR, np.nan, anatomy.tissues.t2_ms[most])
    truth.t2_ms[index] = t2_ms.reshape(shape)
    truth.discs[index], truth.regions[index] = 0, 0
    frames = {shape.level: shape.frame for shape in anatomy.skeleton.discs}
    for number, level in enumerate(LEVELS, start=1):
        if level not in frames:  # L5/S1 of a spine with a sixth lumbar vertebra
            continue
        nucleus, annulus = (fractions[:, tissue].reshape(shape) for tissue in disc_tissues(level))
        inside = nucleus + annulus + fractions[:, cartilage_tissue(level)].reshape(shape) >= 0.5
        in_front = (body_mm - frames[level].origin_mm) @ frames[level].axes[0] > 0
        truth.discs[index][inside] = number
        region = np.where(nucleus >= annulus, 1, np.where(in_front, 2, 3))
        truth.regions[index][inside] = region[inside]


def _noisy(
    grid: Grid, acquisition: AcquisitionRecipe, clean: NDArray[np.float32], truth: Truth, sigma: float, seed: int
) -> Scan:
    """Add noise slice by slice and derive what the scanner would derive."""
    rng = np.random.default_rng([seed, 0x5E])
    phase = np.empty((min(acquisition.phase_echoes, clean.shape[0]), *clean.shape[1:]), np.float32)
    for index in range(grid.n_slices):
        field = phase_field(grid.slice_centres_mm(index))
        for echo in range(clean.shape[0]):
            image = clean[echo, index]
            real, imaginary = noisy_channels(image, sigma, rng)
            image[...] = np.minimum(np.hypot(real, imaginary), FULL_SCALE)
            if echo < phase.shape[0]:
                phase[echo, index] = wrapped_phase(real, imaginary, field)
    return Scan(
        grid=grid,
        echo_times_ms=acquisition.echo_times_ms,
        magnitude=clean,
        phase=phase,
        scanner_t2_ms=loglinear_t2(clean, np.array(acquisition.echo_times_ms)),
        sigma=sigma,
        truth=truth,
    )


def measure_localiser(anatomy: Anatomy, acquisition: AcquisitionRecipe, seed: int) -> tuple[LocaliserImage, ...]:
    """Return the sagittal, coronal and axial slice of a fast gradient-echo localiser."""
    rng = np.random.default_rng([seed, 0x10])
    tissues = anatomy.tissues
    weight = tissues.proton_density * np.exp(-5.0 / tissues.t2_ms) * (1 - np.exp(-300.0 / tissues.t1_ms))
    images = []
    for grid in localiser_grids(acquisition.centre_mm):
        fractions = tissue_fractions(anatomy, grid, 0, in_plane=1, through=1)
        image = (fractions @ weight.astype(np.float32)).reshape(grid.rows, grid.columns)
        image *= coil_sensitivity(grid.slice_centres_mm(0))
        image *= FULL_SCALE / (image.max() * 1.2)
        noise = rng.standard_normal((2, *image.shape), np.float32) * 12
        magnitude = np.minimum(np.hypot(image + noise[0], noise[1]), FULL_SCALE)
        images.append(LocaliserImage(grid=grid, magnitude=magnitude.astype(np.float32)))
    return tuple(images)
