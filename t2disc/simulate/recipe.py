"""What to simulate, in plain frozen data: the discs, the person, the pose, the acquisition, the visit, the study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from t2disc.errors import ArgumentInvalid, LabelsLevelUnknown
from t2disc.model.levels import LEVELS
from t2disc.simulate.findings import BoneRecipe, ModicRecipe, OrganRecipe, SchmorlRecipe, SurgeryRecipe

LABELLED_LEVELS: tuple[str, ...] = LEVELS[1:]
"""Discs that the label maps carry unless a recipe says otherwise: L1/L2 to L5/S1."""

MODELS: tuple[str, ...] = ("mono", "epg")
"""Signal models: pure mono-exponential decay, or extended phase graphs with B1."""


def refuse_unknown(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that nothing is known under.

    Raises
    ------
    ArgumentInvalid
        ``argument-invalid``: names what was given, and what is known.
    """
    known = tuple(known)
    if unknown := [name for name in dict.fromkeys(given) if name not in known]:
        raise ArgumentInvalid(
            f"{what} {', '.join(map(repr, unknown))}, which is not known", expected=f"one of {', '.join(known)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscRecipe:
    """One disc: its T2 in nucleus and annulus, its height and how far it bulges into the canal."""

    level: str
    t2_np_ms: float = 129.0
    t2_af_ms: float = 52.0
    height_mm: float = 10.0  # at the centre of the disc
    bulge_mm: float = 0.0  # backwards, beyond the line of the vertebral bodies
    depth: float = 1.0  # front to back and sideways, relative to the endplates; below 1 when rudimentary
    endplate_mm: float = 1.2  # bony, with the chemical shift of marrow fat
    cartilage_mm: float = 0.0  # cartilaginous endplate: dark, yet part of the disc
    cleft_mm: float = 0.0  # dark band across the middle of the nucleus
    is_fused: bool = False  # marrow bridges the disc space
    schmorl: tuple[SchmorlRecipe, ...] = ()
    modic: tuple[ModicRecipe, ...] = ()

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise LabelsLevelUnknown("a name that is no disc level")
        if min(self.t2_np_ms, self.t2_af_ms) <= 0 or not 3.0 <= self.height_mm <= 18.0 or not 0 <= self.bulge_mm <= 8:
            raise ArgumentInvalid(
                f"T2 {self.t2_np_ms} / {self.t2_af_ms} ms, height {self.height_mm} mm, bulge {self.bulge_mm} mm",
                expected="T2 above 0 ms, height 3-18 mm, bulge 0-8 mm",
            )
        if not 0 < self.depth <= 1.2 or min(self.endplate_mm, self.cartilage_mm, self.cleft_mm) < 0:
            raise ArgumentInvalid(
                f"depth {self.depth}, endplate {self.endplate_mm} mm, cartilage {self.cartilage_mm} mm",
                expected="depth 0-1.2, no layer below 0 mm",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRecipe:
    """The person without the discs: size, curvature, fat; ``seed`` draws bowel, muscle streaks and texture.

    ``n_lumbar`` is 5, or 6 with an extra L6: then the recipe of L5/S1 is that of L6/S1, and L5/L6 takes that of L4/L5.
    ``tissues`` replaces properties by the tissue's name: T1 and T2 in ms, proton density (water = 1).
    """

    seed: int = 0
    size: float = 1.0  # of the vertebrae, relative to an adult of middle height
    sacral_slope_deg: float = 40.0  # tilt of the S1 endplate
    lordosis: float = 1.0  # relative to 52 degrees from L1 to S1
    fat_mm: float = 20.0  # subcutaneous, over the spinous processes
    belly_mm: float = 112.0  # front of the belly, before the middle of L3
    sac: float = 1.0  # width of the dural sac, relative to usual
    sac_end_mm: float = 0.0  # how much lower than usual it ends
    conus_mm: float = 0.0  # how much lower than usual the cord ends
    muscle_fat: float = 0.0  # fat in the muscles of the back: 0 usual, 1 mostly fat
    scoliosis_deg: float = 0.0  # Cobb angle of one lateral curve; positive to the left
    scoliosis_apex: str = "L2"
    is_detailed: bool = False  # thoracic discs of full width, bone beside the sacral discs
    n_thoracic: int = 3  # vertebrae above L1 that are there at all
    n_lumbar: int = 5
    s1_disc_mm: float = 0.0  # height of a well-formed S1/S2 disc; 0 for the usual remnant
    bones: tuple[BoneRecipe, ...] = ()
    surgery: SurgeryRecipe | None = None
    organs: tuple[OrganRecipe, ...] = ()  # instead of the bowel that ``seed`` draws
    tissues: tuple[tuple[str, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.n_lumbar not in (5, 6) or not 3 <= self.n_thoracic <= 6 or abs(self.scoliosis_deg) > 60:
            raise ArgumentInvalid(
                f"{self.n_lumbar} lumbar, {self.n_thoracic} thoracic vertebrae, scoliosis {self.scoliosis_deg} degrees",
                expected="5 or 6 lumbar, 3 to 6 thoracic, scoliosis within 60 degrees",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseRecipe:
    """How the person lies at a visit, relative to the scanner and to the reference posture.

    ``flexion_deg`` gives, per level, how much that motion segment bends forward; bones and L3's place stay as they are.
    """

    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)  # right, anterior, superior
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)  # about the right, anterior and superior axes
    flexion_deg: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionRecipe:
    """The multi-echo spin-echo sequence and how well it is measured."""

    rows: int = 128
    columns: int = 128
    voxel_mm: float = 1.75  # in plane, square
    n_slices: int = 5
    thickness_mm: float = 4.0
    gap_mm: float = 0.4
    centre_mm: tuple[float, float, float] = (0.0, -5.0, -2.0)  # of the stack, right / anterior / superior
    oblique_deg: tuple[float, float] = (2.0, -1.5)  # about the superior and the anterior axis, off true sagittal
    echo_times_ms: tuple[float, ...] = tuple(10.0 * n for n in range(1, 9))
    repetition_time_ms: float = 2000.0
    snr: float = 60.0  # first echo, mean of the nuclei; infinite for no noise
    model: str = "mono"
    refocusing_deg: float = 180.0
    b1_mean: float = 0.92  # of the nominal flip angle; only the EPG model feels B1
    b1_spread: float = 0.12  # centre to edge
    field_strength_t: float = 3.0
    phase_echoes: int = 2  # echoes whose phase is exported too

    def __post_init__(self) -> None:
        refuse_unknown("signal model", (self.model,), MODELS)
        if min(self.rows, self.columns, self.n_slices, len(self.echo_times_ms)) < 2 or self.snr <= 0:
            raise ArgumentInvalid("an acquisition too small", expected="two rows, columns, slices and echoes; SNR > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecipe:
    """One visit of one participant on one scanner."""

    name: str  # folder name: baseline, month12
    study_date: str  # YYYYMMDD
    discs: tuple[DiscRecipe, ...]
    vendor: str = "siemens"
    pose: PoseRecipe = PoseRecipe()
    acquisition: AcquisitionRecipe = AcquisitionRecipe()
    transfer_syntax: str = "explicit_le"
    seed: int = 0  # noise and identifiers


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRecipe:
    """One participant: body, treated level and visits."""

    participant_id: str  # folder name: P001
    index_level: str
    body: BodyRecipe
    visits: tuple[VisitRecipe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecipe:
    """A whole study; ``labelled_levels`` are the discs of the label maps."""

    participants: tuple[ParticipantRecipe, ...]
    labelled_levels: tuple[str, ...] = LABELLED_LEVELS


_GRADES = {  # Pfirrmann grade: nucleus T2 ms, annulus T2 ms, share of full height, bulge mm
    1: (210.0, 58.0, 1.0, 0.0),
    2: (129.0, 52.0, 1.0, 0.3),
    3: (84.0, 46.0, 0.9, 1.2),
    4: (51.0, 38.0, 0.75, 2.2),
}
_FULL_HEIGHT_MM = {"T12/L1": 8.0, "L1/L2": 9.0, "L2/L3": 10.0, "L3/L4": 11.0, "L4/L5": 11.5, "L5/S1": 10.5}


def graded_disc(level: str, grade: int) -> DiscRecipe:
    """Return a disc as it looks at a Pfirrmann grade (1 healthy to 4 degenerated).

    Source: T2 of nucleus and annulus by grade from an ESR poster of 479 discs (nucleus 210, 129, 84, 51 ms; annulus
    the mean of front and back); heights after Frobin et al., Clin Biomech 1997.
    """
    if grade not in _GRADES:
        raise ArgumentInvalid(f"Pfirrmann grade {grade}", expected="1 to 4")
    t2_np_ms, t2_af_ms, height, bulge_mm = _GRADES[grade]
    return DiscRecipe(
        level=level,
        t2_np_ms=t2_np_ms,
        t2_af_ms=t2_af_ms,
        height_mm=_FULL_HEIGHT_MM[level] * height,
        bulge_mm=bulge_mm,
    )


def all_discs(discs: tuple[DiscRecipe, ...]) -> tuple[DiscRecipe, ...]:
    """Return a disc for every level from T12/L1 to L5/S1: the recipe's own, or one of Pfirrmann grade 2."""
    given = {disc.level: disc for disc in discs}
    return tuple(given.get(level) or graded_disc(level, 2) for level in LEVELS)
