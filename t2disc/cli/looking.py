"""Commands that look at a study and its outputs: the plan of a run, the state of visits, whether all is whole, why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2disc.cli.exits import ExitCode
from t2disc.errors import OutputsDamaged, StudyNotFound

if TYPE_CHECKING:
    from t2disc.batch import Planned, Surveyed
    from t2disc.model import Grade
    from t2disc.store import VisitRecord


def refuse_empty(out: Path) -> None:
    """Refuse a folder that holds no results.

    Raises
    ------
    StudyNotFound
        ``study-not-found``.
    """
    from t2disc.store import recorded_keys

    if not recorded_keys(out):
        raise _empty()


def _empty() -> StudyNotFound:
    return StudyNotFound("a folder without records of visits", expected="the outputs of t2disc fit")


def print_json(tree: object) -> None:
    """Print a tree as JSON, for programs."""
    import typer

    typer.echo(json.dumps(tree, indent=1))


def show_plan(plan: Sequence[Planned], *, as_json: bool) -> None:
    """Print what would be done with every visit, and why."""
    from t2disc.cli.show import counted, plain_table, stdout_console

    rows = [(planned.visit.key, planned.decision.action, planned.decision.why) for planned in plan]
    if as_json:
        print_json([dict(zip(("visit", "action", "why"), row, strict=True)) for row in rows])
        return
    console = stdout_console()
    console.print(plain_table("What would be done", ("visit", "action", "why"), rows))
    counts = Counter(action for _, action, _ in rows)
    told = ", ".join(f"{action} {n}" for action, n in sorted(counts.items()))
    console.print(f"{counted(len(rows), 'visit')}: {told or 'nothing'}; nothing was written.")


def run_status(out: Path, *, as_json: bool) -> ExitCode:
    """Print the state of every visit; the exit code tells whether any is quarantined."""
    from t2disc.batch import survey
    from t2disc.cli.show import counted, plain_table, stdout_console

    visits = survey(out)
    if not visits:
        raise _empty()
    grades = _grades(out)
    if as_json:
        print_json([_status_tree(each, grades.get(each.facts.key)) for each in visits])
    else:
        heads = ("visit", "state", "code", "date", "discs", "to review", "grade", "version")
        console = stdout_console()
        rows = [_status_row(each, grades.get(each.facts.key)) for each in visits]
        console.print(plain_table("State of every visit", heads, rows))
        counts = Counter(_state(each) for each in visits)
        told = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
        console.print(f"{counted(len(visits), 'visit')}: {told}")
    return ExitCode.DONE if all(each.facts.is_done for each in visits) else ExitCode.QUARANTINED


def _state(each: Surveyed) -> str:
    return each.facts.status if each.is_whole else f"{each.facts.status}, not as published"


def _grades(out: Path) -> Mapping[str, Grade | None]:
    """Return the grades that the tables tell, which a run without shards has written; none where they are damaged."""
    from t2disc.store import read_grades

    with suppress(OutputsDamaged):
        return read_grades(out).grades
    return {}


def _status_row(each: Surveyed, grade: Grade | None) -> tuple[str, ...]:
    facts, word = each.facts, grade.word if grade else ""
    cells = (facts.code, facts.acquisition_date, str(facts.n_discs), facts.review_codes, word, facts.version)
    return (facts.key, _state(each), *(cell or "-" for cell in cells))


def _status_tree(each: Surveyed, grade: Grade | None) -> dict[str, Any]:
    facts, told = asdict(each.facts), ("code", "acquisition_date", "n_discs", "version", "index_level")
    codes = each.facts.review_codes.split(",") if each.facts.review_codes else []
    own = {"visit": each.facts.key, "state": each.facts.status, "as_published": each.is_whole, "review_codes": codes}
    own["grade"] = grade.word if grade else None
    return own | {name: facts[name] for name in told}


def run_verify(out: Path, inputs: Mapping[str, str] | None, *, as_json: bool) -> ExitCode:
    """Print every file of the outputs that is not as it was published, and which visits' inputs have changed."""
    from t2disc.cli.show import counted, stdout_console
    from t2disc.store import refuse_running, verify_outputs

    refuse_empty(out)
    n_files, findings = verify_outputs(out)
    n_wrong = sum(each.is_wrong for each in findings)
    if n_wrong:
        refuse_running(out)  # one that has begun meanwhile, whose visits are newer than the tables
    if as_json:
        found = [{"path": str(each.path), "what": each.what, "wrong": each.is_wrong} for each in findings]
        print_json({"files": n_files, "findings": found, "inputs": dict(inputs or {})})
    else:
        console = stdout_console()
        for finding in findings:
            console.print(str(finding), markup=False, soft_wrap=True)
        for key, why in (inputs or {}).items():
            console.print(f"{key}: {why}", markup=False, soft_wrap=True)
        console.print(f"{counted(n_files, 'file')} looked at, {n_wrong} not as published.")
        if n_beside := len(findings) - n_wrong:
            console.print(f"{counted(n_beside, 'other')} beside them, not looked at.")
        if inputs is not None:
            console.print(f"Inputs of {counted(len(inputs), 'visit')} differ from those of the results.")
    return ExitCode.ENVIRONMENT if n_wrong or inputs else ExitCode.DONE


