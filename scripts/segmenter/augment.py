"""From a source at its own resolution to one training sample: geometry, contrast, the scanner's faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, zoom
from torch.nn import functional

from t2disc.segment.slices import unshaded

CROP = (208, 160)  # rows, columns at 1 mm
N_LABELS = 4  # vertebra, disc, canal, sacrum


@dataclass(frozen=True)
class Source:
    """Images ``(3, H, W)``: slice before, itself, after; ``early (H, W)`` of the middle one, or None; soft labels.

    ``labels (4, H, W)`` in 0..1; ``has_sacrum`` tells whether the sacrum was drawn (else it hides in the background).
    """

    images: np.ndarray
    early: np.ndarray | None
    labels: np.ndarray
    pixel_mm: float
    has_sacrum: bool


@dataclass(frozen=True)
class Sample:
    """What the network is trained on: ``images (4, h, w)``, ``labels (4, h, w)``, ``weight (h, w)``."""

    images: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    has_sacrum: bool


def make_sample(source: Source, rng: np.random.Generator) -> Sample:
    """Return one sample of a source."""
    images, labels = _placed(source, rng)
    weight = np.ones(CROP, np.float32)
    images = np.maximum(images, 0)
    images /= max(float(np.percentile(images[:3], 99)), 1e-6)
    if rng.random() < 0.75:
        images = _other_contrast(images, labels, rng)
    images, weight = _faults(images, weight, rng)
    if rng.random() < 0.35:
        images[[0, 2]] = images[1]
    elif rng.random() < 0.5:
        images[[0, 2]] = images[[2, 0]]
    if rng.random() < 0.3:
        images[3] = images[1]
    channels = np.stack([unshaded(channel[None].astype(np.float32))[0] for channel in images])
    return Sample(images=channels, labels=labels, weight=weight, has_sacrum=source.has_sacrum)


# ------------------------------------------------------------------------------------------------ geometry
def _placed(source: Source, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels on the crop: turned, scaled, sheared, bent; neighbours a little apart."""
    grid = _warp(source, rng)
    early = source.images[1] if source.early is None else source.early
    stack = np.concatenate([source.images, early[None], source.labels]).astype(np.float32)
    placed = _sample(stack, grid)
    images, labels = placed[:4], np.clip(placed[4:], 0, 1)
    for channel in (0, 2):
        if rng.random() < 0.3:
            images[channel] = np.roll(images[channel], rng.integers(-2, 3, 2), axis=(0, 1))
    return images, labels


