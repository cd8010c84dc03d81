"""Batches by number: batch i is the same whatever runs it and how many workers there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from segmenter.augment import Sample, Source, make_sample
from segmenter.real import Person, neighbour
from segmenter.simulated import no_spine, simulated_source

BATCH = 8
SHARE_REAL, SHARE_SIMULATED = 0.5, 0.45  # the rest is no spine at all


@dataclass(frozen=True)
class Batch:
    """Tensors of one step: ``images (N, 4, h, w)``, ``labels (N, 4, h, w)``, ``weight (N, h, w)``, ``sacrum (N,)``."""

    images: torch.Tensor
    labels: torch.Tensor
    weight: torch.Tensor
    sacrum: torch.Tensor


class Batches(Dataset[Batch]):
    """All batches of a training, drawn from real people and simulated scenes."""

    def __init__(
        self, people: list[Person], scenes: list[Path], n_batches: int, seed: int, share_real: float = SHARE_REAL
    ) -> None:
        self.people, self.scenes, self.n_batches, self.seed = people, scenes, n_batches, seed
        self.share_real = share_real if scenes else 0.95

    def __len__(self) -> int:
        return self.n_batches

    def __getitem__(self, number: int) -> Batch:
        torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, number])
        samples = [make_sample(self._source(rng), rng) for _ in range(BATCH)]
        return _stacked(samples)

    def _source(self, rng: np.random.Generator) -> Source:
        draw = rng.random()
        if draw < self.share_real:
            return real_source(self.people[rng.integers(len(self.people))], rng)
        if self.scenes and draw < self.share_real + SHARE_SIMULATED:
            return simulated_source(self.scenes[rng.integers(len(self.scenes))], rng)
        return no_spine(rng)


def real_source(person: Person, rng: np.random.Generator) -> Source:
    """Return one slice of a person with neighbours 3-5 mm away."""
    index = int(rng.integers(len(person.places)))
    before, after = (neighbour(person, index, side * rng.uniform(3, 5)) for side in (-1, 1))
    masks = person.masks[index].astype(np.float32) / 255
    return Source(
        images=person.images[[before, index, after]].astype(np.float32) / 255,
        early=None,
        labels=np.concatenate([masks, np.zeros_like(masks[:1])]),
        pixel_mm=0.47,
        has_sacrum=False,
    )


def _stacked(samples: list[Sample]) -> Batch:
    return Batch(
        images=torch.from_numpy(np.stack([sample.images for sample in samples])),
        labels=torch.from_numpy(np.stack([sample.labels for sample in samples])),
        weight=torch.from_numpy(np.stack([sample.weight for sample in samples])),
        sacrum=torch.tensor([sample.has_sacrum for sample in samples]),
    )
