"""How well the shipped network does on real people it was not trained on: ``evaluate_segmenter.py REAL_FOLDER``.

Each person's slices form one volume; with ``--single`` every slice is labelled alone. Discs are judged slice by slice:
one is found when a labelled component has Dice above .5 with it; a component that meets no drawn disc is false.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import label

sys.path.insert(0, str(Path(__file__).parent))

from segmenter.real import MASK_VALUES, PIXEL_MM, SLICE_MM, slice_files, split

from t2disc.segment import network

LEAST_MM2 = 10.0  # drawn or labelled components below that are specks, and counted in Dice only


@dataclass(frozen=True)
class Score:
    """Figures of one person."""

    dice: tuple[float, float, float]  # vertebra, disc, canal: over all voxels of the person
    n_discs: int
    n_found: int
    n_false: int
    n_slices: int


def main() -> None:
    options = _options()
    if options.weights:
        content = options.weights.read_bytes()
        network.weights_bytes = lambda: content
    files = slice_files(options.real)
    trained_on, held_out = split(list(files))
    scores = {}
    for name in trained_on if options.trained else held_out:
        images, drawn = _volume(files[name])
        labelled = _labelled(images, single=options.single)
        scores[name] = score(drawn, labelled)
        print(f"{name:>4} {_words(scores[name])}", flush=True)
        if options.pictures:
            _picture(images, drawn, labelled, options.pictures / f"person{name}.png")
    _summary(scores)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--weights", type=Path, help="another ONNX file than the shipped one")
    parser.add_argument("--single", action="store_true", help="label every slice alone")
    parser.add_argument("--trained", action="store_true", help="the people trained on instead of those held out")
    parser.add_argument("--pictures", type=Path, help="folder for overlays")
    return parser.parse_args()


def _volume(files: list[tuple[int, Path]]) -> tuple[np.ndarray, np.ndarray]:
    """Return images and masks of one person as ``(X, Y, Z)`` in RAS+, masks with the values of Structure."""
    images, drawn = [], []
    for _, path in files:
        images.append(np.asarray(Image.open(path))[::-1, ::-1].T)
        mask = np.asarray(Image.open(path.parents[1] / "masks" / path.name))[::-1, ::-1].T
        drawn.append(sum((mask == value) * np.uint8(k) for k, value in enumerate(MASK_VALUES, start=1)))
    return np.stack(images), np.stack(drawn)


def _labelled(images: np.ndarray, *, single: bool) -> np.ndarray:
    spacing_mm = (SLICE_MM, PIXEL_MM, PIXEL_MM)
    if not single:
        return network.label_structures(images, spacing_mm, n_threads=2)
    return np.concatenate([network.label_structures(image[None], spacing_mm) for image in images])


def score(drawn: np.ndarray, labelled: np.ndarray) -> Score:
    """Return the figures of one person's slices ``(X, Y, Z)``."""
    counts = np.array([_instances(one == 2, other == 2) for one, other in zip(drawn, labelled, strict=True)])
    dice = tuple(_dice(drawn == value, labelled == value) for value in (1, 2, 3))
    return Score(dice, *counts.sum(axis=0).tolist(), n_slices=len(drawn))


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / max(np.count_nonzero(one) + np.count_nonzero(other), 1))


def _instances(drawn: np.ndarray, labelled: np.ndarray) -> tuple[int, int, int]:
    """Return how many discs are drawn in a slice, how many of them are found, and how many labelled are false."""
    (true, n_true), (seen, n_seen) = label(drawn), label(labelled)
    least = LEAST_MM2 / PIXEL_MM**2
    sizes = np.bincount(true.ravel(), minlength=n_true + 1), np.bincount(seen.ravel(), minlength=n_seen + 1)
    both = np.zeros((n_true + 1, n_seen + 1), int)
    np.add.at(both, (true.ravel(), seen.ravel()), 1)
    real = [k for k in range(1, n_true + 1) if sizes[0][k] >= least]
    found = sum(
        max((2 * both[k, j] / (sizes[0][k] + sizes[1][j]) for j in range(1, n_seen + 1)), default=0) > 0.5 for k in real
    )
    false = sum(sizes[1][j] >= least and both[1:, j].sum() == 0 for j in range(1, n_seen + 1))
    return len(real), found, false


def _words(score: Score) -> str:
    vertebra, disc, canal = score.dice
    return (
        f"disc {disc:.3f} vertebra {vertebra:.3f} canal {canal:.3f}  found {score.n_found}/{score.n_discs}"
        f"  false {score.n_false} in {score.n_slices} slices"
    )


def _summary(scores: dict[str, Score]) -> None:
    every = list(scores.values())
    vertebra, disc, canal = np.mean([score.dice for score in every], axis=0)
    found = sum(score.n_found for score in every) / sum(score.n_discs for score in every)
    false = sum(score.n_false for score in every) / sum(score.n_slices for score in every)
    worst = min(scores, key=lambda name: scores[name].dice[1])
    print(
        f"mean of {len(every)} people: disc {disc:.3f} (worst {scores[worst].dice[1]:.3f}, person {worst}), "
        f"vertebra {vertebra:.3f}, canal {canal:.3f}; discs found {found:.1%}; false discs {false:.2f} a slice"
    )


def _picture(images: np.ndarray, drawn: np.ndarray, labelled: np.ndarray, path: Path) -> None:
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(20, 8), layout="tight")
    axes = figure.subplots(1, 4)
    for ax, x in zip(axes, np.linspace(0, len(images) - 1, 4).round().astype(int), strict=True):
        ax.imshow(images[x].T, cmap="gray", origin="lower", vmax=np.percentile(images[x], 99.5))
        ax.invert_xaxis()
        ax.contour((drawn[x] == 2).T, [0.5], colors="lime", linewidths=0.8)
        for value, colour in ((1, "gold"), (2, "red"), (3, "cyan"), (4, "magenta")):
            if (labelled[x] == value).any():
                ax.contour((labelled[x] == value).T, [0.5], colors=colour, linewidths=0.6)
        ax.set_axis_off()
    figure.savefig(path, dpi=60)


if __name__ == "__main__":
    main()
