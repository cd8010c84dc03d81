"""Rows 9 to 14: files that are cut, mutated, flipped, blown up, wrong, or no files at all."""

from __future__ import annotations

import gzip
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from slices import fake_slice, series, write
from studies import label_map

from promises.figure import Figure, Trial
from promises.staging import ROOT, call_cli, environment, forked, on_stage
from t2disc import T2DiscError, load_labels, load_stack

MIB = 1 << 20
KEY_NAME = ".t2disc_pseudonym.key"
LIMIT_S = 20.0  # one mutant that takes longer hangs
COMPRESSED = {"rle": "1.2.840.10008.1.2.5", "jpeg 2000": "1.2.840.10008.1.2.4.90", "jpeg-ls": "1.2.840.10008.1.2.4.80"}
_PIXELS = b"\xe0\x7f\x10\x00O"  # tag of PixelData and the first letter of its VR


# ------------------------------------------------------------------------------------------------ one series a kind
def kinds(folder: Path) -> dict[str, Path]:
    """Write one small series of each way in which DICOM is written, with one slice, or enhanced."""
    folders = {"explicit": write(folder / "explicit", series(1))}
    others = {
        "implicit": ImplicitVRLittleEndian,
        "big endian": ExplicitVRBigEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
    }
    for name, syntax in others.items():
        folders[name] = write(folder / name, series(1, TransferSyntaxUID=syntax))
    for name, syntax in COMPRESSED.items():
        slices = series(1)
        for ds in slices:
            ds.compress(syntax, generate_instance_uid=False)
        folders[name] = write(folder / name, slices)
    return folders | {"enhanced": _enhanced(folder / "enhanced")}


def _enhanced(folder: Path) -> Path:
    from t2disc.simulate import default_study, simulate_study

    files = [
        file
        for file in simulate_study(default_study(1, ("philips_enhanced",), size="tiny"))
        if file.path.parts[:2] == ("P001", "baseline")
    ]
    largest = max(files, key=lambda file: len(file.content))
    return write(folder, [dcmread(BytesIO(largest.content))])


# ------------------------------------------------------------------------------------------------ cuts
def cut(trial: Trial) -> Figure:
    """Row 9: one file of a series cut, for every way of writing."""
    n, codes, n_whole, n_wrong, n_uncoded, tried = trial.count(100, 5), Counter[str](), 0, 0, 0, 0
    for name, folder in kinds(trial.folder).items():
        whole = load_stack(folder).signal.tobytes()
        victim = sorted(folder.iterdir())[0]
        content = victim.read_bytes()
        for at in np.unique(np.linspace(0, len(content) - 1, n).astype(int)):
            victim.write_bytes(content[:at])
            tried += 1
            try:
                is_whole = load_stack(folder).signal.tobytes() == whole
                n_whole += is_whole
                n_wrong += not is_whole
            except T2DiscError as error:
                codes[error.code] += 1
            except Exception as error:
                n_uncoded += 1
                codes[f"{name}: {type(error).__name__}"] += 1
        victim.write_bytes(content)
    return Figure(
        asked=f"{n} cuts of one file in each of {len(kinds(trial.folder / 'again'))} ways of writing DICOM ({tried})",
        found=f"silently wrong {n_wrong}, whole {n_whole}, uncoded {n_uncoded}; {_counted(codes)}",
        holds=not n_wrong and not n_uncoded,
    )


def _counted(codes: Counter[str]) -> str:
    return ", ".join(f"{code} {count}" for code, count in codes.most_common())


