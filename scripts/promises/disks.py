"""Rows 3, 6, 22: full disks, tampered outputs, and what the check of outputs does not look at."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

from studies import small_study, tree

from promises.figure import Figure, Trial
from promises.outputs import is_completed, measure, not_as_published, two_results
from promises.staging import Ended, call_cli, fit_arguments, forked, on_stage
from t2disc.errors import AuditDamaged
from t2disc.store import verify_outputs
from t2disc.store.audit import AUDIT
from t2disc.store.studymanifest import STUDY_MANIFEST, read_study_manifest

DISK_FULL = "[disk-full]"
UNGUARDED = frozenset({"README.md", "index.sqlite"})
"""What vouches for nothing, or can be made again; reports, logs and ratings are the others."""


def disk_full(trial: Trial) -> Figure:
    """Row 3: a small tmpfs of rising size where this user may mount one, and a limit of file sizes, both swept."""
    two_results(trial.folder)
    n = trial.count(12)
    tries = on_stage("promises.disks:fill", folder=str(trial.folder), n=n)
    ways = Counter(one["way"] for one in tries)
    n_silent, n_torn = sum(one["silent"] for one in tries), sum(one["torn"] > 0 for one in tries)
    n_coded, n_odd = sum(one["coded"] for one in tries), [one["odd"] for one in tries if one["odd"]]
    n_unequal = sum(not one["completed"] for one in tries)
    missing = "" if "tmpfs" in ways else "no tmpfs could be mounted by this user: file size limits alone"
    return Figure(
        asked="; ".join(f"{count} sizes of {way}" for way, count in ways.items()),
        found=f"silent successes {n_silent}, torn {n_torn}, {n_coded} ended as disk-full, other ends {len(n_odd)}, "
        f"not completed when there was room {n_unequal}",
        holds=not (n_silent or n_torn or n_odd or n_unequal),
        short="; ".join(part for part in (missing, *sorted(set(n_odd))[:3]) if part),
    )


def fill(folder: str, n: int) -> list[dict[str, Any]]:
    """On a stage: sweep both kinds of fullness, over new and over earlier results."""
    home = Path(folder)
    study, whole, other = two_results(home)
    n_bytes = sum(map(len, whole.values()))
    largest = max(map(len, whole.values()))
    tries = []
    for step in range(n):
        share = (step + 1) / (n + 1)
        for has_earlier in (False, True):
            out = home / f"limited{step}{has_earlier}"
            if has_earlier:
                copytree(home / "other", out)
            limit = max(200, round(largest * 1.2 * share))
            tries.append(_judge("file size limit", _limited(study, out, limit), study, out, (whole, other)))
        out = home / f"small{step}"
        out.mkdir()
        if not _mounted(out, round(3 * n_bytes * share)):
            continue
        try:
            ended = forked(partial(call_cli, *fit_arguments(study, out)))
            tries.append(_judge("tmpfs", ended, study, out, (whole, other)))
        finally:
            subprocess.run(["umount", str(out)], check=True)
    return tries


def _limited(study: Path, out: Path, n_bytes: int) -> Ended:
    def run() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
        return call_cli(*fit_arguments(study, out))

    return forked(run)


def _mounted(folder: Path, n_bytes: int) -> bool:
    if sys.platform != "linux":
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={max(8, n_bytes >> 10)}k", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _judge(way: str, ended: Ended, study: Path, out: Path, allowed: tuple[dict[str, bytes], ...]) -> dict[str, Any]:
    whole = allowed[0]
    is_equal, torn = tree(out) == whole, not_as_published(out, allowed)
    is_coded = ended.code == 4 and DISK_FULL in ended.told
    known = ended.code == 0 or is_coded
    if way == "tmpfs":
        with_room = subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=False).returncode == 0
    else:
        with_room = True
    again = forked(partial(call_cli, *fit_arguments(study, out)))
    completed = not with_room or (again.code == 0 and is_completed(out, whole))
    if way != "tmpfs":
        rmtree(out)
    return {
        "way": way,
        "silent": ended.code == 0 and not is_equal,
        "torn": len(torn),
        "coded": is_coded,
        "odd": "" if known else f"exit code {ended.code} on a {way}: {_gist(ended.told)}",
        "completed": completed,
    }


def _gist(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return lines[-1][:120] if lines else "nothing said"


# ------------------------------------------------------------------------------------------------ tampering
def tampered(trial: Trial) -> Figure:
    """Row 6: one bit of one file that a manifest vouches for; then a file lost, and one added."""
    study = small_study(trial.folder / "study")
    out = trial.folder / "out"
    measure(study, out)
    guarded = _guarded(out)
    draws, n, n_named, n_alone = trial.draws("tamper"), trial.count(100, 10), 0, 0
    for _ in range(n):
        name = draws.choice(guarded)
        found = _after_flip(out, name, draws.randrange(8 * (out / name).stat().st_size))
        n_named += name in found
        n_alone += found == {name}
    n_moved = _lost_and_added(out, guarded[len(guarded) // 2])
    return Figure(
        asked=f"{n} bit flips in {len(guarded)} files that manifests vouch for; one file lost, one added",
        found=f"named {n_named}/{n}, nothing else named {n_alone}/{n}, lost and added named {n_moved}/2",
        holds=n_named == n and n_moved == 2,
    )


def _guarded(out: Path) -> list[str]:
    """Return the files that a manifest lists, the manifests of visits and pairs, and the audit log."""
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    manifest = read_study_manifest(out)
    tables = set(manifest.files) if manifest else set()
    return [name for name in names if name.startswith("sub-") or name in tables or name == AUDIT]


def _after_flip(out: Path, name: str, bit: int) -> set[str]:
    """Flip one bit, and return the files that are named; then put it back."""
    path = out / name
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        return {str(finding.path) for finding in verify_outputs(out)[1]}
    except AuditDamaged:
        return {AUDIT}
    finally:
        path.write_bytes(content)


def _lost_and_added(out: Path, name: str) -> int:
    path = out / name
    content = path.read_bytes()
    path.unlink()
    is_missed = name in {str(finding.path) for finding in verify_outputs(out)[1]}
    path.write_bytes(content)
    added = next(out.glob("sub-*/ses-*")) / "added.txt"
    added.write_text("more")
    is_seen = added.relative_to(out).as_posix() in {str(finding.path) for finding in verify_outputs(out)[1]}
    added.unlink()
    return is_missed + is_seen


def audit_tampered(trial: Trial) -> Figure:
    """Row 23: bits of the audit log, of its last line above all; lines taken out; the whole log lost."""
    out = trial.folder / "out"
    measure(small_study(trial.folder / "study"), out)
    path, draws, n = out / AUDIT, trial.draws("audit"), trial.count(100, 10)
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    n_bits, last = 8 * len(content), 8 * (len(content) - len(lines[-1]))
    bits = [draws.randrange(last if number % 2 else 0, n_bits) for number in range(n)]
    n_seen = sum(bool(_after_flip(out, AUDIT, bit)) for bit in bits)
    without = [b"".join([*lines[:at], *lines[at + 1 :]]) for at in range(len(lines))]
    n_missed = sum(_is_noticed(path, left) for left in [*without, b"", None])
    return Figure(
        asked=f"{n} bits of {AUDIT}, half in its last line; each of {len(lines)} lines taken out; all; the file",
        found=f"seen {n_seen}/{n} and {n_missed}/{len(without) + 2}",
        holds=n_seen == n and n_missed == len(without) + 2,
        short="" if n_seen == n else "a bit that changes nothing of what is told (a line's end) is not seen",
    )


def _is_noticed(path: Path, left: bytes | None) -> bool:
    """Tell whether what is left of an audit log is found wanting; then put the log back."""
    content = path.read_bytes()
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    try:
        return bool(verify_outputs(path.parent)[1])
    except AuditDamaged:
        return True
    finally:
        path.write_bytes(content)


def unguarded(trial: Trial) -> Figure:
    """Row 22: a bit of every other file, and many of the study's manifest, which nothing vouches for."""
    study = small_study(trial.folder / "study")
    out = trial.folder / "out"
    measure(study, out)
    draws = trial.draws("unguarded")
    guarded = {*_guarded(out), STUDY_MANIFEST}
    files = (path.relative_to(out).as_posix() for path in sorted(out.rglob("*")) if path.is_file())
    others = [name for name in files if name not in guarded]
    unseen = {name for name in others if not _after_flip(out, name, draws.randrange(8 * (out / name).stat().st_size))}
    n = trial.count(200, 20)
    n_bits = 8 * (out / STUDY_MANIFEST).stat().st_size
    n_seen = sum(bool(_after_flip(out, STUDY_MANIFEST, draws.randrange(n_bits))) for _ in range(n))
    documented = {name for name in unseen if name in UNGUARDED or name.startswith(("logs/", "reports/", "ratings/"))}
    return Figure(
        asked=f"a bit of each of {len(others)} files that no manifest lists; {n} bits of the study's manifest.json",
        found=f"not seen: {', '.join(sorted(unseen)) or 'none'}; of the manifest's bits {n - n_seen}/{n} not seen",
        holds=unseen == documented and n_seen == n,
        short="" if n_seen == n else "a bit of manifest.json that only spells its layout or the version is not seen",
    )
