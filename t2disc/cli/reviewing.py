"""The commands by which readers come in: a server of this machine, reading sets, tables of ratings."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from t2disc.cli.exits import ExitCode
from t2disc.cli.logs import log

if TYPE_CHECKING:
    from rich.console import Console

    from t2disc.study.ratings import RatingsExported

_MOST_DIFFERENCES = 20  # that are printed; the table holds all


def run_review(
    folder: Path,
    protocol_file: Path | None,
    *,
    port: int,
    with_differences: bool,
    opens_browser: bool,
    wait: Callable[[], object] | None = None,
) -> ExitCode:
    """Serve a study's outputs or a reading set until Ctrl-C, which is how a review ends.

    ``wait`` returns when the server is to stop; left out, the server runs until it is interrupted.
    """
    from t2disc import study
    from t2disc.cli.show import stdout_console
    from t2disc.qc.review import serve_review

    protocol = study.read_protocol(protocol_file) if protocol_file else None
    desk = study.desk_of(folder, protocol)
    console = stdout_console()
    with serve_review(desk, port=port, with_differences=with_differences) as running:
        try:
            words = f"{desk.title}: {len(desk.subjects)} to read. Open in a browser of this machine:"
            console.print(words, markup=False)
            console.print(running.address, markup=False, soft_wrap=True)
            console.print("Ctrl-C ends the review; every rating is kept as it is given.")
            if opens_browser:
                webbrowser.open(running.once)
            (wait or running.thread.join)()
        except KeyboardInterrupt:
            console.print("The review has ended.")
    return ExitCode.DONE


def run_blind(out: Path, folder: Path, key_file: Path, *, n_repeats: int) -> ExitCode:
    """Make a reading set, and say what is not in it."""
    from t2disc import study
    from t2disc.cli.show import counted, stdout_console

    made = study.make_reading_set(out, folder, key_file, n_repeats=n_repeats)
    for key in made.left_out:
        log.warning("%s is not in the reading set: it was not measured, or cannot be read back", key)
    if made.tells:
        log.warning("visits differ in: %s; readers may tell them apart by it", ", ".join(made.tells))
    console = stdout_console()
    console.print(f"{counted(made.n_reads, 'read')} in {folder}", markup=False, soft_wrap=True)
    console.print(f"Key: {key_file}. Keep it from the readers until all is read.", markup=False, soft_wrap=True)
    return ExitCode.DONE


def run_ratings(folder: Path, target: Path | None, key_file: Path | None) -> ExitCode:
    """Write the tables of ratings, and print how far readers agree."""
    from t2disc import study
    from t2disc.cli.show import stdout_console

    done = study.export_ratings(folder, target, key_file)
    if done.n_torn:
        log.warning("%d lines were cut off by a crash while written; none had been confirmed", done.n_torn)
    _show(stdout_console(), done)
    return ExitCode.DONE


def _show(console: Console, done: RatingsExported) -> None:
    from t2disc.cli.show import counted

    console.print(f"{counted(done.n_ratings, 'rating')} of {counted(done.n_readers, 'reader')}")
    for one in done.agreements:
        kappa = f", weighted kappa {one.kappa:.2f}" if one.kappa == one.kappa else ""
        unlike = f"; {one.n_unlike} in pictures that are not the same" if one.n_unlike else ""
        other = "at a second reading" if one.readers[0] == one.readers[1] else f"and {one.readers[1]}"
        words = f"{one.readers[0]} {other}: the same word for {one.n_equal} of {one.n_common}{kappa}{unlike}"
        console.print(words, markup=False)
    for difference in done.differences[:_MOST_DIFFERENCES]:
        said = ", ".join(f"{reader} {word}" for reader, word in difference.words)
        where = " ".join(part for part in (difference.subject, difference.figure, difference.level) if part)
        console.print(f"    {where}: {said}", markup=False)
    if len(done.differences) > _MOST_DIFFERENCES:
        console.print(f"    and {len(done.differences) - _MOST_DIFFERENCES} more")
    console.print(
        f"Tables    {done.folder / 'ratings.tsv'}, disagreements.tsv, agreement.tsv", markup=False, soft_wrap=True
    )
