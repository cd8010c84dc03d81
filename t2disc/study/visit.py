"""The story of one visit: from its files to its maps and numbers, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from t2disc import store
from t2disc.errors import T2DiscError
from t2disc.model import (
    DiscLabels,
    DiscMeasure,
    DiscQuality,
    EchoMotion,
    EchoStack,
    FitQuality,
    Inventory,
    LabelMap,
    ModelSensitivity,
    RoiSensitivity,
    T2Map,
    Visit,
)
from t2disc.model.levels import level_or_none
from t2disc.model.review import ReviewCode, ReviewReason
from t2disc.study.fits import fit_visit, judge_visit, refuse_unsuited, see_other_models
from t2disc.study.labels import LabelFolders, find_label_file, read_labels
from t2disc.study.notes import acquisition_notes, fit_notes, label_notes, motion_notes

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol

NO_FOLDERS = LabelFolders()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitResult:
    """A visit, measured."""

    visit: Visit
    stack: EchoStack  # its echoes aligned
    motion: EchoMotion
    discs: DiscLabels
    t2map: T2Map
    quality: FitQuality
    measures: tuple[DiscMeasure, ...]
    disc_quality: tuple[DiscQuality, ...]
    facts: store.FitFacts
    regions: store.RegionFacts
    sensitivity: tuple[RoiSensitivity, ...]
    model_sensitivity: tuple[ModelSensitivity, ...] = ()
    remarks: tuple[str, ...] = ()  # of models that could not be compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a visit's headers and its label map say: what would be used, or the refusal; no pixel of DICOM was read."""

    visit: Visit
    inventory: Inventory | None = None
    refusal: T2DiscError | None = None
    n_named: int | None = None  # discs that the visit's label table names; None without labels
    is_corrected: bool = False  # whether the labels are a reader's correction
    is_automatic: bool = False  # whether discs are to be found automatically

    @property
    def acquisition_date(self) -> str | None:
        """Day of the series that would be used, otherwise of the visit: the same that :func:`visit_record` tells."""
        return (self.inventory and self.inventory.acquisition.acquisition_date) or self.visit.acquisition_date

    @property
    def notes(self) -> tuple[str, ...]:
        """What will have to be known of the numbers, as far as headers tell it."""
        return (*self.inventory.notes, *acquisition_notes(self.inventory.acquisition)) if self.inventory else ()


def analyse_visit(visit: Visit, protocol: Protocol, folders: LabelFolders = NO_FOLDERS) -> VisitResult:
    """Measure T2 in every voxel and every labelled disc of one visit.

    ``folders`` may hold a label map of it; a correction comes first.

    Raises
    ------
    InputError
        What the hospital sent cannot be used; the code says why.
    """
    from t2disc.measure import compare_schemes, measure_discs, measure_quality
    from t2disc.register import align_echoes
    from t2disc.segment import find_discs

    stack, motion = align_echoes(load_visit(visit, protocol), protocol.registration)
    labels = load_visit_labels(visit, folders)
    found = find_discs(stack, labels, segment=protocol.segment, regions=protocol.regions)
    discs = with_index_level(found, visit.index_level)
    t2map = fit_visit(stack, protocol.fit)
    quality = judge_visit(stack, t2map)
    measures = measure_discs(t2map, discs)
    by_model, remarks = see_other_models(stack, discs, t2map, protocol.fit)
    return VisitResult(
        visit=visit,
        stack=stack,
        motion=motion,
        discs=discs,
        t2map=t2map,
        quality=quality,
        measures=measures,
        disc_quality=measure_quality(quality, discs),
        facts=store.FitFacts.of(stack, t2map, min_snr=protocol.fit.min_snr, noise_asked=protocol.fit.noise),
        regions=store.RegionFacts.of(protocol.regions),
        sensitivity=compare_schemes(measures),
        model_sensitivity=by_model,
        remarks=remarks,
    )


def load_visit(visit: Visit, protocol: Protocol) -> EchoStack:
    """Load the multi-echo volume of one visit."""
    from t2disc.ingest import load_stack

    settings = protocol.ingest
    return load_stack(visit.files or visit.folder, settings=settings, require_spin_echo=settings.require_spin_echo)


def load_visit_labels(visit: Visit, folders: LabelFolders) -> LabelMap | None:
    """Load the label map of one visit, if there is one."""
    file = find_label_file(visit, folders)
    return read_labels(file) if file else None


def with_index_level(discs: DiscLabels, index_level: str | None) -> DiscLabels:
    """Add a reason for review where the treated disc is not among those labelled: another must not pass for it."""
    if index_level is None or index_level in discs.levels or discs.source.kind == "none":
        return discs
    found = f"those found are {', '.join(discs.levels)}" if discs.levels else "none was found"
    reason = ReviewReason(
        code=ReviewCode.INDEX_LEVEL_NOT_FOUND,
        level=index_level,
        detail=f"the treated disc is not among those labelled; {found}",
    )
    return replace(discs, reasons=(*discs.reasons, reason))


