"""Whole studies: every visit's exam under meaningless file names, its truth beside it, and ready-made recipes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from t2disc.errors import ArgumentInvalid
from t2disc.simulate.anatomy import build_anatomy
from t2disc.simulate.dicom import VENDORS, Exam, write_exam
from t2disc.simulate.recipe import (
    AcquisitionRecipe,
    BodyRecipe,
    DiscRecipe,
    ParticipantRecipe,
    PoseRecipe,
    StudyRecipe,
    VisitRecipe,
    graded_disc,
    refuse_unknown,
)
from t2disc.simulate.scan import Scan, measure, measure_localiser
from t2disc.simulate.truth import SimulatedFile, participants_file, truth_files

SIZES: dict[str, AcquisitionRecipe] = {
    "tiny": AcquisitionRecipe(rows=96, columns=96, voxel_mm=2.2, phase_echoes=1),
    "small": AcquisitionRecipe(),
    "full": AcquisitionRecipe(
        rows=384,
        columns=384,
        voxel_mm=0.7,
        n_slices=15,
        thickness_mm=3.5,
        gap_mm=0.35,
        echo_times_ms=tuple(10.0 * n for n in range(1, 17)),
        phase_echoes=16,
    ),
}
"""Acquisitions by name: tiny for tests, small for demonstrations, full as in a clinical protocol."""

INDEX_CHANGE = 1.15
"""Factor by which the T2 of the index disc's nucleus rises from baseline to follow-up in a default study."""


def simulate_study(recipe: StudyRecipe) -> Iterator[SimulatedFile]:
    """Yield every file of a simulated study: DICOM under ``<participant>/<visit>/``, truth, labels, participants.

    The same recipe yields the same bytes. Paths are relative to the study's folder; nothing is written here. The table
    of participants comes last: a folder that holds it is complete.
    """
    for participant in recipe.participants:
        for visit in participant.visits:
            yield from simulate_visit(participant, visit, recipe.labelled_levels)
    yield participants_file(recipe)


def simulate_visit(
    participant: ParticipantRecipe, visit: VisitRecipe, labelled_levels: tuple[str, ...]
) -> Iterator[SimulatedFile]:
    """Yield the files of one visit: the exam in the vendor's manner, then its truth."""
    exam = simulate_exam(participant, visit)
    contents = list(write_exam(exam, visit.vendor))
    rng = np.random.default_rng([visit.seed, 0xF1])
    home = PurePosixPath(participant.participant_id, visit.name)
    for name, place in zip(_names(len(contents), rng), rng.permutation(len(contents)), strict=True):
        yield SimulatedFile(path=home / name, content=contents[place])
    yield from truth_files(participant, visit, exam.scan, labelled_levels)


def simulate_exam(participant: ParticipantRecipe, visit: VisitRecipe) -> Exam:
    """Return what the scanner measures at a visit, before any vendor writes it."""
    anatomy = build_anatomy(participant.body, visit.discs, visit.pose)
    return Exam(
        participant_id=participant.participant_id,
        visit=visit.name,
        study_date=visit.study_date,
        seed=visit.seed,
        transfer_syntax=visit.transfer_syntax,
        acquisition=visit.acquisition,
        scan=measure(anatomy, visit.acquisition, visit.seed),
        localiser=measure_localiser(anatomy, visit.acquisition, visit.seed),
    )


def simulate_scan(participant: ParticipantRecipe, visit: VisitRecipe) -> Scan:
    """Return the multi-echo volume of a visit with its truth, and write no DICOM."""
    return measure(build_anatomy(participant.body, visit.discs, visit.pose), visit.acquisition, visit.seed)


def _names(count: int, rng: np.random.Generator) -> list[PurePosixPath]:
    """Return different, meaningless names without extension in two folders, sorted."""
    folders = [f"{rng.integers(16**8):08X}" for _ in range(2)]
    numbers = rng.choice(16**7, size=count, replace=False)
    return sorted(PurePosixPath(folders[number % 2], f"{number:08X}") for number in numbers)


