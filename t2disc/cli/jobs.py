"""What the commands do, in terms of studies and batches; everything heavy is loaded here, when it is needed."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from t2disc.cli.exits import ExitCode
from t2disc.cli.logs import log
from t2disc.cli.looking import print_json
from t2disc.cli.requests import (
    FitRequest,
    SimulateRequest,
    default_out,
    find_study,
    is_heap,
    key_for,
    label_folders,
    settings_for,
    study_warnings,
)
from t2disc.errors import ArgumentInvalid

if TYPE_CHECKING:
    from rich.console import Console

    from t2disc.batch import RunSettings, Shard, StudyOutcome
    from t2disc.model import Visit


def run_fit(request: FitRequest, stderr: Console, *, command: str = "fit") -> ExitCode:
    """Measure a study and print its tables."""
    from t2disc import study

    protocol = study.read_protocol(request.protocol_file, model=request.model, models=request.models)
    study.refuse_misplaced_out(request.study_dir, request.out, request.labels_dir)
    settings = settings_for(request, protocol)
    key = key_for(request, protocol)
    visits = find_study(request, protocol, key)
    warnings = study_warnings(request, protocol, key, visits)
    started = perf_counter()
    outcome = _run(settings, visits, warnings, stderr, command)
    if request.as_json:
        print_json(_outcome_tree(outcome))
    elif settings.shard is not None:
        _show_shard(settings.shard, outcome, seconds=perf_counter() - started)
    else:
        _show(request, outcome, seconds=perf_counter() - started)
    return ExitCode.QUARANTINED if outcome.quarantined else ExitCode.DONE


def run_plan(request: FitRequest) -> ExitCode:
    """Print what a run would do with every visit, and why; write nothing."""
    from t2disc import store, study
    from t2disc.batch import plan_visits
    from t2disc.cli.looking import show_plan

    protocol = study.read_protocol(request.protocol_file, model=request.model, models=request.models)
    study.refuse_misplaced_out(request.study_dir, request.out, request.labels_dir)
    key = study.read_or_lend_key(request.study_dir) if is_heap(request, protocol) else None
    visits = find_study(request, protocol, key)
    _warn((*study_warnings(request, protocol, key, visits), *study.retest_warnings(visits, protocol)))
    if request.only:
        store.refuse_outdated(request.out)
    plan = plan_visits(visits, settings_for(request, protocol), store.read_index(request.out))
    show_plan(plan, as_json=request.as_json)
    return ExitCode.DONE


def changed_inputs(request: FitRequest) -> dict[str, str]:
    """Return which visits' inputs differ from those of their results, and in what."""
    from t2disc import study
    from t2disc.batch import inputs_that_changed

    protocol = study.read_protocol(request.protocol_file, model=request.model, models=request.models)
    key = study.read_key(request.study_dir) if is_heap(request, protocol) else None
    return inputs_that_changed(find_study(request, protocol, key), settings_for(request, protocol))


def _outcome_tree(outcome: StudyOutcome) -> dict[str, object]:
    """Return how a run ended, for programs."""
    visits = [
        {"visit": record.key, "state": record.status, "code": record.code, "reason": record.reason}
        for record in outcome.records
    ]
    return {"visits": visits, "n_skipped": outcome.n_skipped, "warnings": list(outcome.warnings)}


def run_check(request: FitRequest) -> ExitCode:
    """Print what a study holds and what would be used; write nothing."""
    from t2disc import study
    from t2disc.cli.show import counted, show_inspections, stdout_console

    protocol = study.read_protocol(request.protocol_file, model=request.model, models=request.models)
    study.refuse_misplaced_out(request.study_dir, request.out, request.labels_dir)
    key = study.read_or_lend_key(request.study_dir) if is_heap(request, protocol) else None
    visits = find_study(request, protocol, key)
    warnings = study_warnings(request, protocol, key, visits)
    folders = label_folders(request)
    inspections = [study.inspect_visit(visit, protocol, folders) for visit in visits]
    console = stdout_console()
    show_inspections(console, inspections, [study.inspection_checks(each, protocol.checks) for each in inspections])
    orders = study.order_warnings(inspections, protocol.study.visit_order)
    _warn((*warnings, *orders, *study.retest_warnings(visits, protocol)))
    if key is not None and key.is_provisional:
        console.print("The names are provisional: t2disc fit makes the key of the pseudonyms.")
    n_refused = sum(inspection.refusal is not None for inspection in inspections)
    n_sound = counted(len(visits) - n_refused, "visit")
    console.print(f"{n_sound} can be measured, {n_refused} refused; nothing was written.")
    return ExitCode.QUARANTINED if n_refused else ExitCode.DONE


def run_demo(study_dir: Path | None, out: Path | None, stderr: Console) -> ExitCode:
    """Measure a study with pictures; without one, simulate a small one first, or use that of an earlier demo."""
    if study_dir is None:
        folder = out or Path("t2disc-demo")
        study_dir, out = folder / "study", folder / "t2disc"
        if not (study_dir / "participants.tsv").is_file():  # written last
            run_simulate(study_dir, SimulateRequest())
    labels = study_dir / "labels"
    request = FitRequest(
        study_dir=study_dir,
        out=out or default_out(study_dir),
        labels_dir=labels if labels.is_dir() else None,
        with_figures=True,
    )
    return run_fit(request, stderr, command="demo")