# ------------------------------------------------------------------------------------------------ mutants
def mutated(trial: Trial) -> Figure:
    """Row 10: children read mutants one after the other, and their parent watches that each comes to an end."""
    names = list(kinds(trial.folder / "kinds"))
    n = -(-trial.count(10_000, 80) // len(names))
    totals: Counter[str] = Counter()
    uncoded: list[str] = []
    slowest = 0.0
    for name in names:
        told, seconds = _watch(trial.folder / "kinds" / name, name, n)
        totals.update(_kind_of(line) for line in told)
        uncoded += [f"{name} {line}" for line in told if _kind_of(line) in ("uncoded", "crash", "hang")]
        slowest = max(slowest, seconds)
    n_all = sum(totals.values())
    return Figure(
        asked=f"{n_all} mutants of one file of {', '.join(names)} series, in children of 2 GiB at most",
        found=f"crashed {totals['crash']}, hung {totals['hang']}, uncoded {totals['uncoded']}; refused "
        f"{totals['refused']}, read {totals['read']}; slowest {slowest:.1f} s",
        holds=not (totals["crash"] or totals["hang"] or totals["uncoded"]) and n_all >= n,
        short="; ".join(uncoded[:5]),
    )


def _kind_of(line: str) -> str:
    return line.split()[1]


def _watch(folder: Path, name: str, n: int) -> tuple[list[str], float]:
    """Have children read mutants ``0..n-1``; return a line of each, and the longest time one took."""
    told: list[str] = []
    slowest = 0.0
    while len(told) < n:
        command = [sys.executable, "-m", "promises.inputs", str(folder), name, str(len(told)), str(n)]
        with tempfile.TemporaryFile() as quiet:
            options = {"env": environment(), "stdout": subprocess.PIPE, "stderr": quiet, "cwd": ROOT}
            with subprocess.Popen(command, **options) as child:
                slowest = max(slowest, _follow(child, told, n))
        if len(told) >= n or child.returncode == 0:
            break
    return told, slowest


def _follow(child: subprocess.Popen[bytes], told: list[str], n: int) -> float:
    """Take down what a child tells; when it crashes or hangs, note that for the mutant it was at."""
    slowest, rest, last = 0.0, b"", None
    assert child.stdout is not None
    while True:
        limit_s = LIMIT_S if last is not None else 60.0  # its imports
        ready, _, _ = select.select([child.stdout], [], [], limit_s)
        chunk = os.read(child.stdout.fileno(), 1 << 16) if ready else b""
        if not ready:
            child.kill()
        if not chunk:
            break
        now = time.monotonic()
        *lines, rest = (rest + chunk).split(b"\n")
        told += [line.decode() for line in lines if not line.startswith(b"ready")]
        slowest, last = max(slowest, now - last if last is not None else 0.0), now
    code = child.wait()
    if len(told) < n:
        told.append(f"{len(told)} hang" if not ready else f"{len(told)} crash {code}")
    return slowest


def read_mutants(folder: Path, name: str, first: int, n: int) -> None:
    """In a child: read one mutant after the other and print what came of it."""
    resource.setrlimit(resource.RLIMIT_DATA, (2048 * MIB, 2048 * MIB))
    victim = sorted(folder.iterdir())[0]
    content = victim.read_bytes()
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for path in sorted(folder.iterdir())[1:]:
            (copy / path.name).write_bytes(path.read_bytes())
        print("ready", flush=True)
        for number in range(first, n):
            (copy / victim.name).write_bytes(mutant(content, f"{name}{number}"))
            print(number, _outcome(copy), flush=True)


def _outcome(folder: Path) -> str:
    try:
        load_stack(folder)
    except T2DiscError as error:
        return f"refused {error.code}" if error.code else "uncoded T2DiscError"
    except BaseException as error:
        return f"uncoded {type(error).__name__}"
    return "read"


def mutant(content: bytes, seed: str) -> bytes:
    """Return a damaged copy: bytes, bits, lengths, pieces lost, doubled or from elsewhere; mostly in the header."""
    draws = np.random.default_rng(list(seed.encode()))
    damaged = bytearray(content)
    end = content.find(_PIXELS) if draws.random() < 0.7 else len(content)
    end = max(end, 200) + 16 if end > 0 else len(content)
    for _ in range(int(draws.integers(1, 6))):
        _DAMAGES[draws.integers(len(_DAMAGES))](damaged, int(draws.integers(128, min(end, len(damaged)))), draws)
        if len(damaged) < 300:
            break
    return bytes(damaged)


def _bytes(content: bytearray, at: int, draws: np.random.Generator) -> None:
    content[at : at + int(draws.integers(1, 9))] = draws.bytes(int(draws.integers(1, 9)))


def _bit(content: bytearray, at: int, draws: np.random.Generator) -> None:
    content[at] ^= 1 << int(draws.integers(8))


def _number(content: bytearray, at: int, draws: np.random.Generator) -> None:
    values = (0, 1, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
    value, size = int(draws.choice(values)), int(draws.choice((2, 4)))
    content[at : at + size] = (value & (256**size - 1)).to_bytes(size, "little")


def _lost(content: bytearray, at: int, draws: np.random.Generator) -> None:
    del content[at : at + int(draws.integers(1, 200))]


def _doubled(content: bytearray, at: int, draws: np.random.Generator) -> None:
    content[at:at] = content[at : at + int(draws.integers(1, 200))]


def _moved(content: bytearray, at: int, draws: np.random.Generator) -> None:
    start, length = int(draws.integers(0, len(content))), int(draws.integers(1, 64))
    content[at : at + length] = content[start : start + length]


def _text(content: bytearray, at: int, draws: np.random.Generator) -> None:
    texts = (b"nan", b"inf", b"1e400", b"-0", b"\\\\\\", b"\xff\xfe", b"\0\0\0\0", b"9" * 16, b"\x1b$B")
    text = texts[int(draws.integers(len(texts)))]
    content[at : at + len(text)] = text


_DAMAGES: tuple[Callable[[bytearray, int, np.random.Generator], None], ...] = (
    *(_bytes, _bit, _number, _number),
    *(_lost, _doubled, _moved, _text),
)


# ------------------------------------------------------------------------------------------------ NIfTI
def flipped(trial: Trial) -> Figure:
    """Row 11: noise in echoes and a label map, for noise does not compress and every byte counts."""
    n = trial.count(400, 20)
    label_map(trial.folder / "labels", "sub-1_ses-a")
    labels = trial.folder / "labels" / "sub-1_ses-a_dseg.nii.gz"
    echo = _echoes(trial.folder / "echoes")
    of_echo = _flip(echo, n // 2, lambda: load_stack(echo.parent).signal.tobytes())
    of_labels = _flip(labels, n - n // 2, lambda: load_labels(labels).values.tobytes())
    both = of_echo + of_labels
    return Figure(
        asked=f"one bit of a .nii.gz, {n} times: an echo, and a label map",
        found=f"silent {both['silent']}, refused {both['refused']}, harmless (same values) {both['harmless']}, "
        f"uncoded {both['uncoded']}",
        holds=not both["silent"] and not both["uncoded"],
    )


def _echoes(folder: Path) -> Path:
    noise = np.random.default_rng(0)
    affine = np.array([[0, 0, 4.0, -8], [-0.5, 0, 0, 20], [0, 0.5, 0, -30], [0, 0, 0, 1]])
    folder.mkdir(parents=True)
    for n, seconds in enumerate((0.01, 0.02, 0.04), start=1):
        path = folder / f"sub-1_ses-a_echo-{n}_MESE.nii.gz"
        nib.Nifti1Image(noise.normal(100, 10, (16, 14, 5)).astype(np.float32), affine).to_filename(path)
        sidecar = {"EchoTime": seconds, "ScanningSequence": "SE"}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    return folder / "sub-1_ses-a_echo-2_MESE.nii.gz"


def _flip(path: Path, n: int, read: Callable[[], bytes]) -> Counter[str]:
    content, whole, found = path.read_bytes(), read(), Counter[str]()
    for at in np.random.default_rng(1).integers(0, 8 * len(content), n):
        damaged = bytearray(content)
        damaged[at // 8] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        try:
            found["harmless" if read() == whole else "silent"] += 1
        except T2DiscError:
            found["refused"] += 1
        except Exception:
            found["uncoded"] += 1
    path.write_bytes(content)
    return found


# ------------------------------------------------------------------------------------------------ bombs
def bombs(trial: Trial) -> Figure:
    """Row 12: each in a fork of its own whose address space may grow by 1 GiB."""
    results = on_stage("promises.inputs:blow_up", folder=str(trial.folder), n_mib=16 * trial.count(64, 8))
    wrong = [f"{one['name']}: {one['outcome']}" for one in results if not one["outcome"].startswith("refused")]
    peak, slowest = max(one["mib"] for one in results), max(one["seconds"] for one in results)
    return Figure(
        asked=f"{len(results)} files ({', '.join(one['name'] for one in results)}), address space limited",
        found=f"refused with a code {len(results) - len(wrong)}/{len(results)}, at most {peak:.0f} MiB more than at "
        f"the start, at most {slowest:.2f} s; {', '.join(sorted({one['outcome'].split()[-1] for one in results}))}",
        holds=not wrong and peak < 300 and slowest < 10,
        short="; ".join(wrong),
    )


def blow_up(folder: str, n_mib: int) -> list[dict[str, Any]]:
    """On a stage: read each bomb in a fork."""
    return [_read_bomb(name, path) for name, path in _bombs(Path(folder), n_mib)]


def _read_bomb(name: str, path: Path) -> dict[str, Any]:
    def read() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 1024 * MIB, size + 1024 * MIB))
        started = time.perf_counter()
        outcome = _outcome(path)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        told = {"outcome": outcome, "mib": grown, "seconds": time.perf_counter() - started}
        os.write(1, f"\n{json.dumps(told)}".encode())
        return 0

    ended = forked(read, timeout_s=60)
    if ended.code != 0:
        return {"name": name, "outcome": f"ended with {ended.code}", "mib": 0.0, "seconds": 60.0}
    return {"name": name} | json.loads(ended.told.splitlines()[-1])


def _bombs(folder: Path, n_mib: int) -> Iterator[tuple[str, Path]]:
    yield f"deflate {n_mib} MiB", _deflate_bomb(folder / "deflate", n_mib)
    yield f"gzip {n_mib} MiB", _gzip_bomb(folder / "gzip", n_mib)
    yield "gzip header 1 TiB", _nifti_header_bomb(folder / "nifti")
    yield "65535 x 65535", write(folder / "rows", series(Rows=65535, Columns=65535))
    yield "element of 4 GiB", _edited(folder / "length", _four_gigabytes)
    yield "2 billion frames", write(folder / "frames", [fake_slice(0, 10.0, NumberOfFrames=2**31 - 1), *series()[1:]])
    for name, mark, at in (("jpeg 2000", b"\xff\x4f\xff\x51", 8), ("jpeg-ls", b"\xff\xf7", 5)):
        yield f"{name} of 28672 lines", _codestream_bomb(folder / name, COMPRESSED[name], mark, at)
    yield "rle 256 MiB", _rle_bomb(folder / "rle")
    yield "sequences 5000 deep", _deep(folder / "deep")


def _deflate_bomb(folder: Path, n_mib: int) -> Path:
    def blown(content: bytes) -> bytes:
        start = 144 + struct.unpack_from("<L", content, 140)[0]
        packer = zlib.compressobj(9, wbits=-15)
        body = packer.compress(zlib.decompress(content[start:], -15))
        body += b"".join(packer.compress(bytes(MIB)) for _ in range(n_mib)) + packer.flush()
        return content[:start] + body

    return _edited(folder, blown, TransferSyntaxUID=DeflatedExplicitVRLittleEndian)


def _edited(folder: Path, change: Callable[[bytes], bytes], **changes: Any) -> Path:
    write(folder, series(**changes))
    victim = folder / "im0000"
    victim.write_bytes(change(victim.read_bytes()))
    return folder


def _four_gigabytes(content: bytes) -> bytes:
    at = content.index(b"\xe0\x7f\x10\x00OW") + 8
    return content[:at] + struct.pack("<L", 0xFFFFFFFE) + content[at + 4 : at + 1004]


def _gzip_bomb(folder: Path, n_mib: int) -> Path:
    echo = _echoes(folder)
    packer = zlib.compressobj(9, wbits=31)
    body = packer.compress(gzip.decompress(echo.read_bytes()))
    echo.write_bytes(body + b"".join(packer.compress(bytes(MIB)) for _ in range(n_mib)) + packer.flush())
    return folder


def _nifti_header_bomb(folder: Path) -> Path:
    echo = _echoes(folder)
    content = bytearray(gzip.decompress(echo.read_bytes()))
    content[40:56] = struct.pack("<8h", 3, 32767, 32767, 256, 1, 1, 1, 1)
    echo.write_bytes(gzip.compress(bytes(content)))
    return folder


def _codestream_bomb(folder: Path, syntax: str, mark: bytes, at: int) -> Path:
    slices = series(1)
    for ds in slices:
        ds.compress(syntax, generate_instance_uid=False)
    write(folder, slices)
    victim = folder / "im0001"
    content = bytearray(victim.read_bytes())
    start = content.index(mark) + at
    content[start : start + 2] = b"\x70\x00"
    victim.write_bytes(content)
    return folder


def _rle_bomb(folder: Path) -> Path:
    slices = series(1)
    for ds in slices:
        ds.compress(COMPRESSED["rle"], generate_instance_uid=False)
    write(folder, slices)
    victim = folder / "im0001"
    content = victim.read_bytes()
    at = content.index(_PIXELS) + 12 + 8 + 4  # length of the one fragment, behind an empty offset table
    body = content[at + 4 : at + 4 + 64] + b"\x81\x00" * (2 * MIB)  # each pair stands for 128 bytes
    victim.write_bytes(content[:at] + struct.pack("<L", len(body)) + body + content[-8:])
    return folder


def _deep(folder: Path) -> Path:
    """Put sequences in sequences in a private element, each of unknown length."""
    opened = struct.pack("<HH2sHL", 0x0009, 0x1001, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closed = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)

    def nested(content: bytes) -> bytes:
        at = content.index(b"\x10\x00\x10\x00PN")  # PatientName
        return content[:at] + opened * 5000 + closed * 5000 + content[at:]

    return _edited(folder, nested)


# ------------------------------------------------------------------------------------------------ wrong series
def wrong(trial: Trial) -> Figure:
    """Row 13: every fault of the fake-slice factory has its code; extra images beside a sound series change nothing."""
    from test_ingest_faults import CODES

    missed = [
        fault.__name__ for n, fault in enumerate(CODES) if _code_of(trial.folder / f"{n}", fault()) != CODES[fault]
    ]
    whole = load_stack(write(trial.folder / "sound", series())).signal.tobytes()
    beside = {
        "phase": series(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"], SeriesInstanceUID="1.2.9", SeriesNumber=9),
        "a scanner's map": [
            fake_slice(
                z, 10.0, ImageType=["DERIVED", "PRIMARY", "T2 MAP", "ND"], SeriesInstanceUID="1.2.9", SeriesNumber=9
            )
            for z in range(3)
        ],
        "a localiser": series(1, [5.0], SeriesInstanceUID="1.2.9", SeriesNumber=1),
    }
    for name, images in beside.items():
        folder = write(trial.folder / name, series())
        write(folder / "more", images)
        missed += [] if load_stack(folder).signal.tobytes() == whole else [name]
    n = len(CODES) + len(beside)
    return Figure(
        asked=f"{len(CODES)} faults, each with its own code of {len(set(CODES.values()))}; {', '.join(beside)} beside "
        "a sound series",
        found=f"covered {n - len(missed)}/{n}",
        holds=not missed,
        short=", ".join(missed),
    )


def _code_of(folder: Path, slices: Sequence[FileDataset]) -> str:
    try:
        load_stack(write(folder, slices))
    except T2DiscError as error:
        return error.code
    except Exception as error:
        return type(error).__name__
    return "read"


# ------------------------------------------------------------------------------------------------ hostile trees
PATHS = ("../../../../escaped", "/escaped", "..\\..\\escaped", "a/../../../escaped", "\x00escaped", "~/escaped")


def hostile(trial: Trial) -> Figure:
    """Row 14: an audit hook of the interpreter notes every file that is opened, made, renamed or removed."""
    told = on_stage("promises.inputs:explore", folder=str(trial.folder))
    wrong = [f"{one['layout']}: {problem}" for one in told for problem in one["problems"]]
    return Figure(
        asked=f"{len(PATHS)} paths in header values, participants.tsv and sidecars; loops, FIFOs, devices, sockets, "
        f"DICOMDIR; as folders, heap and BIDS ({', '.join(one['layout'] for one in told)})",
        found=f"writes outside {sum(one['outside'] for one in told)}, what is no regular file opened "
        f"{sum(one['irregular'] for one in told)}, exit codes {', '.join(str(one['code']) for one in told)}; "
        f"{sum(one['writes'] for one in told)} writes looked at",
        holds=not wrong and all(one["writes"] > 20 for one in told),
        short="; ".join(wrong[:4]),
    )


def explore(folder: str) -> list[dict[str, Any]]:
    """On a stage: fit each layout in a fork with an audit hook."""
    home = Path(folder)
    layouts = {"folders": _hostile_folders, "heap": _hostile_heap, "bids": _hostile_bids}
    return [_explored(name, build(home / name / "study"), home / name) for name, build in layouts.items()]


def _explored(layout: str, study: Path, home: Path) -> dict[str, Any]:
    out, notes = home / "out", home / "notes"
    allowed = (str(out), str(notes), os.devnull)

    def fit() -> int:
        seen: list[tuple[str, str]] = []
        sys.addaudithook(lambda event, arguments: _note(event, arguments, seen))
        arguments = ["fit", str(study), "-o", str(out), "--jobs", "0", "--figures"]
        labels = ["--labels", str(study / "labels")] if (study / "labels").is_dir() else []
        code = call_cli(*arguments, *labels)
        notes.write_text(json.dumps(seen))
        return code

    ended = forked(fit, timeout_s=120)
    seen = json.loads(notes.read_text()) if notes.exists() else []
    writes = [path for kind, path in seen if kind == "write"]
    outside = sorted({path for path in writes if not _is_below(path, allowed) and not _is_key(path, study)})
    irregular = sorted({path for kind, path in seen if kind == "irregular" and Path(path).is_relative_to(study)})
    escaped = [path.name for path in home.parent.rglob("*escaped*") if not path.is_relative_to(study)]
    known = {0, 3}
    problems = [f"wrote {Path(path).name}" for path in outside] + [f"opened {Path(path).name}" for path in irregular]
    problems += escaped + ([] if ended.code in known else [f"exit code {ended.code}: {ended.told[-200:]}"])
    return {
        "layout": layout,
        "code": ended.code,
        "outside": len(outside) + len(escaped),
        "irregular": len(irregular),
        "writes": len(writes),
        "problems": problems,
    }


def _is_below(path: str, allowed: tuple[str, ...]) -> bool:
    own = path.startswith(
        (tempfile.gettempdir() + "/matplotlib", str(Path.home() / ".cache"), str(Path.home() / ".config"))
    )
    return own or any(path == place or path.startswith(f"{place}/") for place in allowed)


def _is_key(path: str, study: Path) -> bool:
    """Tell whether this is the key of a heap's pseudonyms, which lies beside the data that it protects (decision 6)."""
    return Path(path).parent == study and KEY_NAME in Path(path).name


def _note(event: str, arguments: tuple[Any, ...], seen: list[tuple[str, str]]) -> None:
    """Note which files are written, and which opened ones are no regular files."""
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path, flags = os.path.abspath(os.fsdecode(arguments[0])), arguments[2] or 0  # noqa: PTH100
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(("write", path))
        elif not _is_plain(path):
            seen.append(("irregular", path))
    elif event == "os.mkdir" and Path(os.fsdecode(arguments[0])).is_dir():
        return  # it is there already
    elif event in (
        "os.mkdir",
        "os.rename",
        "os.remove",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
    ):
        seen += [("write", os.path.abspath(os.fsdecode(path))) for path in _targets(event, arguments)]  # noqa: PTH100


def _targets(event: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if event in ("os.remove", "os.rmdir") and isinstance(arguments[-1], int) and arguments[-1] >= 0:
        return ()  # below an open folder, which was noted when it was made
    names = (
        arguments[:2]
        if event == "os.rename"
        else arguments[1:2]
        if event in ("os.link", "os.symlink")
        else arguments[:1]
    )
    return tuple(name for name in names if isinstance(name, (str, bytes, os.PathLike)))


def _is_plain(path: str) -> bool:
    place = Path(path)
    return not place.exists() or place.is_file() or place.is_dir()


def _with_paths(**more: Any) -> list[FileDataset]:
    texts = ("PatientName", "StudyDescription", "SeriesDescription", "ProtocolName", "StationName", "StudyID")
    named = dict(zip(texts, (path.replace("\\", "/") for path in PATHS), strict=True))
    return series(4, **named, **more)


def _traps(folder: Path, up: Path, *, with_loop: bool = True) -> None:
    if with_loop:
        (folder / "loop").symlink_to(up, target_is_directory=True)
    (folder / "self").symlink_to(folder / "self")
    (folder / "gone").symlink_to(folder / "nowhere")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "secret").symlink_to("/etc/passwd")
    os.mkfifo(folder / "fifo")
    try:
        os.mknod(folder / "random", 0o600 | 0o020000, os.makedev(1, 8))
    except OSError:
        (folder / "random").symlink_to("/dev/random")
    (folder / "DICOMDIR").write_bytes(b"../../../../etc/passwd")


def _hostile_folders(study: Path) -> Path:
    write(study / "P1" / "a" / "scan", _with_paths(PatientID="../../escaped"))
    _traps(study / "P1" / "a", study)
    label_map(study / "labels", "sub-P1_ses-a")
    rows = f"{PATHS[0]}\tL4/L5\n"
    (study / "participants.tsv").write_text(f"participant_id\tindex_level\nP1\tL4/L5\n{rows}")
    return study


def _hostile_heap(study: Path) -> Path:
    write(study, _with_paths(PatientID="../../escaped", AccessionNumber="../escaped"))
    _traps(study, study.parent, with_loop=False)  # a folder beside the images of a heap is refused
    return study


def _hostile_bids(study: Path) -> Path:
    echo = _echoes(study / "sub-1" / "ses-a" / "anat")
    for path in echo.parent.glob("*.json"):
        told = json.loads(path.read_text()) | {"SeriesDescription": PATHS[0], "Manufacturer": PATHS[1]}
        path.write_text(json.dumps(told))
    (study / "dataset_description.json").write_text(json.dumps({"Name": PATHS[0], "BIDSVersion": "1.9.0"}))
    _traps(echo.parent, study)
    return study


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    read_mutants(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
