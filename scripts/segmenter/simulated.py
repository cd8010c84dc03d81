"""Simulated anatomy as training sources, and things that are no spine at all."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from segmenter.augment import Source

FIRST_SEED = 1_000_000  # scenes of the tests have smaller seeds


def scene_folder(folder: Path, n_scenes: int, n_workers: int) -> list[Path]:
    """Draw scenes once, each from its seed, and keep them in a folder outside the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"scene{FIRST_SEED + number}.npz" for number in range(n_scenes)]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        with ProcessPoolExecutor(n_workers) as pool:
            list(pool.map(_save_scene, missing, chunksize=4))
    return paths


def _save_scene(path: Path) -> None:
    from t2disc.simulate import draw_scene

    scene = draw_scene(int(path.stem.removeprefix("scene")))
    table = scene.tissue_table
    np.savez_compressed(
        path.with_suffix(".tmp.npz"),
        tissues=scene.tissues,
        structures=scene.structures,
        pixel_mm=scene.spacing_mm / scene.samples,
        properties=np.stack([table.t1_ms, table.t2_ms, table.proton_density, table.texture]),
    )
    path.with_suffix(".tmp.npz").rename(path)


def simulated_source(path: Path, rng: np.random.Generator) -> Source:
    """Return one slice of a scene in two contrasts, as a late and an early echo (or any two) would show it."""
    with np.load(path) as scene:
        tissues, structures = scene["tissues"], scene["structures"]
        properties, pixel_mm = scene["properties"], float(scene["pixel_mm"])
    middle = int(rng.integers(len(tissues)))
    places = [max(middle - 1, 0), middle, min(middle + 1, len(tissues) - 1)]
    late, early = _two_contrasts(properties, rng)
    texture = _texture(tissues.shape[1:], rng)
    share = properties[3] * rng.uniform(0, 1.5)
    images = np.stack([_rendered(tissues[z], late, share, texture) for z in places])
    labels = [_soft(structures[middle] == value) for value in (1, 2, 3, 4)]
    return Source(
        images=images,
        early=_rendered(tissues[middle], early, share, texture),
        labels=np.stack(labels),
        pixel_mm=pixel_mm,
        has_sacrum=True,
    )


def _two_contrasts(properties: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal of each tissue at a late and an early echo of one spin-echo sequence, or at random weights."""
    t1_ms, t2_ms, density, _ = properties
    repetition_ms = rng.uniform(400, 1000) if rng.random() < 0.1 else rng.uniform(1000, 5000)
    saturated = density * (1 - np.exp(-repetition_ms / t1_ms))
    late, early = (saturated * np.exp(-echo_ms / t2_ms) for echo_ms in (rng.uniform(40, 130), rng.uniform(7, 25)))
    if rng.random() < 0.2:
        late = late * np.exp(rng.normal(0, 0.35, late.shape))
    if rng.random() < 0.25:
        early = np.minimum(t2_ms, 400) * (density > 0)  # T2 itself
    return late.astype(np.float32), early.astype(np.float32)


def _texture(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    fine = gaussian_filter(rng.standard_normal(shape, np.float32), rng.uniform(1.0, 5.0))
    return fine / fine.std()


def _rendered(tissues: np.ndarray, signal: np.ndarray, share: np.ndarray, texture: np.ndarray) -> np.ndarray:
    shares = share.astype(np.float32)[tissues]
    return uniform_filter(signal[tissues] * np.maximum(1 + shares * texture, 0), 2, mode="nearest")


def _soft(mask: np.ndarray) -> np.ndarray:
    return uniform_filter(mask.astype(np.float32), 2, mode="nearest")


def no_spine(rng: np.random.Generator) -> Source:
    """Return an image without a spine: noise, balls within balls, or a joint of two bones."""
    shape = (300, 260)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    image = np.full(shape, rng.uniform(0, 0.2), np.float32)
    for _ in range(int(rng.integers(0, 14))):
        centre, radii = rng.uniform(0, 1, 2) * shape, rng.uniform(8, 110, 2)
        power = rng.choice([2.0, 2.0, 4.0])
        turn = rng.uniform(0, np.pi)
        v, u = rows - centre[0], columns - centre[1]
        a, b = (u * np.cos(turn) + v * np.sin(turn)) / radii[0], (v * np.cos(turn) - u * np.sin(turn)) / radii[1]
        inside = np.abs(a) ** power + np.abs(b) ** power
        image = np.where(inside < 1, rng.uniform(0, 1), image)
        if rng.random() < 0.6:  # a dark rim, as of cortex
            image = np.where((inside < 1) & (inside > 0.8), rng.uniform(0, 0.2), image)
    image = image * (1 + rng.uniform(0, 0.3) * _texture(shape, rng))
    images = np.stack([gaussian_filter(image, rng.uniform(0.3, 1.5)) for _ in range(3)])
    labels = np.zeros((4, *shape), np.float32)
    return Source(images=images, early=None, labels=labels, pixel_mm=1.0, has_sacrum=True)