def _warp(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Return where each pixel of the crop lies in the source, ``(h, w, 2)`` as (row, column) in pixels."""
    height, width = CROP
    scale = np.exp(rng.uniform(-0.22, 0.22)) * np.exp(rng.uniform(-0.07, 0.07, 2))
    angle, shear = np.deg2rad(rng.normal(0, 8)), rng.normal(0, 0.05)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array([[1, shear], [0, 1]])
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    offset = np.stack([rows - (height - 1) / 2, columns - (width - 1) / 2], axis=-1)
    offset += _bending(rng)
    return _centre(source, rng) + (offset * scale) @ turn.T.astype(np.float32) / source.pixel_mm


def _bending(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.normal(0, 1, (2, 7, 6)) * rng.uniform(0, 2.5)
    return np.stack([zoom(c, (CROP[0] / 7, CROP[1] / 6), order=2, mode="nearest", grid_mode=True) for c in coarse], -1)


def _centre(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Return the middle of the crop: near something drawn, or anywhere now and then."""
    shape = np.array(source.images.shape[1:], np.float32)
    drawn = source.labels[:, ::8, ::8].max(axis=0) > 0.5
    if not drawn.any() or rng.random() < 0.15:
        return shape * rng.uniform(0.25, 0.75, 2)
    places = np.argwhere(drawn)
    centre = places[rng.integers(len(places))] * 8.0 + rng.normal(0, 25, 2) / source.pixel_mm
    inside = np.minimum(0.32 * np.array(CROP) / source.pixel_mm, shape / 2)
    return np.clip(centre, inside, shape - inside)


def _sample(stack: np.ndarray, grid: np.ndarray) -> np.ndarray:
    size = np.array(stack.shape[1:], np.float32)
    unit = torch.from_numpy(((grid + 0.5) / size * 2 - 1)[..., ::-1].astype(np.float32).copy())[None]
    return functional.grid_sample(torch.from_numpy(stack)[None], unit, align_corners=False)[0].numpy()


# ------------------------------------------------------------------------------------------------ contrast
def _other_contrast(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give late and early echo contrasts of their own: gains by class, a monotone curve, a degenerated disc."""
    late, early = images[:3], images[3:]
    strength = rng.uniform(0, 0.6)
    late = _curve(late * _gains(labels, strength, rng), rng)
    early = _curve(early * _gains(labels, strength, rng), rng)
    return np.concatenate([late, early])


def _gains(labels: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    gains = np.exp(rng.normal(0, strength, N_LABELS)) - 1
    if rng.random() < 0.4:
        gains[2] = rng.uniform(-0.8, 0)  # the early echo's cerebrospinal fluid
    return (1 + np.tensordot(gains, labels, axes=1))[None].astype(np.float32)


def _curve(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        return images ** np.float32(np.exp(rng.uniform(-0.7, 0.5)))
    knots = np.concatenate([[0], np.cumsum(rng.exponential(1, 6) + 0.15)])
    return np.interp(images, np.linspace(0, 1.3, 7), knots / knots[-1]).astype(np.float32)


# ------------------------------------------------------------------------------------------------ faults
def _faults(images: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if rng.random() < 0.35:
        images = _coarser(images, rng)
    if rng.random() < 0.2:
        images = _ghosted(images, rng)
    if rng.random() < 0.08:
        images, weight = _voided(images, weight, rng)
    if rng.random() < 0.8:
        images = images * _shading(rng)
    sigma = np.float32(rng.uniform(0, 0.09) if rng.random() < 0.8 else rng.uniform(0.05, 0.2)) * images.mean() * 2
    noise = rng.standard_normal((2, *images.shape), np.float32) * sigma
    return np.hypot(images + noise[0], noise[1]), weight


def _coarser(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images as measured with larger voxels, interpolated back."""
    if rng.random() < 0.5:
        return gaussian_filter(images, (0, *rng.uniform(0.2, 0.9, 2))).astype(np.float32)
    factor = rng.uniform(1.2, 2.2)
    tensor = torch.from_numpy(images)[None]
    small = functional.interpolate(tensor, scale_factor=1 / factor, mode="bilinear", antialias=True)
    return functional.interpolate(small, size=CROP, mode="bilinear")[0].numpy()


def _ghosted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    axis, shift, share = rng.integers(1, 3), int(rng.integers(10, 80)), np.float32(rng.uniform(0.03, 0.2))
    return images + share * (np.roll(images, shift, axis=axis) + np.roll(images, -shift, axis=axis)) / 2


def _voided(images: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return images with a hole as metal leaves it, a bright rim about it; nothing is learned inside."""
    rows, columns = np.mgrid[: CROP[0], : CROP[1]]
    centre, radii = rng.uniform(0.2, 0.8, 2) * CROP, rng.uniform(5, 22, 2)
    ripple = 1 + 0.25 * np.sin(
        np.arctan2(rows - centre[0], columns - centre[1]) * rng.integers(2, 6) + rng.uniform(0, 6)
    )
    away = np.hypot((rows - centre[0]) / radii[0], (columns - centre[1]) / radii[1]) / ripple
    hole = 1 / (1 + np.exp(-(away - 1) * 12)) + 0.6 * np.exp(-(((away - 1.25) / 0.12) ** 2))
    return (images * hole).astype(np.float32), np.where(away < 1, 0, weight).astype(np.float32)


def _shading(rng: np.random.Generator) -> np.ndarray:
    y, x = np.linspace(-1, 1, CROP[0])[:, None], np.linspace(-1, 1, CROP[1])[None]
    a = rng.normal(0, 0.35, 5)
    return np.exp(a[0] * y + 1.4 * a[1] * x + a[2] * y * y + a[3] * x * x + a[4] * x * y)[None].astype(np.float32)
