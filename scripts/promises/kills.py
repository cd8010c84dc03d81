"""Rows 1, 2, 7, 18: runs that are killed, stopped, or started many at once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from shutil import copytree, rmtree
from threading import Lock
from typing import Any

from killed import Run, command

from promises.figure import Figure, Trial
from promises.outputs import is_completed, leftovers, measure, not_as_published, not_completed, two_results
from promises.staging import call_cli, fit_arguments, forked, on_stage

N_CORES = 2
_WRITES = ("open", "fsync", "replace", "rename", "link", "unlink", "rmdir", "mkdir")
_resuming = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What was left of a run that a signal ended, and what a second run made of it."""

    code: int
    n_survivors: int
    n_leftovers: int
    n_torn: int
    why_unequal: str

    @property
    def is_equal(self) -> bool:
        """Tell whether the second run came to the bytes of an undisturbed one."""
        return not self.why_unequal


def killed_at_random(trial: Trial) -> Figure:
    """Row 1: by the command line with children, and, as that takes long to start, mostly in forks; half of the runs are
    the first, half replace earlier results.
    """
    n_commands = trial.count(30, 4)
    n_forks = trial.count(200, 8) - n_commands
    stops = _stops(trial, "kill", [signal.SIGKILL] * n_commands) + _forked_kills(trial, n_forks)
    n = len(stops)
    n_torn, n_equal = sum(stop.n_torn > 0 for stop in stops), sum(stop.is_equal for stop in stops)
    n_alive, n_early = sum(stop.n_survivors > 0 for stop in stops), sum(stop.code == -signal.SIGKILL for stop in stops)
    return Figure(
        asked=f"SIGKILL at {n} random times ({n_commands} of the command with children, {n_forks} of a run in one "
        "process), half of them while earlier results are replaced",
        found=f"torn {n_torn}/{n}, equal {n_equal}/{n}, processes that live on {n_alive}; {n_early} died of it",
        holds=not n_torn and n_equal == n and not n_alive,
        short=_told_whys(stops),
    )


def _told_whys(stops: Sequence[Stop]) -> str:
    return "; ".join(sorted({stop.why_unequal for stop in stops if not stop.is_equal})[:5])


def _forked_kills(trial: Trial, n: int) -> list[Stop]:
    call = partial(on_stage, "promises.kills:kill_forks", folder=str(trial.folder), n=n, n_parts=N_CORES)
    with ThreadPoolExecutor(N_CORES) as pool:
        parts = pool.map(lambda part: call(part=part), range(N_CORES))
    return [Stop(**stop) for part in parts for stop in part]


def kill_forks(folder: str, n: int, part: int, n_parts: int) -> list[dict[str, Any]]:
    """On a stage: kill forked runs at random times, look, and complete them."""
    study, whole, other = two_results(Path(folder))
    started = time.monotonic()
    forked(partial(call_cli, *fit_arguments(study, Path(folder) / f"timed-fork{part}")))
    lasting_s = time.monotonic() - started
    return [
        _kill_fork(study, whole, other, Path(folder) / f"fork{draw}", Random(f"fork{draw}").uniform(0, lasting_s))
        for draw in range(part, n, n_parts)
    ]


def _kill_fork(
    study: Path, whole: dict[str, bytes], other: dict[str, bytes], out: Path, after_s: float
) -> dict[str, Any]:
    has_earlier = Random(out.name).random() < 0.5
    if has_earlier:
        copytree(out.parent / "other", out)
    killed = forked(partial(call_cli, *fit_arguments(study, out)), timeout_s=after_s)
    torn = not_as_published(out, (whole, other))
    again = forked(partial(call_cli, *fit_arguments(study, out)))
    why = f"exit code {again.code}: {again.told[-300:]}" if again.code else "; ".join(not_completed(out, whole))
    rmtree(out, ignore_errors=True)
    code = -signal.SIGKILL if killed.code is None else killed.code
    return {"code": code, "n_survivors": 0, "n_leftovers": 0, "n_torn": len(torn), "why_unequal": why}


