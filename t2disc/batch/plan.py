"""What to do with a visit, and why: decided apart from doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from t2disc import __version__
from t2disc.store import Basis, FitFacts, PairBasis, PairRecord, VisitRecord, record_file

if TYPE_CHECKING:
    from t2disc.model.protocol import FitSettings

Action = Literal["run", "relabel", "skip"]

_DIFFERS = "differs from the earlier result"
_OUTDATED = "its earlier result is of another version of the record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is done with a visit, and the reason in words.

    ``run`` measures it. ``relabel`` does so too, but nothing that the maps depend on has changed: their files stay as
    they are, and only what depends on labels or pictures is written anew. ``skip`` leaves the visit's outputs alone.
    """

    action: Action
    why: str


class Recorded(Protocol):
    """What a decision needs of a visit's record, be it the record or the facts that the index keeps of it."""

    @property
    def version(self) -> str:
        """Version of t2disc that made it."""

    @property
    def is_done(self) -> bool:
        """Whether the visit has maps."""

    @property
    def code(self) -> str:
        """Why it was refused."""

    @property
    def index_level(self) -> str | None:
        """The treated disc."""

    @property
    def basis(self) -> Basis | None:
        """What it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The outputs of a visit's last run: their record, whether they are whole, whether there are pictures."""

    record: Recorded
    is_whole: bool
    has_pictures: bool
    lacks_pictures: bool = False  # they could not be drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a run would make a visit's outputs from, and whether it would draw."""

    basis: (
        Basis | None
    )  # None where the inputs cannot be told, or need not be: a first result is made whatever they are
    index_level: str | None = None
    with_pictures: bool = False
    is_asked: bool = True  # False where others alone were asked for
    is_redone: bool = False  # asked for though nothing has changed


def decide(earlier: Earlier | None, wanted: Wanted, *, is_outdated: bool = False) -> Decision:
    """Decide what is done with a visit, from the outputs of its last run and what they would be made from now.

    ``is_outdated`` where the last run left a record that this version cannot read.
    """
    if not wanted.is_asked:
        return Decision(action="skip", why="others alone are asked for")
    if earlier is None:
        return Decision(action="run", why=_OUTDATED if is_outdated else "no earlier result")
    if wanted.is_redone:
        return Decision(action="run", why="asked for again")
    if why := next(_reasons_to_run(earlier, wanted.basis), ""):
        return Decision(action="run", why=why)
    if why := ", ".join(_reasons_to_relabel(earlier, wanted)):
        return Decision(action="relabel", why=why)
    return Decision(action="skip", why="nothing has changed since its last run")


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierPair:
    """The outputs of a pair's last run."""

    record: PairRecord
    is_whole: bool
    has_pictures: bool


def decide_pair(
    earlier: EarlierPair | None, basis: PairBasis | None, *, with_pictures: bool, is_outdated: bool = False
) -> Decision:
    """Decide whether two visits are compared again, from the outputs of the last time and what they would be made from.

    There is no half way: a pair is measured or left alone.
    """
    if earlier is None:
        return Decision(action="run", why=_OUTDATED if is_outdated else "no earlier result")
    if why := next(_reasons_to_pair(earlier, basis, with_pictures), ""):
        return Decision(action="run", why=why)
    return Decision(action="skip", why="nothing has changed since its last run")


def _reasons_to_pair(earlier: EarlierPair, now: PairBasis | None, with_pictures: bool) -> Iterator[str]:
    record, before = earlier.record, earlier.record.basis
    if record.version != __version__:
        yield f"earlier result by version {record.version}"
    if before is None or now is None:
        yield "it cannot be told whether the visits have changed"
        return
    if not earlier.is_whole:
        yield "outputs were changed, added or lost since the last run"
    yield from pair_differences(before, now)
    if earlier.has_pictures != with_pictures:
        yield "pictures asked for" if with_pictures else "pictures no longer asked for"


