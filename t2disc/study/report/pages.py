"""The pages of a study, written beside its outputs."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from t2disc import store
from t2disc.study.expected import Expected
from t2disc.study.report.gather import gather, read_maps
from t2disc.study.report.index import index_page, index_rows
from t2disc.study.report.made import fit_line
from t2disc.study.report.participant import participant_page

if TYPE_CHECKING:
    from t2disc.model.protocol import Protocol
    from t2disc.model.report import IndexRow

INDEX_NAME = "index.html"


def write_reports(
    out: Path,
    protocol: Protocol | None = None,
    *,
    expected: Expected | None = None,
    command: str = "",
    options: str = "",
) -> tuple[PurePosixPath, ...]:
    """Write a report of each participant and an index of all visits into a study's outputs.

    Everything comes from records, maps and labels in ``out``; a report that would not change stays.

    Parameters
    ----------
    out
        Outputs of ``t2disc fit``.
    protocol
        Its ``[checks]`` give the grades, its ``[repeatability]`` the bands, its ``[study] visit_order`` the order.
        Where it is left out, or asks nothing of visits, grades and checks are those of the tables in ``out``.
    expected
        Which visits the study was to have: those that never came are shown as ``not done``.
    command
        By which the pages are made, shown at the foot of each behind the line that makes such outputs.
    options
        Of the command lines below figures whose bands follow the protocol: ``--protocol PROTOCOL``.

    Returns
    -------
    tuple of PurePosixPath
        The pages, below ``out``: ``sub-X/sub-X_report.html`` and ``index.html``, the index last.

    Raises
    ------
    StudyNotFound
        ``study-not-found``: no visit has a record in ``out``.
    OutputsDamaged
        ``outputs-damaged``: the table of visits or of checks cannot be read back.
    """
    from t2disc.qc.report import render_index, render_participant

    options = f" {options}" if options else ""
    gathered = gather(out, protocol, expected)
    command = f"{fit_line(gathered)} && {command}" if command else ""
    pages: list[PurePosixPath] = []
    rows: list[IndexRow] = []
    for participant in gathered.participants:
        maps = read_maps(out, participant)
        rows += index_rows(participant, maps)
        if not participant.visits:
            continue
        path = PurePosixPath(participant.participant_id, participant.report_name)
        page = participant_page(out, participant, maps, command=command, options=options)
        store.update_file(out.joinpath(*path.parts), render_participant(page).encode())
        pages.append(path)
    index = index_page(gathered, rows, command=command, options=options)
    store.update_file(out / INDEX_NAME, render_index(index).encode())
    return (*pages, PurePosixPath(INDEX_NAME))
