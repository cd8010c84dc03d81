"""The real people: slices and masks of a folder, split by person; see ``README.md`` of that folder for its terms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

PIXEL_MM = 0.47
SLICE_MM = 0.90
MASK_VALUES = (76, 29, 150)  # vertebra, disc, canal; the sacrum is not drawn
HELD_OUT_SEED = 2024
N_HELD_OUT = 6


@dataclass(frozen=True)
class Person:
    """Slices of one person: ``images (S, H, W)`` and soft ``masks (S, 3, H, W)``, uint8; ``places`` slice numbers."""

    name: str
    places: tuple[int, ...]
    images: np.ndarray
    masks: np.ndarray


def slice_files(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Return the image files of each person, in order of slices."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.glob("images/*.png"):
        person, place = re.fullmatch(r"(\w+?)_t2_SPACE_slice(\d+)", path.stem).groups()
        found.setdefault(person, []).append((int(place), path))
    return {person: sorted(found[person]) for person in sorted(found, key=int)}


def split(people: list[str]) -> tuple[list[str], list[str]]:
    """Return the people trained on and those held out: drawn once, before anything was trained."""
    order = np.random.default_rng(HELD_OUT_SEED).permutation(sorted(people, key=int))
    held_out = sorted(order[:N_HELD_OUT].tolist(), key=int)
    return [person for person in people if person not in held_out], held_out


def load_person(name: str, files: list[tuple[int, Path]]) -> Person:
    """Load one person; both images and masks are averaged over 2 x 2 pixels, which makes the masks soft."""
    images, masks = [], []
    for _, path in files:
        images.append(_smooth(np.asarray(Image.open(path), np.float32)))
        drawn = np.asarray(Image.open(path.parents[1] / "masks" / path.name))
        masks.append(np.stack([_smooth(np.where(drawn == value, 255.0, 0.0)) for value in MASK_VALUES]))
    return Person(name=name, places=tuple(place for place, _ in files), images=np.stack(images), masks=np.stack(masks))


def _smooth(image: np.ndarray) -> np.ndarray:
    return np.rint(uniform_filter(image.astype(np.float32), 2, mode="nearest")).astype(np.uint8)


def neighbour(person: Person, index: int, away_mm: float) -> int:
    """Return the index of the slice nearest to ``away_mm`` from a slice, the slice itself where none is near that."""
    wanted = person.places[index] + away_mm / SLICE_MM
    distance = np.abs(np.array(person.places) - wanted)
    nearest = int(distance.argmin())
    return nearest if distance[nearest] * SLICE_MM < 2.0 else index