def default_study(
    n_participants: int = 2,
    vendors: tuple[str, ...] = ("siemens", "philips_enhanced"),
    *,
    seed: int = 0,
    size: str = "small",
    snr: float | None = None,
    model: str = "mono",
    transfer_syntax: str = "explicit_le",
) -> StudyRecipe:
    """Return a study of two visits a year apart; vendors take turns, and one disc of each person changes.

    Parameters
    ----------
    n_participants
        Participants P001, P002, ...
    vendors
        Manners of writing, one per participant in turn; see VENDORS.
    seed
        Draws bodies, discs, poses, noise and identifiers.
    size
        ``tiny``, ``small`` or ``full``; see SIZES.
    snr
        First echo, mean of the nuclei; the size's own when left out.
    model
        ``mono`` or ``epg``.
    transfer_syntax
        How pixels are stored; see TRANSFER_SYNTAXES.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: an unknown size, vendor or model, or a number out of range.
    """
    refuse_unknown("size", (size,), SIZES)
    refuse_unknown("vendor", vendors, VENDORS)
    if n_participants < 1 or not vendors:
        raise ArgumentInvalid(f"{n_participants} participants, {len(vendors)} vendors", expected="at least one of each")
    acquisition = replace(SIZES[size], model=model, snr=SIZES[size].snr if snr is None else snr)
    people = []
    for number in range(1, n_participants + 1):
        vendor = vendors[(number - 1) % len(vendors)]
        people.append(_participant(number, vendor, acquisition, transfer_syntax, seed))
    return StudyRecipe(participants=tuple(people))


def _participant(
    number: int, vendor: str, acquisition: AcquisitionRecipe, transfer_syntax: str, seed: int
) -> ParticipantRecipe:
    """Draw one participant: body, discs, and two visits in different poses."""
    rng = np.random.default_rng([seed, number])
    index_level = ("L4/L5", "L5/S1")[(number - 1) % 2]
    baseline = _draw_discs(index_level, rng)
    followup = tuple(
        replace(disc, t2_np_ms=round(disc.t2_np_ms * INDEX_CHANGE, 1)) if disc.level == index_level else disc
        for disc in baseline
    )
    body = BodyRecipe(
        seed=int(rng.integers(2**31)),
        size=float(rng.uniform(0.95, 1.05)),
        sacral_slope_deg=float(rng.uniform(35, 43)),
        lordosis=float(rng.uniform(0.9, 1.1)),
        fat_mm=float(rng.uniform(12, 28)),
    )
    visits = tuple(
        VisitRecipe(
            name=name,
            study_date=date,
            discs=discs,
            vendor=vendor,
            pose=_draw_pose(rng, discs, is_first=order == 0),
            acquisition=acquisition,
            transfer_syntax=transfer_syntax,
            seed=int(rng.integers(2**31)),
        )
        for order, (name, date, discs) in enumerate(
            (
                ("baseline", f"202403{number % 28 + 1:02d}", baseline),
                ("month12", f"202503{number % 28 + 1:02d}", followup),
            )
        )
    )
    return ParticipantRecipe(participant_id=f"P{number:03d}", index_level=index_level, body=body, visits=visits)


def _draw_discs(index_level: str, rng: np.random.Generator) -> tuple[DiscRecipe, ...]:
    """Draw healthy to moderate discs; the index disc is of Pfirrmann grade 4, its T2 in the upper half of the range."""
    discs = []
    for level in ("T12/L1", "L1/L2", "L2/L3", "L3/L4", "L4/L5", "L5/S1"):
        grade = 4 if level == index_level else int(rng.choice([1, 2, 2, 3]))
        disc = graded_disc(level, grade)
        t2_np_ms = round(disc.t2_np_ms * rng.uniform(0.93, 1.07) * (1.15 if grade == 4 else 1.0), 1)
        discs.append(replace(disc, t2_np_ms=t2_np_ms, t2_af_ms=round(disc.t2_af_ms * rng.uniform(0.95, 1.05), 1)))
    return tuple(discs)


def _draw_pose(rng: np.random.Generator, discs: tuple[DiscRecipe, ...], *, is_first: bool) -> PoseRecipe:
    """Draw how the person lies: near the middle at first; shifted, turned and bent level by level later."""
    shift, turn, bend = rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3), rng.uniform(-1, 1, len(discs))
    reach = (1.0, 2.0, 3.0) if is_first else (2.0, 6.0, 8.0)
    degrees = 0.5 if is_first else 2.0
    return PoseRecipe(
        shift_mm=_rounded(shift * reach),
        rotation_deg=_rounded(turn * degrees * np.array([1.5, 0.7, 0.7])),
        flexion_deg=()
        if is_first
        else tuple((d.level, round(1.0 + float(b), 2)) for d, b in zip(discs, bend, strict=True)),
    )


def _rounded(values: np.ndarray) -> tuple[float, float, float]:
    first, second, third = (round(float(value), 2) for value in values)
    return first, second, third
