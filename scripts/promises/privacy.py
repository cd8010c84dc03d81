"""Row 15: a canary of its own in every text element there is; then every output is searched for all of them."""

from __future__ import annotations

import base64
import gzip
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileDataset
from slices import series, write
from studies import label_map

from promises.figure import Figure, Trial
from promises.staging import environment
from t2disc.ingest.facts import DATES

TEXT = frozenset({"LO", "SH", "ST", "LT", "UT", "PN", "UC", "AE", "UR"})
ALLOWED = frozenset({"ManufacturerModelName", "SoftwareVersions", "ReceiveCoilName"})
"""Text elements whose words the allow-list (t2disc.model.Acquisition) has; Manufacturer is told by vendor alone."""
CANARY = re.compile(rb"CNRY([0-9A-Z]{8})", re.IGNORECASE)
ROOT_UID = "1.2.826.0.1.951"
OTHERS = (b"19510203", b"1951-02-03", b"040506.0708", b"04:05:06", ROOT_UID.encode())  # of all dates, times and UIDs
_DATES = {"DA": "19510203", "DT": "19510203040506.070809", "TM": "040506.070809"}
_READ = frozenset({*DATES, "AcquisitionTime", "SOPClassUID"})  # dates on the allow-list, and what an image is
_DATA_URI = re.compile(rb"data:[\w/+.-]*;base64,([A-Za-z0-9+/=]+)")
_UNTOUCHED = frozenset({"Manufacturer"})


def identifiers(trial: Trial) -> Figure:
    """Row 15."""
    planted = _plant(trial.folder)
    out, reading = trial.folder / "out", trial.folder / "reading"
    key = trial.folder / "key.tsv"
    labels = ("--labels", str(trial.folder / "labels"))
    study, heap = trial.folder / "study", trial.folder / "heap"
    commands = [
        ("check", str(study), *labels),
        ("fit", str(study), "-o", str(out), "--figures", "--dry-run", *labels),
        ("fit", str(study), "-o", str(out), "--figures", "--jobs", "2", *labels),
        ("fit", str(study), "-o", str(out), "--figures", "--json", *labels),
        *((name, str(out), "--json") for name in ("status", "verify")),
        *(("explain", str(out), f"sub-{name}/ses-baseline") for name in ("P1", "P2")),
        ("report", str(out), "--study", str(study)),
        ("blind", str(out), str(reading), "--key", str(key)),
        ("index", str(out)),
        ("check", str(heap)),
        ("fit", str(heap), "-o", str(trial.folder / "heapout"), "--figures"),
    ]
    printed = b""
    for command in commands:
        ended = subprocess.run(
            [sys.executable, "-m", "t2disc", *command], env=environment(), capture_output=True, check=False
        )
        if ended.returncode not in (0, 3):
            raise RuntimeError(f"{command[0]} ended with {ended.returncode}: {ended.stderr.decode()[-500:]}")
        printed += ended.stdout + ended.stderr
    places = (out, reading, key, trial.folder / "heapout")
    texts = [("the screen", printed), *_texts(places)]
    leaks = {place: found for place, text in texts if (found := leaked(text))}
    names = sorted({name for found in leaks.values() for name in found})
    seen = sorted({tag for _, text in texts for tag in allowed_in(text)})
    return Figure(
        asked=f"{planted} canaries: every text element of the dictionary, nested and private, names "
        f"of folders and files; all UIDs, dates and times but those on the allow-list; {len(commands)} commands",
        found=f"leaked {len(names)}/{planted} in {len(texts)} texts (files, pictures' chunks, embedded data, screen); "
        f"allow-listed and there: {', '.join(seen) or 'none'}",
        holds=not names and _can_fail() and bool(seen),
        short=", ".join(
            f"{name} in {Path(place).suffix or place}" for place, f in list(leaks.items())[:4] for name in f
        ),
    )


# ------------------------------------------------------------------------------------------------ planting
def _plant(folder: Path) -> int:
    """Write two visits, of which one is refused, and a heap; return how many canaries there are."""
    slices = [_with_canaries(ds) for ds in series(4)]
    home = folder / "study" / "P1" / "baseline" / _canary("FOLDER01")
    write(home / _canary("FOLDER02"), slices, name=f"{_canary('FILE0001')}.{{:03d}}".format)
    (home / f"{_canary('FILE0002')}.txt").write_text(_canary("TEXT0001"))
    later = [_with_canaries(ds) for ds in series(4, AcquisitionDate="20250102", StudyDate="20250102")]
    write(folder / "study" / "P1" / "month12" / "scan", later)
    write(folder / "study" / "P2" / "baseline" / _canary("FOLDER03"), [_with_canaries(ds) for ds in series(4)][:-1])
    for visit in ("baseline", "month12"):
        label_map(folder / "labels", f"sub-P1_ses-{visit}")
    write(folder / "heap", slices, name=f"{_canary('FILE0003')}.{{:03d}}".format)
    return sum(1 for _ in _elements()) * 2 + 12