def run_report(out: Path, protocol_file: Path | None, study_dir: Path | None = None) -> ExitCode:
    """Write the reports of a study into its outputs."""
    from t2disc import study
    from t2disc.cli.show import counted, stdout_console

    protocol = study.read_protocol(protocol_file) if protocol_file else study.published_protocol(out)
    asked = " --protocol PROTOCOL" if protocol_file else ""
    told = f"{asked} --study STUDY" if study_dir else asked
    pages = study.write_reports(
        out,
        protocol,
        expected=study.expected_visits(protocol, study_dir),
        command=f"t2disc report OUT{told}",
        options=asked.strip(),
    )
    text = f"{counted(len(pages) - 1, 'report')} and {out / pages[-1]}"
    stdout_console().print(text, markup=False, soft_wrap=True)
    return ExitCode.DONE


def run_plot(
    out: Path, where: str, name: str, picture: Path, protocol_file: Path | None, levels: str | None = None
) -> ExitCode:
    """Draw one plot of a study's outputs into a file."""
    from t2disc import store, study

    kind = store.picture_kind(picture)
    chosen = _chosen_levels(levels)
    if not picture.parent.is_dir():
        raise ArgumentInvalid("no folder of this name for the picture", expected="a picture in a folder that exists")
    store.refuse_published(picture.parent, "a picture")
    protocol = study.read_protocol(protocol_file) if protocol_file else None
    figure = study.draw_plot(out, where, name, protocol, levels=chosen)
    store.write_file(picture, store.picture_bytes(figure, kind, study.plot_title(where)))
    return ExitCode.DONE


def _chosen_levels(levels: str | None) -> tuple[str, ...]:
    """Return the discs that were asked for, none where nothing was asked."""
    if levels is None:
        return ()
    chosen = tuple(level.strip() for level in levels.split(","))
    if not all(chosen):
        raise ArgumentInvalid("--levels without a level", expected="discs such as L3/L4,L4/L5")
    return chosen


def run_simulate(out: Path, request: SimulateRequest) -> ExitCode:
    """Write a simulated study of real DICOM, with its truth, into a new or empty folder."""
    from t2disc.cli.show import stdout_console
    from t2disc.simulate import default_study, simulate_study
    from t2disc.store import StoredFile, write_tree

    recipe = default_study(
        request.n_participants,
        request.vendors,
        seed=request.seed,
        size=request.size,
        snr=request.snr,
        model=request.model,
    )
    _refuse_filled(out)
    files = (StoredFile(path=file.path, content=file.content) for file in simulate_study(recipe))
    n_files = write_tree(out, files, is_durable=False)
    text = f"{n_files} files of {request.n_participants} simulated participants in {out}"
    stdout_console().print(text, markup=False, soft_wrap=True)
    return ExitCode.DONE


def _refuse_filled(out: Path) -> None:
    """Keep a simulated study from mixing with what is there: another study, or a part of one."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ArgumentInvalid(
            "a place for the simulated study that is not an empty folder",
            expected="a new or an empty folder",
            todo="choose another folder, or remove what is there",
        )


def _warn(texts: tuple[str, ...]) -> None:
    for text in texts:
        log.warning(text)


def _run(
    settings: RunSettings, visits: tuple[Visit, ...], warnings: tuple[str, ...], stderr: Console, command: str
) -> StudyOutcome:
    from t2disc.batch import run_study
    from t2disc.cli.progress import RunProgress

    if settings.shard is not None:
        command = f"{command}-{settings.shard.number}-of-{settings.shard.n_shards}"
    with RunProgress(stderr, settings.out, command) as progress:
        _warn(warnings)
        outcome = run_study(visits, settings, progress)
        progress.run_finished(outcome.warnings)
    return outcome


def _show_shard(shard: Shard, outcome: StudyOutcome, *, seconds: float) -> None:
    from t2disc.cli.show import counted, stdout_console

    n_visits, n_refused = counted(len(outcome.records), "visit"), len(outcome.quarantined)
    stdout_console().print(
        f"Shard {shard.number} of {shard.n_shards}: {n_visits} in {seconds:.1f} s, {outcome.n_skipped} unchanged, "
        f"{n_refused} quarantined. Tables are written by a run without --shard, once all shards are done."
    )


def _show(request: FitRequest, outcome: StudyOutcome, *, seconds: float) -> None:
    from t2disc.cli.overview import is_large, show_overview
    from t2disc.cli.show import show_effort, show_grades, show_places, show_summary, stdout_console

    console, summary = stdout_console(), outcome.summary
    if is_large(summary):
        show_overview(console, summary, request.out)
    else:
        show_summary(console, summary, with_labels=request.labels_dir is not None)
        show_grades(console, summary)
    has_changes = bool(summary.changes)
    show_places(console, request.out, summary.visits, with_figures=request.with_figures, has_changes=has_changes)
    show_effort(console, outcome.summary.visits, n_skipped=outcome.n_skipped, seconds=seconds)
