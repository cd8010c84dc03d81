"""What a visit's labels and numbers rest on, as its record keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from t2disc.model import DiscLabels
from t2disc.model.labels import LabelKind
from t2disc.model.review import ReviewCode, ReviewReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts:
    """Who drew a visit's labels, how sure they are, and why a reader should look at them."""

    kind: LabelKind = "none"
    sha256: str | None = None  # of the label file, or of the network's weights
    scheme: str | None = None  # names of a foreign label map
    confidences: tuple[float, ...] = ()  # 0 to 1, one per level of the record
    reasons: tuple[ReviewReason, ...] = ()

    @classmethod
    def of(cls, discs: DiscLabels) -> LabelFacts:
        """Gather the facts of a visit's labels."""
        source = discs.source
        return cls(
            kind=source.kind,
            sha256=source.sha256,
            scheme=source.scheme,
            confidences=discs.confidences,
            reasons=discs.reasons,
        )

    @property
    def needs_review(self) -> bool:
        """Whether a reader should look before the numbers are used."""
        return bool(self.reasons)

    @property
    def review_codes(self) -> tuple[str, ...]:
        """Codes of the reasons, each once, in their order."""
        return tuple(dict.fromkeys(reason.code.value for reason in self.reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Check sums of everything a visit's result was made from; where they are the same, so is the result.

    Attributes
    ----------
    images_sha256
        Of the contents of the visit's files, in whatever order and under whatever names (NIfTI files and their
        sidecars count with their names, which BIDS gives a meaning).
    labels_sha256
        Of the label map with the table beside it and where it was found, or of the network's weights.
    maps_settings_sha256, labels_settings_sha256
        Of the protocol's settings that maps depend on, and of those that labels and measures alone depend on.
    """

    images_sha256: str
    labels_sha256: str
    maps_settings_sha256: str
    labels_settings_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """With what a visit's result was made, beside its inputs: what it takes to make it again.

    Attributes
    ----------
    settings
        The protocol's tables on which a visit depends, every key with its value, named as in a protocol file.
    withheld
        Keys of the protocol file whose values no output repeats, for they may be words of a header.
    software
        Versions of Python and of the libraries that numbers and bytes come from, and the kind of machine.

    Nothing is drawn at random, and no number depends on how many threads there are: neither is told here. When and
    where a run was, and what it cost, stands in its log.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)


def read_provenance(tree: dict[str, Any]) -> Provenance:
    """Return the provenance as :func:`dataclasses.asdict` and JSON wrote it."""
    return Provenance(
        settings={str(name): dict(table) for name, table in tree["settings"].items()},
        withheld=tuple(map(str, tree["withheld"])),
        software={str(name): str(version) for name, version in tree["software"].items()},
    )


def read_label_facts(tree: dict[str, Any]) -> LabelFacts:
    """Return the facts as :func:`dataclasses.asdict` and JSON wrote them."""
    reasons = tuple(ReviewReason(**item | {"code": ReviewCode(item["code"])}) for item in tree["reasons"])
    return LabelFacts(**tree | {"confidences": tuple(tree["confidences"]), "reasons": reasons})
