"""The command that measures visits again from their own records, and tells whether every byte is the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from t2disc.cli.exits import ExitCode
from t2disc.cli.looking import print_json, refuse_empty
from t2disc.cli.requests import FitRequest, find_study, is_heap, settings_for

if TYPE_CHECKING:
    from t2disc.batch.reproduce import Reproduced, State


def run_reproduce(request: FitRequest) -> ExitCode:
    """Measure visits again in a temporary folder, and print how each compares with its result."""
    from t2disc import study
    from t2disc.batch import reproduce_visits

    refuse_empty(request.out)
    protocol = study.read_protocol(request.protocol_file)
    key = study.read_key(request.study_dir) if is_heap(request, protocol) else None
    visits = find_study(request, protocol, key)
    told: list[Reproduced] = []
    with TemporaryDirectory(prefix="t2disc-") as scratch:
        for each in reproduce_visits(visits, settings_for(request, protocol), Path(scratch)):
            told.append(each)
            if not request.as_json:
                _show(each)
    told.sort(key=lambda each: each.key)
    counts = Counter(each.state for each in told)
    if request.as_json:
        print_json(
            [{"visit": each.key, "state": each.state, "why": each.why, "files": list(each.files)} for each in told]
        )
    else:
        _show_counts(counts)
    return ExitCode.DONE if set(counts) == {"same"} else ExitCode.ENVIRONMENT


def _show(each: Reproduced) -> None:
    from t2disc.cli.show import stdout_console

    console = stdout_console()
    console.print(f"{each.key}: {each.state}{f' ({each.why})' if each.why else ''}", markup=False, soft_wrap=True)
    for name in each.files:
        console.print(f"  {name}", markup=False, soft_wrap=True)


def _show_counts(counts: Counter[State]) -> None:
    from t2disc.cli.show import counted, stdout_console

    n_tried = counts["same"] + counts["differs"]
    stdout_console().print(
        f"{counted(n_tried, 'visit')} measured again: {counts['same']} with the same bytes, {counts['differs']} with "
        f"others; {counts['not tried']} not tried. The outputs were not touched."
    )