def stopped_at_random(trial: Trial) -> Figure:
    """Row 18: Ctrl-C as a terminal sends it, to the whole group, and SIGTERM to the run alone."""
    n = 2 * trial.count(15, 2)
    numbers = [signal.SIGINT, signal.SIGTERM] * (n // 2)
    stops = _stops(trial, "stop", numbers)
    n_left = sum(stop.n_leftovers + stop.n_survivors + stop.n_torn for stop in stops)
    n_equal = sum(stop.is_equal for stop in stops)
    ends = {
        number: Counter(stop.code for stop, sent in zip(stops, numbers, strict=True) if sent == number)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    told = [f"{number.name} {_counts(codes)}" for number, codes in ends.items()]
    is_coded = ends[signal.SIGINT].keys() <= {0, 130} and ends[signal.SIGTERM].keys() <= {0, 143}
    is_heard = n < 20 or all(codes.keys() - {0} for codes in ends.values())
    return Figure(
        asked=f"SIGINT and SIGTERM at {n} random times, with children; 0 is a run that had come to its end",
        found=f"leftovers {n_left}, equal {n_equal}/{n}, exit codes: {', '.join(told)}",
        holds=not n_left and n_equal == n and is_coded and is_heard,
        short=_told_whys(stops) if is_heard else "a signal was never heard",
    )


def _counts(codes: Counter[int]) -> str:
    return ", ".join(f"{code} x {count}" for code, count in sorted(codes.items()))


def _stops(trial: Trial, name: str, numbers: list[signal.Signals]) -> list[Stop]:
    study, whole, other = two_results(trial.folder)
    lasting_s = _lasting_s(study, trial.folder / f"timed-{name}")

    def one(draw: int) -> Stop:
        out = trial.folder / f"{name}{draw}"
        if draw // 2 % 2:
            copytree(trial.folder / "other", out)
        after_s = trial.draws(f"{name}{draw}").uniform(0, lasting_s)
        return _stop(study, (whole, other), out, numbers[draw], after_s)

    with ThreadPoolExecutor(N_CORES) as pool:
        return list(pool.map(one, range(len(numbers))))


def _lasting_s(study: Path, out: Path) -> float:
    """Return how long an undisturbed run holds the lock, s."""
    run = Run(command(study, out, "--jobs", "2"), out)
    run.process.communicate(timeout=300)
    return time.monotonic() - run.started


def _stop(
    study: Path,
    allowed: tuple[dict[str, bytes], ...],
    out: Path,
    number: signal.Signals,
    after_s: float,
) -> Stop:
    run = Run(command(study, out, "--jobs", "2"), out)
    code = run.stop(number, after_s, whole_group=number == signal.SIGINT)
    survivors, left, torn = run.survivors(), leftovers(out), not_as_published(out, allowed)
    with _resuming:
        measure(study, out)
    stop = Stop(
        code=code,
        n_survivors=len(survivors),
        n_leftovers=len(left),
        n_torn=len(torn),
        why_unequal="; ".join(not_completed(out, allowed[0])),
    )
    rmtree(out)
    return stop


# ------------------------------------------------------------------------------------------------ at each write
def ended_at_each_write(trial: Trial) -> Figure:
    """Row 2: the process ends on the spot before a system call that changes the disk: each of a run in turn."""
    two_results(trial.folder)
    arguments = {"folder": str(trial.folder), "share": min(1.0, trial.scale), "n_parts": N_CORES}
    call = partial(on_stage, "promises.kills:end_at_writes", **arguments)
    with ThreadPoolExecutor(N_CORES) as pool:
        parts = list(pool.map(lambda part: call(part=part), range(N_CORES)))
    n_tried, n_calls = sum(part["tried"] for part in parts), parts[0]["calls"]
    n_consistent, n_equal = (sum(part[name] for part in parts) for name in ("consistent", "equal"))
    stuck = sorted({step for part in parts for step in part["stuck"]})
    return Figure(
        asked=f"the process ends before {n_tried} of the {n_calls} system calls of a run that change the disk",
        found=f"{n_consistent}/{n_tried} consistent, {n_equal}/{n_tried} completed to the same bytes by the next run",
        holds=n_consistent == n_equal == n_tried,
        short=f"not so at calls {stuck[:10]}" if stuck else "",
    )


def end_at_writes(folder: str, share: float, part: int, n_parts: int) -> dict[str, Any]:
    """On a stage: end a run before a write, look, and complete it; every other run replaces earlier results."""
    study, whole, other = two_results(Path(folder))
    n_calls = _count_calls(study, Path(folder) / f"counted{part}")
    n = max(4, round(share * n_calls))
    steps = sorted({1 + round(at * (n_calls - 1) / max(1, n - 1)) for at in range(n)})[part::n_parts]
    result: dict[str, Any] = {"calls": n_calls, "tried": len(steps), "consistent": 0, "equal": 0, "stuck": []}
    for step in steps:
        out = Path(folder) / f"step{step}"
        if step // n_parts % 2:
            copytree(Path(folder) / "other", out)
        forked(partial(_run_until, fit_arguments(study, out), step))
        is_consistent = not not_as_published(out, (whole, other))
        again = forked(partial(call_cli, *fit_arguments(study, out)))
        is_equal = again.code == 0 and is_completed(out, whole)
        result["consistent"] += is_consistent
        result["equal"] += is_equal
        result["stuck"] += [] if is_consistent and is_equal else [step]
        rmtree(out, ignore_errors=True)
    return result


def _count_calls(study: Path, out: Path) -> int:
    ended = forked(partial(_run_until, fit_arguments(study, out), None))
    return int(ended.told.rsplit("calls ", 1)[1])


def _run_until(arguments: tuple[str, ...], step: int | None) -> int:
    """Run until the given call that writes, or count them."""
    count = 0

    def ending(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **keywords: Any) -> Any:
            nonlocal count
            is_writing = real.__name__ != "open" or bool(args[1] & os.O_CREAT)
            count += is_writing
            if is_writing and count == step:
                os._exit(9)
            return real(*args, **keywords)

        return call

    for name in _WRITES:
        setattr(os, name, ending(getattr(os, name)))
    code = call_cli(*arguments)
    if step is None:
        os.write(1, f"\ncalls {count}".encode())
    return code


# ------------------------------------------------------------------------------------------------ many starts
def started_together(trial: Trial) -> Figure:
    """Row 7: every other round begins with the lock of a run that has died, which one of the starts must take over."""
    two_results(trial.folder)
    n_rounds, n_starts = trial.count(10, 2), 20
    rounds = on_stage("promises.kills:start_together", folder=str(trial.folder), n_rounds=n_rounds, n_starts=n_starts)
    n_corrupt, n_twice = sum(not one["equal"] for one in rounds), sum(one["twice"] for one in rounds)
    n_lost, n_odd = sum(one["lost"] for one in rounds), sum(one["odd"] for one in rounds)
    n_busy = sum(one["busy"] for one in rounds)
    return Figure(
        asked=f"{n_starts} starts at one instant x {n_rounds}, half of the rounds with a dead run's lock",
        found=f"corrupt {n_corrupt}, done twice {n_twice}, not done {n_lost}, refused as output-busy {n_busy}, "
        f"other ends {n_odd}",
        holds=not (n_corrupt or n_twice or n_lost or n_odd),
    )


def start_together(folder: str, n_rounds: int, n_starts: int) -> list[dict[str, Any]]:
    """On a stage: fork starts that wait for one another."""
    study, whole, _ = two_results(Path(folder))
    return [
        _start_round(study, whole, Path(folder) / f"round{number}", n_starts, is_stale=bool(number % 2))
        for number in range(n_rounds)
    ]


def _start_round(study: Path, whole: dict[str, bytes], out: Path, n_starts: int, *, is_stale: bool) -> dict[str, Any]:
    tries = study / "tries"
    tries.unlink(missing_ok=True)
    if is_stale:
        forked(partial(_die_with_the_lock, out))
    gate, opener = os.pipe()
    with ThreadPoolExecutor(n_starts) as pool:
        starts = [pool.submit(forked, partial(_start_at, gate, opener, study, out)) for _ in range(n_starts)]
        time.sleep(0.5)
        os.close(opener)
        codes = Counter(start.result().code for start in starts)
    os.close(gate)
    done = Counter(tries.read_text().splitlines()) if tries.exists() else Counter()
    return {
        "equal": is_completed(out, whole),
        "twice": sum(count > 1 for count in done.values()),
        "lost": 2 - len(done),
        "busy": codes[4],
        "odd": n_starts - codes[0] - codes[4],
    }


def _die_with_the_lock(out: Path) -> int:
    from t2disc.store import output_lock

    with output_lock(out):
        os._exit(0)


def _start_at(gate: int, opener: int, study: Path, out: Path) -> int:
    import stories

    from t2disc.errors import OutputBusy

    os.close(opener)
    os.read(gate, 1)  # returns when the last writer has closed
    try:
        measure(study, out, analyse=stories.measured)
    except OutputBusy:
        return 4
    return 0