def run_explain(out: Path, key: str) -> ExitCode:
    """Print why a visit is in its state: the refusal, what was used and left out, what to look at."""
    from t2disc.cli.show import stdout_console
    from t2disc.store import read_record, refuse_outdated

    refuse_outdated(out)
    participant_id, _, session_id = key.partition("/")
    record = read_record(out, participant_id, session_id) if _is_key(participant_id, session_id) else None
    if record is None:
        raise StudyNotFound(
            "no record of such a visit",
            expected="sub-X/ses-Y, one of those that t2disc status lists",
            todo="run t2disc status on this folder, and copy the name from there",
        )
    console = stdout_console()
    for line in (*_explanation(record), *_judged(out, record)):
        console.print(line, markup=False, soft_wrap=True)
    return ExitCode.DONE


def _is_key(participant_id: str, session_id: str) -> bool:
    parts = participant_id.removeprefix("sub-"), session_id.removeprefix("ses-")
    return participant_id.startswith("sub-") and session_id.startswith("ses-") and all(map(str.isalnum, parts))


def _explanation(record: VisitRecord) -> list[str]:
    lines = [f"{record.key}: {record.status}, by t2disc {record.version}"]
    if not record.is_done:
        return [*lines, f"[{record.code}] {record.reason}"]
    if record.acquisition is not None and record.fit is not None:
        te_ms = record.fit.echo_times_ms
        lines.append(
            f"used: {len(te_ms)} echoes at {te_ms[0]:.4g}-{te_ms[-1]:.4g} ms, {record.acquisition.sequence}, "
            f"model {record.fit.model}, sigma {record.fit.noise.sigma:.4g} ({record.fit.noise.method})"
        )
    lines += [f"left out: {item.n_images} {item.what}: {item.why}" for item in record.left_out]
    lines.append(f"discs: {', '.join(record.levels) or 'none'}; labels {record.labels.kind}")
    lines += [f"to review: {reason}" for reason in record.labels.reasons]
    lines += [f"note: {note}" for note in record.notes]
    if record.basis is not None:
        lines.append(f"made from images {record.basis.images_sha256[:12]}, labels {record.basis.labels_sha256[:12]}")
    if record.provenance is not None:
        software = record.provenance.software
        lines.append(f"made with {', '.join(f'{name} {version}' for name, version in software.items())}")
    return lines


def _judged(out: Path, record: VisitRecord) -> Iterator[str]:
    """Yield the visit's grade, and what is to be seen of the pairs that it is part of."""
    from t2disc.store import read_pair_record, recorded_pairs

    if (grade := _grades(out).get(record.key)) is not None:
        yield f"grade: {': '.join((grade.word, *filter(None, ['; '.join(grade.reasons)])))}"
    for names in recorded_pairs(out):
        pair = read_pair_record(out, *names)
        if pair is None or record.participant_id != names[0] or record.session_id not in names[1:]:
            continue
        yield f"{pair.key}: {f'not matched [{pair.code}] {pair.reason}' if pair.code else 'matched'}"
        for match in pair.matches:
            if match.codes:
                yield f"  to review: {match.level} {', '.join(match.codes)}"


def run_lock(out: Path, reason: str, *, unlock: bool) -> ExitCode:
    """Lock or unlock the outputs, and say so."""
    from t2disc.batch import Author, lock_study
    from t2disc.cli.show import stdout_console

    refuse_empty(out)
    lock_study(out, Author.of_this_process(reason), unlock=unlock)
    stdout_console().print("unlocked" if unlock else "locked: t2disc fit changes nothing here without --reason")
    return ExitCode.DONE


def run_index(out: Path) -> ExitCode:
    """Make the index of the outputs again."""
    from t2disc.batch import rebuild_index
    from t2disc.cli.show import counted, stdout_console
    from t2disc.store import INDEX

    refuse_empty(out)
    n_visits = rebuild_index(out)
    stdout_console().print(f"{counted(n_visits, 'visit')} in {out / INDEX}", markup=False, soft_wrap=True)
    return ExitCode.DONE
