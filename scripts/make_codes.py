#!/usr/bin/env python3
"""Write docs/codes.md from the error tree, so that the page cannot differ from the program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from t2disc import errors

HEAD = """# Every refusal and its code

Written by `python scripts/make_codes.py` from `t2disc/errors.py`; a test compares the two. Each error carries `.code`
(stable, safe to compare), `.found`, `.expected`, `.todo` and `.where` (the visit).
"""


def families() -> Iterator[type[errors.T2DiscError]]:
    """Yield the inner nodes of the tree, top down."""
    for top in errors.T2DiscError.__subclasses__():
        yield from top.__subclasses__() if top is errors.InputError else [top]


def page() -> str:
    """Return the whole page."""
    lines = [HEAD]
    for family in families():
        lines += [f"\n## {family.__name__}\n", f"{(family.__doc__ or '').strip().splitlines()[0]}\n"]
        lines += ["| code | what t2disc wants instead | what to do |", "|---|---|---|"]
        lines += [f"| `{leaf.code}` | {leaf.expected} | {leaf.todo} |" for leaf in family.__subclasses__() or [family]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "codes.md").write_text(page(), encoding="utf-8")
