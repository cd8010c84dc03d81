"""One thin function per command; logging and exit codes live here and nowhere else."""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: ``arguments``, by default those of the process."""
    from t2disc.cli.ending import ending_with_a_code
    from t2disc.cli.streams import guarded_streams

    is_own = arguments is None
    with ending_with_a_code(is_own_process=is_own), guarded_streams(is_own_process=is_own):
        from t2disc.cli.app import app

        app(arguments, prog_name="t2disc")