def _canary(tag: str) -> str:
    return f"CNRY{tag}"


def _elements(vrs: frozenset[str] = TEXT) -> Iterator[tuple[int, str, str]]:
    """Yield tag, VR and keyword of every element of the dictionary that holds words."""
    for tag, (vr, _, _, is_retired, keyword) in DicomDictionary.items():
        is_header = tag >> 16 >= 8 and tag >> 16 not in (0x7FE0, 0xFFFE, 0xFFFA) and keyword not in _UNTOUCHED
        if vr in vrs and is_header and keyword and not is_retired:
            yield tag, vr, keyword


def _with_canaries(ds: FileDataset) -> FileDataset:
    texts, nested = Dataset(), Dataset()
    for tag, vr, _ in _elements():
        texts.add_new(tag, vr, _canary(f"{tag:08X}"))
        nested.add_new(tag, vr, _canary(f"N{tag:08X}"[:1] + f"{tag:08X}"[1:]))
    for tag, vr, keyword in _elements(frozenset({*_DATES, "UI"})):
        if keyword not in _READ:
            texts.add_new(tag, vr, _DATES.get(vr, f"{ROOT_UID}.{tag}"))
    texts.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ROOT_UID}.{ds.EchoNumbers}.{ds.InstanceNumber}"
    for element in texts:
        ds[element.tag] = element
    ds.ProcedureCodeSequence = [nested]
    block = ds.private_block(0x0029, _canary("PRIVATE1"), create=True)
    block.add_new(1, "LO", _canary("PRIVATE2"))
    block.add_new(2, "OB", _canary("PRIVATE3").encode())
    return ds


# ------------------------------------------------------------------------------------------------ searching
def leaked(text: bytes) -> set[str]:
    """Return what of the canaries is in a text and not on the allow-list."""
    found = {match.decode().upper() for match in CANARY.findall(text)} - _allowed_tags()
    return found | {other.decode() for other in OTHERS if other in text}


def allowed_in(text: bytes) -> set[str]:
    """Return the names of the allow-listed elements whose canaries are in a text."""
    names = {f"{tag:08X}": keyword for tag, _, keyword in _elements() if keyword in ALLOWED}
    return {names[tag] for match in CANARY.findall(text) if (tag := match.decode().upper()) in names}


def _allowed_tags() -> set[str]:
    return {f"{tag:08X}" for tag, _, keyword in _elements() if keyword in ALLOWED}


def _texts(places: tuple[Path, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file, unpacked, and of what is embedded in it."""
    for place in places:
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        for path in files:
            name = path.name
            yield name, str(path.relative_to(place.parent)).encode()
            for content in unpacked(path.read_bytes()):
                yield name, content


def unpacked(content: bytes) -> Iterator[bytes]:
    """Yield a content as it is, and what is packed in it: gzip, chunks of PNG, data in pages."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(content))
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _chunks(content)
    for match in _DATA_URI.finditer(content):
        yield from unpacked(base64.b64decode(match.group(1)))


def _chunks(content: bytes) -> Iterator[bytes]:
    at = 8
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">L", content, at)
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if kind in (b"zTXt", b"iTXt", b"iCCP"):
            for start in range(len(body)):
                try:
                    yield zlib.decompress(body[start:])
                    break
                except zlib.error:
                    continue
        at += length + 12


def _can_fail() -> bool:
    """Tell whether the search finds a canary in a gzip stream, in a packed chunk of a PNG, and in a page's data."""
    secret = _canary("00100010").encode()
    packed = b"Comment\0\0" + zlib.compress(secret)
    chunk = struct.pack(">L", len(packed)) + b"zTXt" + packed + bytes(4)
    picture = b"\x89PNG\r\n\x1a\n" + chunk
    page = b'<img src="data:image/png;base64,' + base64.b64encode(picture) + b'">'
    return all(any(leaked(text) for text in unpacked(content)) for content in (gzip.compress(secret), picture, page))