def inspect_visit(visit: Visit, protocol: Protocol, folders: LabelFolders = NO_FOLDERS) -> Inspection:
    """Tell from headers and the label map what a visit's analysis would use, or how it would be refused.

    What only the images' pixels can tell (a damaged pixel, labels beside the image) is not found here.
    """
    from t2disc.ingest import take_inventory

    settings = protocol.ingest
    try:
        labels = load_visit_labels(visit, folders)
        if labels is not None:
            _refuse_misnamed(labels)
        source = visit.files or visit.folder
        found = take_inventory(source, settings=settings, require_spin_echo=settings.require_spin_echo)
        refuse_unsuited(found.echo_times_ms, protocol.fit)
    except T2DiscError as refusal:
        return Inspection(visit=visit, refusal=refusal.at(visit.key))
    if labels is None:
        return Inspection(visit=visit, inventory=found, is_automatic=protocol.segment.automatic)
    is_corrected = labels.source.kind == "correction"
    n_named = sum(level_or_none(name) is not None for _, name in labels.names)
    return Inspection(visit=visit, inventory=found, n_named=n_named, is_corrected=is_corrected)


def _refuse_misnamed(labels: LabelMap) -> None:
    """Refuse labels whose names or order are wrong wherever the image lies: nothing, on their own grid, stands for it.

    Raises
    ------
    LabelError
        As :func:`t2disc.segment.find_discs`.
    """
    from t2disc.segment import find_discs

    nothing = np.broadcast_to(np.float32(0), (*labels.values.shape, 1))
    find_discs(EchoStack(signal=nothing, echo_times_ms=np.ones(1), affine=labels.affine), labels)


def visit_record(result: VisitResult, remarks: Sequence[str] = ()) -> store.VisitRecord:
    """Return what the tables and a later reader need to know of a measured visit; ``remarks`` join its notes."""
    visit, stack = result.visit, result.stack
    limits = (*acquisition_notes(stack.acquisition), *motion_notes(result.motion), *fit_notes(result.t2map))
    notes = (*stack.notes, *limits, *label_notes(result.discs), *result.remarks, *remarks)
    return replace(
        _record(visit, "done"),
        acquisition_date=stack.acquisition.acquisition_date or visit.acquisition_date,
        levels=result.discs.levels,
        labels=store.LabelFacts.of(result.discs),
        acquisition=stack.acquisition,
        motion=result.motion,
        fit=result.facts,
        regions=result.regions,
        left_out=stack.left_out,
        notes=notes,
        measures=result.measures,
        disc_quality=result.disc_quality,
        roi_sensitivity=result.sensitivity,
        model_sensitivity=result.model_sensitivity,
    )


def refusal_record(visit: Visit, refusal: T2DiscError) -> store.VisitRecord:
    """Return the record of a quarantined visit: the code, and the refusal in words."""
    words = [f"found {refusal.found}", refusal.expected and f"expected {refusal.expected}", refusal.todo]
    reason = "; ".join(word for word in words if word)
    return replace(_record(visit, "quarantined"), code=refusal.code, reason=reason)


def _record(visit: Visit, status: store.Status) -> store.VisitRecord:
    return store.VisitRecord(
        participant_id=visit.participant_id,
        session_id=visit.session_id,
        status=status,
        index_level=visit.index_level,
        acquisition_date=visit.acquisition_date,
    )


def visit_files(result: VisitResult) -> tuple[store.StoredFile, ...]:
    """Compose the maps and labels of a measured visit, below its folder ``sub-X/ses-Y``."""
    stem = result.visit.stem
    return (
        *store.map_files(stem, result.t2map, result.facts, result.stack.acquisition),
        *store.quality_files(stem, result.quality),
        *store.echo_files(stem, result.stack),
        *store.label_files(stem, result.discs),
    )


def visit_figures(result: VisitResult) -> Iterator[store.StoredFile]:
    """Draw the T2 overlay of a visit, and the decay curve of each of its discs."""
    from t2disc.qc import plot_decay, plot_t2_overlay

    stem = result.visit.stem
    quantity = store.quantity_of(result.stack.acquisition)
    name = f"{stem}_desc-{quantity}_overlay"
    yield store.figure_file(name, plot_t2_overlay(result.stack, result.t2map, result.discs))
    for level in result.discs.levels:
        figure = plot_decay(result.stack, result.t2map, result.discs, level)
        yield store.figure_file(f"{stem}_desc-{level.replace('/', '')}_decay", figure)
