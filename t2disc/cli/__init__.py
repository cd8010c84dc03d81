"""One thin function per command; logging and exit codes live here and nowhere else."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from t2disc.cli.app import app

    app(prog_name="t2disc")
