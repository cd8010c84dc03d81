"""The main job against known truth: simulated DICOM of five vendors through ``t2disc fit``."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from pathlib import Path

import pytest
from studies import VOLATILE

from t2disc.cli import main
from t2disc.model import ROIS
from t2disc.simulate import VENDORS, default_study, simulate_study

GREATEST_ERROR = 0.02


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def write_study(folder: Path, **options: object) -> Path:
    for file in simulate_study(default_study(5, VENDORS, seed=7, **options)):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    return folder


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "logs" not in path.parts and path.name not in VOLATILE
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("five") / "study")


@pytest.fixture(scope="module")
def results(study) -> Path:
    out = study.parent / "results"
    assert run("fit", study, "--labels", study / "labels", "-o", out) == 0
    return out


def test_every_vendors_nucleus_is_within_two_percent_of_truth(study, results):
    measured = {
        (row["participant_id"], row["session_id"], row["level"]): float(row["t2_median_ms"])
        for row in rows(results / "discs.tsv")
        if row["region"] == "NP"
    }
    assert len(measured) == 5 * 2 * 5
    for truth_file in (study / "truth").rglob("truth.json"):
        truth = json.loads(truth_file.read_text())
        for level, disc in truth["discs"].items():
            t2_ms = measured[truth["participant_id"], truth["session_id"], level]
            assert abs(t2_ms / disc["t2_np_ms"] - 1) < GREATEST_ERROR, (truth["vendor"], level)


def test_the_change_of_the_index_disc_is_found_and_the_controls_stay(results):
    every = [row for row in rows(results / "changes.tsv") if row["region"] == "NP"]
    assert len(every) == 5 * 5 * len(ROIS)
    changes = [row for row in every if row["roi"] == "matched"]
    for row in changes:
        expected = 15.0 if row["role"] == "index" else 0.0
        assert abs(float(row["change_pct"]) - expected) < 2.0
    assert sum(row["role"] == "index" for row in changes) == 5


def test_nothing_is_lost_and_each_vendor_is_recognised(results):
    vendors = {
        json.loads(path.read_text())["acquisition"]["vendor"] for path in results.rglob("*_desc-t2disc_record.json")
    }
    assert vendors == {"Siemens", "GE", "Philips"}
    assert [row["status"] for row in rows(results / "visits.tsv")] == ["done"] * 10


def test_results_are_bit_identical_whatever_the_names_and_order_of_files(study, results, tmp_path):
    shuffler = random.Random(3)
    for visit in [path for path in study.glob("P*/*") if path.is_dir()]:
        files = [path for path in visit.rglob("*") if path.is_file()]
        names = [f"{n:06x}" for n in shuffler.sample(range(1 << 24), len(files))]
        target = tmp_path / "study" / visit.relative_to(study) / "all"
        target.mkdir(parents=True)
        for path, name in zip(files, names, strict=True):
            (target / name).write_bytes(path.read_bytes())
    (tmp_path / "study" / "participants.tsv").write_bytes((study / "participants.tsv").read_bytes())
    assert run("fit", tmp_path / "study", "--labels", study / "labels", "-o", tmp_path / "results") == 0
    assert digests(tmp_path / "results") == digests(results)


def test_the_sample_data_are_what_the_quickstart_says(tmp_path):
    sample = Path(__file__).parents[1] / "sample_data"
    assert run("fit", sample, "--labels", sample / "labels", "-o", tmp_path) == 0
    index = [row for row in rows(tmp_path / "changes.tsv") if (row["region"], row["role"]) == ("NP", "index")]
    index = [row for row in index if row["roi"] == "matched"]
    assert [(row["participant_id"], row["level"]) for row in index] == [("sub-P001", "L4/L5"), ("sub-P002", "L5/S1")]
    assert all(13 < float(row["change_pct"]) < 17 for row in index)
