"""Write sample_data/: a small simulated study of two participants, two visits and two vendors.

Run from anywhere: ``python scripts/make_sample_data.py``. The bytes depend on the recipe alone, so that a second run
changes nothing. The recipe is that of ``default_study`` at size small, with lossless compression per vendor.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from t2disc.simulate import SimulatedFile, StudyRecipe, default_study, simulate_study

HOME = Path(__file__).resolve().parents[1] / "sample_data"
SEED = 20240305
SNR = 90.0  # less noise, fewer bytes
COMPRESSION = {"siemens": "jpegls", "philips_enhanced": "jpeg2000"}
LIMIT_BYTES = 4_000_000

README = """# Sample data: simulated, no patient

Two participants, two visits a year apart, two vendors' DICOM: `P001` as a Siemens scanner writes it (classic, JPEG-LS
lossless), `P002` as a Philips scanner writes it (enhanced multi-frame, JPEG 2000 lossless). Every image was computed
by `t2disc.simulate`; names, dates and identifiers are made up. Noise is Rician; decay is mono-exponential.

* `P001/baseline/` ... `P002/month12/`: DICOM files with meaningless names, localiser, phase, scanner T2 map among them.
* `participants.tsv`: the treated (index) level of each participant.
* `labels/`: disc label maps (NIfTI with a BIDS `_dseg.tsv`), voxel for voxel on the multi-echo series.
* `truth.json`: T2 of nucleus and annulus of every disc, pose and sequence of every visit. Between the visits the
  nucleus of the index disc rises by 15 %, all others stay, and the spine bends and moves.

Made by `scripts/make_sample_data.py`, which writes the same bytes again. Licence: as t2disc (Apache-2.0).
"""


def sample_recipe() -> StudyRecipe:
    """Return the study with its compression and only the first echo's phase."""
    study = default_study(2, tuple(COMPRESSION), seed=SEED, snr=SNR)
    people = []
    for person in study.participants:
        visits = tuple(
            replace(
                visit,
                transfer_syntax=COMPRESSION[visit.vendor],
                acquisition=replace(visit.acquisition, phase_echoes=1),
            )
            for visit in person.visits
        )
        people.append(replace(person, visits=visits))
    return replace(study, participants=tuple(people))


def sample_files() -> Iterator[SimulatedFile]:
    """Yield the study, with the truth of all visits gathered in one file and the maps of the truth left out."""
    facts = {}
    for file in simulate_study(sample_recipe()):
        if file.path.name == "truth.json":
            visit = json.loads(file.content)
            facts[f"{visit['participant_id']}/{visit['session_id']}"] = visit
        elif file.path.parts[0] != "truth":
            yield file
    truth = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    yield SimulatedFile(path=PurePosixPath("truth.json"), content=truth.encode())
    yield SimulatedFile(path=PurePosixPath("README.md"), content=README.encode())


def main() -> None:
    """Replace sample_data/ by a fresh one and print its size."""
    files = list(sample_files())
    size = sum(len(file.content) for file in files)
    if size > LIMIT_BYTES:
        raise SystemExit(f"{size} bytes; at most {LIMIT_BYTES} may be committed")
    shutil.rmtree(HOME, ignore_errors=True)
    for file in files:
        path = HOME / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    print(f"{len(files)} files, {size / 1e6:.2f} MB in {HOME.name}/")


if __name__ == "__main__":
    main()
