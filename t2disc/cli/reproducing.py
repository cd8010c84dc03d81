"""The command that measures visits again from their own records, and tells whether every byte is the same."""

from __future__ import annotations

import hashlib
import os
import platform
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING

from t2disc.cli.exits import ExitCode
from t2disc.cli.looking import print_json, refuse_empty
from t2disc.cli.requests import FitRequest, find_study, is_heap, settings_for
from t2disc.store.lock import is_alive

if TYPE_CHECKING:
    from t2disc.batch.reproduce import Reproduced, State


def run_reproduce(request: FitRequest) -> ExitCode:
    """Measure visits again in a temporary folder, and print how each compares with its result."""
    from t2disc import study
    from t2disc.batch import reproduce_results

    refuse_empty(request.out)
    protocol = study.read_protocol(request.protocol_file)
    key = study.read_key(request.study_dir) if is_heap(request, protocol) else None
    visits = find_study(request, protocol, key)
    told: list[Reproduced] = []
    with _scratch() as scratch:
        for each in reproduce_results(visits, settings_for(request, protocol), scratch):
            told.append(each)
            if not request.as_json:
                _show(each)
    told.sort(key=lambda each: each.key)
    counts = Counter((" since " in each.key, each.state) for each in told)
    if request.as_json:
        print_json(
            [{"target": each.key, "state": each.state, "why": each.why, "files": list(each.files)} for each in told]
        )
    else:
        _show_counts(counts)
    return ExitCode.DONE if {each.state for each in told} == {"same"} else ExitCode.ENVIRONMENT


@contextmanager
def _scratch() -> Iterator[Path]:
    """Make a temporary folder, and remove those of earlier commands on this machine that were killed."""
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    for folder in Path(gettempdir()).glob(f"t2disc-{machine}-*-*"):
        pid = folder.name.split("-")[2]
        if pid.isdecimal() and not is_alive(int(pid)):
            rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix=f"t2disc-{machine}-{os.getpid()}-", ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def _show(each: Reproduced) -> None:
    from t2disc.cli.show import stdout_console

    console = stdout_console()
    console.print(f"{each.key}: {each.state}{f' ({each.why})' if each.why else ''}", markup=False, soft_wrap=True)
    for name in each.files:
        console.print(f"  {name}", markup=False, soft_wrap=True)


def _show_counts(counts: Counter[tuple[bool, State]]) -> None:
    from t2disc.cli.show import counted, stdout_console

    for is_pair, what in ((False, "visit"), (True, "pair")):
        same, differs, not_tried = (counts[is_pair, state] for state in ("same", "differs", "not tried"))
        if same or differs or not_tried:
            stdout_console().print(
                f"{counted(same + differs, what)} measured again: {same} with the same bytes, {differs} with others; "
                f"{not_tried} not tried."
            )
    stdout_console().print("Tables are made from these alone. The outputs were not touched.")