def pair_differences(before: PairBasis, now: PairBasis) -> Iterator[str]:
    """Yield in words what differs between what a pair's result was made from and what would be used now."""
    if before.baseline_sha256 != now.baseline_sha256:
        yield "the baseline has changed"
    if before.followup_sha256 != now.followup_sha256:
        yield "the follow-up has changed"
    if before.settings_sha256 != now.settings_sha256:
        yield "other settings of [repeatability]"


def _reasons_to_run(earlier: Earlier, now: Basis | None) -> Iterator[str]:
    record, before = earlier.record, earlier.record.basis
    if record.version != __version__:
        yield f"earlier result by version {record.version}"
    if not record.is_done:
        yield f"quarantined before: {record.code}"
    if before is None or now is None:
        yield "it cannot be told whether the inputs have changed"
        return
    if not earlier.is_whole:
        yield "outputs were changed, added or lost since the last run"
    yield from _of_maps(before, now)


def _reasons_to_relabel(earlier: Earlier, wanted: Wanted) -> Iterator[str]:
    record, before, now = earlier.record, earlier.record.basis, wanted.basis
    if before is not None and now is not None:
        yield from _of_labels(before, now)
    if record.index_level != wanted.index_level:
        yield f"other treated level: {record.index_level or 'none'} -> {wanted.index_level or 'none'}"
    if earlier.has_pictures != wanted.with_pictures or earlier.lacks_pictures:
        yield "pictures asked for" if wanted.with_pictures else "pictures no longer asked for"


def differences(before: Basis | None, now: Basis | None) -> Iterator[str]:
    """Yield in words what differs between what a result was made from and what would be used now."""
    if before is None or now is None:
        yield "it cannot be told whether the inputs have changed"
        return
    yield from _of_maps(before, now)
    yield from _of_labels(before, now)


def _of_maps(before: Basis, now: Basis) -> Iterator[str]:
    """Yield what differs of that on which maps, and so everything, depends."""
    if before.images_sha256 != now.images_sha256:
        yield "other files than at the last run"
    if before.maps_settings_sha256 != now.maps_settings_sha256:
        yield "other settings of [ingest] or [fit]"


def _of_labels(before: Basis, now: Basis) -> Iterator[str]:
    """Yield what differs of that on which labels and measures alone depend."""
    if before.labels_sha256 != now.labels_sha256:
        yield "other labels"
    if before.labels_settings_sha256 != now.labels_settings_sha256:
        yield "other settings of the labels"


_ASSUMED = ("t1_ms", "refocusing_deg", "pulse", "refocusing_width", "n_channels")  # keys of [fit]


def changed_settings(earlier: FitFacts | None, wanted: FitSettings) -> tuple[str, ...]:
    """Name the settings of the fit that differ from those of the earlier result, with both values."""
    if earlier is None:
        return ()
    echoes, choice, assumed, options = earlier.echoes, wanted.echo_choice, earlier.options, wanted.options
    pairs = [
        ("model", earlier.model, wanted.model),
        ("skip_first", earlier.skip_first, wanted.skip_first),
        ("even_only", echoes.even_only, choice.even_only),
        ("echoes", echoes.numbers, choice.numbers),
        ("drop_below_snr", echoes.drop_below, choice.drop_below),
        ("min_snr", earlier.min_snr, wanted.min_snr),
        ("noise", earlier.noise_asked, wanted.noise),
        *((key, getattr(assumed, key), getattr(options, key)) for key in _ASSUMED),
    ]
    return tuple(f"{name} {before} -> {now}" for name, before, now in pairs if before != now)


def compare(earlier: VisitRecord | None, record: VisitRecord, *, has_changed: bool, is_outdated: bool = False) -> str:
    """Tell in words how a visit's result stands to its earlier one; ``has_changed`` when any byte was written."""
    if earlier is None:
        return "in the place of a result of another version of the record" if is_outdated else "first result"
    if not has_changed:
        return "unchanged"
    one, other = (record_file(replace(each, basis=None, provenance=None)).content for each in (earlier, record))
    return "numbers unchanged, other files differ from the earlier result" if one == other else _DIFFERS
