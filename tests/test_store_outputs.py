"""What stands in the outputs: seconds in the maps, n/a in the tables, the same bytes on every run."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import get_args

import nibabel as nib
import numpy as np
import pytest
from modelled import MODELS

from t2disc.errors import OutputsDamaged, RecordsOutdated, T2DiscError
from t2disc.fit import fit_t2
from t2disc.measure import given_repeatability, literature_repeatability, measured_repeatability
from t2disc.model import (
    LEVELS,
    ROIS,
    SCHEME_OF,
    SCHEME_PARTS,
    SCHEMES,
    Acquisition,
    Change,
    DiscLabels,
    DiscMeasure,
    DiscQuality,
    EchoChoice,
    EchoMotion,
    EchoShift,
    EchoStack,
    EchoState,
    FitQuality,
    Flag,
    LeftOut,
    MatchCode,
    ModelMedian,
    ModelOptions,
    ModelSensitivity,
    NoiseEstimate,
    RegionMap,
    RoiSensitivity,
    T2Map,
    Visit,
)
from t2disc.model.labels import LabelKind, LabelSource
from t2disc.model.protocol import RegionSettings
from t2disc.model.review import ReviewCode, ReviewReason
from t2disc.store import (
    Basis,
    ChangeRow,
    DiscRow,
    FitFacts,
    LabelFacts,
    ModelRow,
    RegionFacts,
    RoiRow,
    Status,
    StoredFile,
    VisitRecord,
    VisitRow,
    dataset_files,
    echo_files,
    label_files,
    map_files,
    outdated_results,
    publish_visit,
    quality_files,
    read_first_echo,
    read_record,
    record_file,
    recorded_keys,
    refuse_foreign_dataset,
    refuse_outdated,
    table_files,
)
from t2disc.store.columns import cell
from t2disc.store.nifti import nifti_bytes

AFFINE = np.array([[0, 0, 4.5, -10], [-0.5, 0, 0, 30], [0, 0.5, 0, -20], [0, 0, 0, 1.0]])
TE_MS = np.array([10.0, 20.0, 30.0])
STACK = EchoStack(signal=np.ones((3, 4, 2, 3), np.float32), echo_times_ms=TE_MS, affine=AFFINE)


def t2map() -> T2Map:
    t2_ms = np.full((3, 4, 2), 80.0, np.float32)
    flag = np.zeros((3, 4, 2), np.uint8)
    t2_ms[0, 0, 0], flag[0, 0, 0] = np.nan, Flag.LOW_SNR
    return T2Map(
        t2_ms=t2_ms,
        s0=t2_ms * 10,
        t2_se_ms=t2_ms / 100,
        flag=flag,
        affine=AFFINE,
        echo_times_ms=TE_MS[1:],
        model="mono",
        noise=NoiseEstimate(sigma=2.5, method="background", n_voxels=7),
        algorithm="Least squares of S0 exp(-TE / T2)",
        echoes=EchoChoice(skip_first=1),
    )


def measure(level: str = "L4/L5", region: str = "NP", **changes: float) -> DiscMeasure:
    numbers = {
        "n_voxels": 3,
        "n_used": 2,
        "volume_mm3": 3.375,
        "t2_mean_ms": 80.0,
        "t2_median_ms": 80.12345,
        "t2_sd_ms": 1.0,
        "t2_p10_ms": 79.0,
        "t2_p90_ms": 81.0,
        "t2_sem_ms": 0.7,
        "s0_median": 800.0,
        "snr_first_echo": math.nan,
        "t2_mean_se_ms": 0.5,
        "t2_median_se_ms": 0.6,
        "t2_mean_floor_ms": 0.2,
        "t2_mean_curvature_ms": 0.1,
        "t2_median_floor_ms": 0.0,
    }
    left_out = tuple(int(flag is Flag.LOW_SNR) for flag in Flag)
    return DiscMeasure(level=level, region=region, n_left_out=left_out, **numbers | changes)


SENSITIVITY = RoiSensitivity(
    level="L4/L5", np_spread_ms=2.5, np_spread_pct=3.12, disc_spread_ms=math.nan, disc_spread_pct=math.nan
)
BY_MODEL = ModelSensitivity(
    level="L4/L5",
    region="NP",
    n_voxels=3,
    medians=(
        ModelMedian(model="mono", t2_median_ms=80.0, n_used=3),
        ModelMedian(model="epg-rician", t2_median_ms=76.0, n_used=3),
        ModelMedian(model="mono-offset"),
    ),
)
QUALITY = DiscQuality(
    level="L4/L5",
    region="NP",
    n_judged=2,
    chi2_red_median=1.25,
    r2_median=0.98,
    odd_even_median=0.0123,
    decay_variance_median=math.nan,
    poor_fit_share=0.05,
)
MOTION = EchoMotion(
    threshold_mm=0.5,
    echoes=(
        EchoShift(echo_time_ms=10.0, state=EchoState.REFERENCE),
        EchoShift(
            echo_time_ms=20.0,
            state=EchoState.CORRECTED,
            translation_mm=(0.0, 0.8, -0.6),
            rotation_deg=0.1,
            displacement_mm=1.2345,
            standard_error_mm=0.02,
        ),
        EchoShift(echo_time_ms=30.0, state=EchoState.UNSURE),
    ),
)
RECORD = VisitRecord(
    participant_id="sub-1",
    session_id="ses-1",
    status="done",
    index_level="L4/L5",
    levels=("L4/L5",),
    labels=LabelFacts(
        kind="automatic",
        sha256="ab" * 32,
        confidences=(0.4567,),
        reasons=(
            ReviewReason(code=ReviewCode.OUTLINE_UNCERTAIN, detail="cut by\nthe canal", level="L4/L5"),
            ReviewReason(code=ReviewCode.SACRUM_NOT_SEEN, detail="counted from above"),
            ReviewReason(code=ReviewCode.OUTLINE_UNCERTAIN, detail="thin", level="L5/S1"),
        ),
    ),
    basis=Basis(images_sha256="i", labels_sha256="l", maps_settings_sha256="m", labels_settings_sha256="s"),
    acquisition_date="2024-01-02",
    acquisition=Acquisition(
        vendor="GE", repetition_time_ms=1500.0, flip_angle_deg=180.0, voxel_size_mm=(0.5, 0.5, 4.5)
    ),
    fit=FitFacts.of(STACK, t2map(), min_snr=5.0),
    motion=MOTION,
    left_out=(LeftOut(what="phase", n_images=8, why="phase is not magnitude", series_number=3),),
    notes=("a note",),
    measures=(measure(),),
    regions=RegionFacts.of(RegionSettings()),
    roi_sensitivity=(SENSITIVITY,),
    model_sensitivity=(BY_MODEL,),
    disc_quality=(QUALITY,),
)


def by_name(files) -> dict[str, bytes]:
    return {str(file.path): file.content for file in files}


def maps() -> dict[str, bytes]:
    return by_name(map_files("sub-1_ses-1", t2map(), RECORD.fit, RECORD.acquisition))


# ------------------------------------------------------------------------------------------------ maps
def test_t2_is_stored_in_seconds_and_missing_stays_missing(tmp_path):
    (tmp_path / "t2.nii.gz").write_bytes(maps()["anat/sub-1_ses-1_T2map.nii.gz"])
    image = nib.load(tmp_path / "t2.nii.gz")
    values = np.asarray(image.dataobj)
    assert values.dtype == np.float32
    assert np.isnan(values[0, 0, 0])
    assert values[1, 1, 1] == pytest.approx(0.080, rel=1e-6)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    assert (image.header["sform_code"], image.header["qform_code"]) == (1, 1)
    np.testing.assert_allclose(image.header.get_qform(), AFFINE, atol=1e-5)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_another_reader_sees_the_same_map(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    (tmp_path / "t2.nii.gz").write_bytes(maps()["anat/sub-1_ses-1_desc-flag_dseg.nii.gz"])
    image = sitk.ReadImage(str(tmp_path / "t2.nii.gz"))
    assert image.GetSize() == (3, 4, 2)
    assert image.GetSpacing() == pytest.approx((0.5, 0.5, 4.5), abs=1e-5)
    first_ras = AFFINE[:3, 3]
    assert image.GetOrigin() == pytest.approx(first_ras * [-1, -1, 1], abs=1e-4)
    assert image.GetPixel(0, 0, 0) == int(Flag.LOW_SNR)


def test_the_first_echo_comes_back_as_it_was_acquired_and_is_not_there_in_older_outputs(tmp_path):
    signal = np.arange(72, dtype=np.float32).reshape(3, 4, 2, 3) + 0.25
    stack = STACK.replace(signal=signal, acquisition=RECORD.acquisition)
    record = replace(RECORD, participant_id="sub-1", session_id="ses-1")
    assert read_first_echo(tmp_path, record) is None
    files = by_name(echo_files("sub-1_ses-1", stack))
    name = "anat/sub-1_ses-1_echo-1_desc-preproc_MESE"
    assert sorted(files) == [f"{name}.json", f"{name}.nii.gz"]
    assert json.loads(files[f"{name}.json"])["EchoTime"] == 0.01
    path = tmp_path / "sub-1" / "ses-1" / f"{name}.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(files[f"{name}.nii.gz"])
    np.testing.assert_array_equal(read_first_echo(tmp_path, record), signal[..., 0])
    path.write_bytes(files[f"{name}.nii.gz"][:50])
    with pytest.raises(T2DiscError, match="outputs-damaged"):
        read_first_echo(tmp_path, record)


def deflate_damages(content: bytes) -> dict[str, bytes]:
    """Return a gzip file damaged behind its header, here and there; nothing of its length but where that is said."""
    flipped = {f"byte {at} turned over": bytes([*content[:at], content[at] ^ 0xFF, *content[at + 1 :]])
               for at in range(10, len(content), max(1, len(content) // 60))}  # fmt: skip
    halves = {"a block of a kind that is none": content[:10] + b"\xff" + content[11:], "cut": content[:-9]}
    return flipped | halves | {"something behind": content + b"more"}


@pytest.mark.parametrize("seed", range(3))
def test_a_map_whose_deflate_stream_is_damaged_anywhere_is_outputs_damaged(tmp_path, seed):
    signal = np.random.default_rng(seed).normal(size=(6, 8, 4, 2)).astype(np.float32).round(seed)
    stack = STACK.replace(signal=signal, echo_times_ms=np.array([10.0, 20.0]), acquisition=RECORD.acquisition)
    record = replace(RECORD, participant_id="sub-1", session_id="ses-1")
    name = "anat/sub-1_ses-1_echo-1_desc-preproc_MESE.nii.gz"
    content, path = by_name(echo_files("sub-1_ses-1", stack))[name], tmp_path / "sub-1" / "ses-1" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_first_echo(tmp_path, record), signal[..., 0])
    unseen = []
    for what, damaged in deflate_damages(content).items():
        path.write_bytes(damaged)
        try:
            read_first_echo(tmp_path, record)
        except OutputsDamaged as error:
            assert error.where == "sub-1/ses-1"
        else:
            unseen.append(what)
    assert not unseen


def test_sheared_axes_leave_the_qform_out():
    sheared = AFFINE.copy()
    sheared[1, 2] = 0.5
    image = nib.Nifti1Image.from_bytes(gzip.decompress(nifti_bytes(np.zeros((2, 2, 2), np.uint8), sheared)))
    assert (image.header["sform_code"], image.header["qform_code"]) == (1, 0)
    np.testing.assert_allclose(image.affine, sheared, atol=1e-6)


def test_gzip_headers_hold_no_time_and_no_name():
    content = maps()["anat/sub-1_ses-1_S0map.nii.gz"]
    assert content[3] == 0  # no optional field
    assert content[4:8] == b"\0\0\0\0"  # mtime
    assert maps() == maps()


def test_sidecars_tell_units_method_echo_times_and_noise():
    sidecar = json.loads(maps()["anat/sub-1_ses-1_T2map.json"])
    assert sidecar["Units"] == "s"
    assert sidecar["EchoTime"] == [0.02, 0.03]
    assert sidecar["SkipFirst"] == 1
    assert sidecar["EchoRule"] == "the first 1 left out"
    assert sidecar["SourceDescription"] == "multi-echo series of this visit, 3 echoes"
    assert not {"AssumedT1", "ReceiveChannels"} & sidecar.keys()
    assert sidecar["RepetitionTimeExcitation"] == 1.5
    assert sidecar["NoiseSigma"] == 2.5
    assert sidecar["NoiseMethod"] == "background"
    assert {"EstimationAlgorithm", "EstimationReference", "SourceDescription"} <= sidecar.keys()
    assert "FlipAngle" not in sidecar  # of refocusing or of excitation, by vendor: kept in the record
    levels = json.loads(maps()["anat/sub-1_ses-1_desc-flag_dseg.json"])["Levels"]
    assert {int(value): text.split(":")[0] for value, text in levels.items()} == {int(f): f.name for f in Flag}


ERRORS = {
    "mono": "the residual with n - p degrees of freedom",
    "mono-offset": "the residual with n - p degrees of freedom",
    "epg": "the residual with n - p degrees of freedom",
    "loglinear": "the residual of ln S about the line with n - 2 degrees of freedom",
    "wls": "the weighted residual of ln S about the line with n - 2 degrees of freedom",
    "rician": "the observed information of the likelihood, with sigma taken as known",
    "epg-rician": "the observed information of the likelihood, with sigma taken as known",
}


@pytest.mark.parametrize("name", MODELS)
def test_the_sidecar_of_the_standard_error_tells_what_it_rests_on_and_so_it_does(name):
    """Where it rests on sigma it follows sigma; where it rests on the residual it does not."""
    own = MODELS[name](24)
    model, signal = own.given["model"], own.noisy(40.0).reshape(4, 3, 2, -1)
    given = own.given | ({"b1": own.given["b1"].reshape(4, 3, 2)} if "b1" in own.given else {})
    stack = EchoStack(signal=signal, echo_times_ms=own.echo_times_ms, affine=AFFINE)
    one, other = (fit_t2(stack, sigma=sigma, min_snr=0.0, **given) for sigma in (25.0, 30.0))
    files = by_name(map_files("sub-1_ses-1", one, RECORD.fit, RECORD.acquisition))
    told = json.loads(files["anat/sub-1_ses-1_desc-se_T2map.json"])["Description"]
    assert told == f"Standard error of T2, from {ERRORS[model]}"
    follows_sigma = not np.array_equal(one.t2_se_ms, other.t2_se_ms, equal_nan=True)
    assert follows_sigma == ("sigma" in told)


def test_the_map_of_flags_is_a_segmentation_with_a_table_of_its_values():
    """As a mask it chose what failed: 0 is a voxel with T2, and there are ten reasons for one without."""
    rows = table_of(maps()["anat/sub-1_ses-1_desc-flag_dseg.tsv"])
    assert {int(row["index"]): row["name"] for row in rows} == {int(flag): flag.name.lower() for flag in Flag}
    columns = by_name(table_files([], [], []))["discs.tsv"].decode().split("\n")[0].split("\t")
    assert {f"n_{row['name']}" for row in rows if row["index"] != "0"} <= set(columns)
    assert not [name for name in maps() if "_mask" in name]
    assert not [line for line in by_name(dataset_files())[".bidsignore"].decode().split() if "flag" in line]


@pytest.mark.parametrize("kind", ["given", "automatic"])
def test_sources_are_paths_or_uris_or_none_and_every_sidecar_describes_its_map(kind):
    empty = np.zeros((3, 4, 2), np.uint8)
    schemes = tuple(RegionMap(scheme=scheme, values=empty) for scheme in SCHEMES[1:])
    source = LabelSource(kind=kind, sha256="ab" * 32)
    discs = DiscLabels(discs=empty, regions=empty, levels=("L4/L5",), affine=AFFINE, source=source, schemes=schemes)
    files = maps() | by_name(label_files("sub-1_ses-1", discs))
    sidecars = {name: json.loads(content) for name, content in files.items() if name.endswith(".json")}
    assert len(sidecars) == 9
    for name, sidecar in sidecars.items():
        assert all(re.fullmatch(r"bids:\w*:\S+", each) for each in sidecar.get("Sources", ())), name
        assert sidecar["SourceDescription"], name
        assert sidecar["Description"], name


def test_viewers_open_t2_and_its_error_in_one_window_and_choose_their_own_for_the_rest():
    windows = {}
    for name, content in maps().items():
        if name.endswith(".nii.gz"):
            header = nib.Nifti1Image.from_bytes(gzip.decompress(content)).header
            windows[name.removeprefix("anat/sub-1_ses-1_")] = (header["cal_min"], round(float(header["cal_max"]), 6))
    assert windows == {
        "T2map.nii.gz": (0, 0.2),
        "S0map.nii.gz": (0, 0),
        "desc-se_T2map.nii.gz": (0, 0.02),
        "desc-flag_dseg.nii.gz": (0, 0),
    }


def test_maps_of_a_gradient_echo_are_t2_star_in_name_and_in_word():
    gradient_echo = replace(RECORD.acquisition, sequence="gradient-echo")
    files = by_name(map_files("sub-1_ses-1", t2map(), RECORD.fit, gradient_echo))
    assert {name.removeprefix("anat/sub-1_ses-1_") for name in files if name.endswith(".nii.gz")} == {
        "T2starmap.nii.gz",
        "S0map.nii.gz",
        "desc-se_T2starmap.nii.gz",
        "desc-flag_dseg.nii.gz",
    }
    sidecars = {name: content.decode() for name, content in files.items() if name.endswith(".json")}
    assert "exp(-TE / T2*)" in json.loads(sidecars["anat/sub-1_ses-1_T2starmap.json"])["EstimationAlgorithm"]
    assert not [name for name, text in sidecars.items() if re.search(r"T2(?!\*)", text)]


@pytest.mark.parametrize("sequence", ["spin-echo", "unknown"])
def test_maps_of_any_other_sequence_are_t2(sequence):
    files = map_files("s", t2map(), RECORD.fit, replace(RECORD.acquisition, sequence=sequence))
    assert "anat/s_T2map.nii.gz" in by_name(files)
    assert b"T2*" not in b"".join(file.content for file in files if file.path.suffix == ".json")


def test_sidecars_hold_the_keys_that_bids_demands():
    for name in ("T2map", "S0map", "desc-se_T2map"):
        sidecar = json.loads(maps()[f"anat/sub-1_ses-1_{name}.json"])
        assert sidecar["SkullStripped"] is False
        assert sidecar["Description"]


def test_label_maps_come_with_their_tables_and_only_where_there_are_labels():
    empty = np.zeros((3, 4, 2), np.uint8)
    discs = DiscLabels(discs=empty, regions=empty, levels=("L4/L5", "L5/S1"), affine=AFFINE)
    files = by_name(label_files("sub-1_ses-1", discs))
    assert files["anat/sub-1_ses-1_desc-discs_dseg.tsv"] == (
        b"index\tname\tcolor\n5\tL4/L5\t#E69F00\n6\tL5/S1\t#0072B2\n"
    )
    assert b"1\tNP\t#" in files["anat/sub-1_ses-1_desc-regions_dseg.tsv"]
    assert label_files("s", DiscLabels(discs=empty, regions=empty, levels=(), affine=AFFINE)) == ()


def test_the_sidecar_of_a_label_map_tells_who_drew_it():
    empty = np.zeros((3, 4, 2), np.uint8)
    told = set()
    for kind in get_args(LabelKind):
        discs = DiscLabels(discs=empty, regions=empty, levels=("L4/L5",), affine=AFFINE, source=LabelSource(kind=kind))
        told.add(json.loads(by_name(label_files("s", discs))["anat/s_desc-discs_dseg.json"])["SourceDescription"])
    assert len(told) == len(get_args(LabelKind))


@pytest.mark.parametrize(("kind", "whose"), [("automatic", "the network's weights"), ("correction", "the map")])
def test_the_sidecar_of_a_label_map_tells_the_scheme_and_the_check_sum(kind, whose):
    empty = np.zeros((3, 4, 2), np.uint8)
    source = LabelSource(kind=kind, sha256="ab" * 32, scheme="spider")
    discs = DiscLabels(discs=empty, regions=empty, levels=("L4/L5",), affine=AFFINE, source=source)
    files = by_name(label_files("s", discs))
    for name in ("discs", "regions"):
        told = json.loads(files[f"anat/s_desc-{name}_dseg.json"])["SourceDescription"]
        assert told.endswith(f"; values read as those of spider; SHA-256 of {whose} {'ab' * 32}")


def test_each_further_scheme_has_its_map_and_the_names_of_its_parts():
    values = np.ones((3, 4, 2), np.uint8)
    schemes = tuple(RegionMap(scheme=scheme, values=values) for scheme in SCHEMES[1:])
    discs = DiscLabels(discs=values * 5, regions=values, levels=("L4/L5",), affine=AFFINE, schemes=schemes)
    files = by_name(label_files("s", discs))
    tables = {scheme: files[f"anat/s_desc-{scheme}_dseg.tsv"] for scheme in ("strips", "midsagittal", "posterior")}
    names = {scheme: [row.rpartition(b"\t")[0] for row in table.splitlines()] for scheme, table in tables.items()}
    assert names["strips"] == [b"index\tname", *(b"%d\tstrip%d" % (n, n) for n in range(1, 6))]
    assert names["midsagittal"] == [b"index\tname", b"1\tNP_mid", b"2\tAF_mid"]
    assert names["posterior"] == [b"index\tname", b"1\tposterior"]
    assert "anat/s_desc-strips_dseg.nii.gz" in files


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_of_a_label_map_join_those_of_the_table_and_select_its_voxels(scheme):
    values = np.zeros((3, 4, 2), np.uint8)
    values.flat[:6] = range(6)
    primary = np.where(values > 3, 0, values)
    parts = {part for all_parts in SCHEME_PARTS[scheme].values() for part in all_parts}
    other = RegionMap(scheme=scheme, values=np.where(np.isin(values, [*parts]), values, 0))
    further = () if scheme == SCHEMES[0] else (other,)
    discs = DiscLabels(discs=np.ones_like(values), regions=primary, levels=LEVELS[:1], affine=AFFINE, schemes=further)
    files = by_name(label_files("s", discs))
    name = "regions" if scheme == SCHEMES[0] else scheme.replace("-", "")
    named = {row["name"]: int(row["index"]) for row in table_of(files[f"anat/s_desc-{name}_dseg.tsv"])}
    of_discs_tsv = {region for region, owner in SCHEME_OF.items() if owner == scheme}
    assert named
    assert named.keys() <= of_discs_tsv
    assert len(set(named.values())) == len(named)
    stored = nib.Nifti1Image.from_bytes(gzip.decompress(files[f"anat/s_desc-{name}_dseg.nii.gz"])).get_fdata()
    assert {*np.unique(stored).astype(int)} - {0} <= {*named.values()}
    for region, value in named.items():
        np.testing.assert_array_equal(stored == value, other.mask(region))


def table_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode().splitlines(), delimiter="\t"))


def test_viewers_find_names_and_colours_beside_every_label_map():
    values = np.ones((3, 4, 2), np.uint8)
    schemes = tuple(RegionMap(scheme=scheme, values=values) for scheme in SCHEMES[1:])
    discs = DiscLabels(discs=values * 5, regions=values, levels=LEVELS, affine=AFFINE, schemes=schemes)
    files = by_name(label_files("s", discs))
    ignored = by_name(dataset_files())[".bidsignore"].decode().splitlines()
    for name in [name.removesuffix(".nii.gz") for name in files if name.endswith(".nii.gz")]:
        rows = list(csv.DictReader(files[f"{name}.tsv"].decode().splitlines(), delimiter="\t"))
        described = re.findall(r'^(\d+) (\d+) (\d+) (\d+) 1 1 1 "(.*)"$', files[f"{name}.label.txt"].decode(), re.M)
        coloured = re.findall(r"^(\d+) (\S+) (\d+) (\d+) (\d+) 255$", files[f"{name}.ctbl"].decode(), re.M)
        for row, (index, *rgb, text), (other, word, *again) in zip(rows, described, coloured, strict=True):
            assert row["index"] == index == other
            assert row["name"] == text == word
            assert row["color"] == "#" + "".join(f"{int(part):02X}" for part in rgb)
            assert rgb == again
        assert len({row["color"] for row in rows}) == len(rows)
    assert {"**/*_dseg.label.txt", "**/*_dseg.ctbl"} <= set(ignored)


def test_a_level_has_the_same_colour_whichever_others_there_are():
    values = np.zeros((3, 4, 2), np.uint8)
    few, all_ = (
        by_name(label_files("s", DiscLabels(discs=values, regions=values, levels=levels, affine=AFFINE)))
        for levels in (("L4/L5",), LEVELS)
    )
    for ending in ("tsv", "label.txt", "ctbl"):
        lines = few[f"anat/s_desc-discs_dseg.{ending}"].splitlines()
        assert set(lines) <= set(all_[f"anat/s_desc-discs_dseg.{ending}"].splitlines())


def test_the_dataset_says_who_made_it_and_a_foreign_one_is_refused(tmp_path):
    description = by_name(dataset_files())["dataset_description.json"]
    assert json.loads(description)["GeneratedBy"][0]["Name"] == "t2disc"
    assert b"discs.tsv" in by_name(dataset_files())["README.md"]
    # without a slash at its end: the BIDS validator (bids-validator-deno 3.0.2) takes folders as names
    assert b"**/figures" in by_name(dataset_files())[".bidsignore"].splitlines()
    refuse_foreign_dataset(tmp_path)
    (tmp_path / "dataset_description.json").write_bytes(description)
    refuse_foreign_dataset(tmp_path)
    (tmp_path / "dataset_description.json").write_text('{"Name": "raw data"}')
    with pytest.raises(T2DiscError):
        refuse_foreign_dataset(tmp_path)


# ------------------------------------------------------------------------------------------------ records
def test_a_record_comes_back_as_it_was_written(tmp_path):
    quarantined = VisitRecord(participant_id="sub-1", session_id="ses-2", status="quarantined", code="x", reason="y")
    for record in (RECORD, quarantined):
        publish_visit(tmp_path / record.participant_id / record.session_id, [record_file(record)])
    found = read_record(tmp_path, "sub-1", "ses-1")
    assert math.isnan(found.measures[0].snr_first_echo)
    assert math.isnan(found.roi_sensitivity[0].disc_spread_pct)
    known = {"roi_sensitivity": (replace(SENSITIVITY, disc_spread_ms=0.0, disc_spread_pct=0.0),)}
    filled = replace(found, measures=(replace(found.measures[0], snr_first_echo=0.0),), **known)
    assert filled == replace(RECORD, measures=(measure(snr_first_echo=0.0),), **known)
    assert read_record(tmp_path, "sub-1", "ses-2") == quarantined
    assert read_record(tmp_path, "sub-1", "ses-3") is None
    assert record_file(found) == record_file(RECORD)


@pytest.mark.parametrize("design_effect", [(2.0, 1.5, 1.0), (math.nan, 1.0, math.nan)])
def test_how_alike_noise_is_in_neighbours_comes_back_with_its_gaps(tmp_path, design_effect):
    noise = NoiseEstimate(sigma=2.5, method="residual", n_voxels=7, design_effect=design_effect)
    record = replace(RECORD, fit=replace(RECORD.fit, noise=noise))
    publish_visit(tmp_path / "sub-1" / "ses-1", [record_file(record)])
    found = read_record(tmp_path, "sub-1", "ses-1")
    assert found.fit.noise.design_effect == pytest.approx(design_effect, nan_ok=True)
    assert isinstance(found.fit.noise.design_effect, tuple)
    assert record_file(found) == record_file(record)


def test_a_record_older_than_the_design_effect_takes_voxels_as_independent(tmp_path):
    tree = json.loads(record_file(RECORD).content)
    del tree["fit"]["noise"]["design_effect"]
    publish_visit(tmp_path / "sub-1" / "ses-1", [replace(record_file(RECORD), content=json.dumps(tree).encode())])
    assert read_record(tmp_path, "sub-1", "ses-1").fit.noise.design_effect == (1.0, 1.0, 1.0)


def test_a_record_older_than_the_choice_of_echoes_and_models_is_read(tmp_path):
    tree = json.loads(record_file(RECORD).content)
    del tree["fit"]["echoes"], tree["fit"]["options"], tree["fit"]["n_acquired"]
    del tree["model_sensitivity"], tree["disc_quality"]
    tree["measures"][0]["n_left_out"] = tree["measures"][0]["n_left_out"][:9]
    publish_visit(tmp_path / "sub-1" / "ses-1", [replace(record_file(RECORD), content=json.dumps(tree).encode())])
    found = read_record(tmp_path, "sub-1", "ses-1")
    assert found.fit.echoes == EchoChoice(skip_first=1)
    assert found.fit.options == ModelOptions()
    assert found.measures[0].n_left_out == measure().n_left_out
    assert (found.model_sensitivity, found.disc_quality) == ((), ())


def test_models_and_the_choice_of_echoes_come_back_as_they_were_written(tmp_path):
    echoes = EchoChoice(even_only=True, numbers=(2, 4, 6), drop_below=2.0)
    fit = replace(RECORD.fit, echoes=echoes, options=ModelOptions(t1_ms=900.0, pulse="sinc"))
    publish_visit(tmp_path / "sub-1" / "ses-1", [record_file(replace(RECORD, fit=fit))])
    found = read_record(tmp_path, "sub-1", "ses-1")
    assert (found.fit.echoes, found.fit.options) == (echoes, fit.options)
    assert found.model_sensitivity[0].medians[:2] == BY_MODEL.medians[:2]
    assert math.isnan(found.model_sensitivity[0].medians[2].t2_median_ms)
    assert found.disc_quality[0].chi2_red_median == QUALITY.chi2_red_median
    assert math.isnan(found.disc_quality[0].decay_variance_median)


def test_a_record_older_than_the_standard_errors_has_none(tmp_path):
    tree = json.loads(record_file(RECORD).content)
    new = ("t2_mean_se_ms", "t2_median_se_ms", "t2_mean_floor_ms", "t2_mean_curvature_ms", "t2_median_floor_ms")
    for name in new:
        del tree["measures"][0][name]
    publish_visit(tmp_path / "sub-1" / "ses-1", [replace(record_file(RECORD), content=json.dumps(tree).encode())])
    (found,) = read_record(tmp_path, "sub-1", "ses-1").measures
    assert found.t2_median_ms == RECORD.measures[0].t2_median_ms
    assert all(math.isnan(getattr(found, name)) for name in new)
    assert all(math.isnan(end) for end in (*found.t2_mean_interval_ms, *found.t2_median_interval_ms))
    del tree["measures"][0]["t2_median_ms"]  # what every version wrote is not made up
    publish_visit(tmp_path / "sub-1" / "ses-2", [replace(record_file(RECORD), content=json.dumps(tree).encode())])
    assert read_record(tmp_path, "sub-1", "ses-2") is None


def test_a_record_tells_who_drew_the_labels_and_why_to_look_at_them():
    tree = json.loads(record_file(RECORD).content)["labels"]
    assert (tree["kind"], tree["sha256"], tree["confidences"]) == ("automatic", "ab" * 32, [0.4567])
    assert tree["reasons"][0] == {"code": "outline-uncertain", "detail": "cut by\nthe canal", "level": "L4/L5"}
    assert RECORD.needs_review
    assert not replace(RECORD, labels=LabelFacts(kind="given")).needs_review
    assert (RECORD.confidence("L4/L5"), RECORD.confidence("L1/L2")) == (0.4567, None)


UNREADABLE = [
    b"",
    b"{}",
    b'{"record_version": 1}',
    b'{"record_version": 2}',
    b'{"record_version": 3}',
    b"[]",
    b"\xff",
    b"3",
    b'"x"',
    b"[" * 100_000,
]


def test_a_record_of_a_version_without_schemes_is_read(tmp_path):
    tree = json.loads(record_file(RECORD).content)
    del tree["regions"], tree["roi_sensitivity"], tree["motion"]
    publish_visit(tmp_path / "sub-1" / "ses-1", [replace(record_file(RECORD), content=json.dumps(tree).encode())])
    found = read_record(tmp_path, "sub-1", "ses-1")
    assert (found.regions, found.roi_sensitivity, len(found.measures)) == (None, (), 1)
    assert found.motion is None


def test_motion_between_echoes_comes_back_as_it_was_written(tmp_path):
    publish_visit(tmp_path / "sub-1" / "ses-1", [record_file(RECORD)])
    found = read_record(tmp_path, "sub-1", "ses-1").motion
    assert found.echoes[1] == MOTION.echoes[1]
    assert found.numbers(EchoState.UNSURE) == (3,)
    assert math.isnan(found.echoes[2].displacement_mm)


def test_the_table_of_visits_tells_motion_between_echoes():
    (row,) = rows("visits.tsv")
    assert (row["echo_motion_mm"], row["echoes_corrected"]) == ("1.234", "1")
    unmeasured = replace(RECORD, motion=EchoMotion(threshold_mm=0.5, echoes=MOTION.echoes[::2]))
    for record, corrected in ((unmeasured, "0"), (replace(RECORD, motion=None), "n/a")):
        visits = [VisitRow(record=record, number=1, ordered_by="single")]
        text = by_name(table_files([], [], visits))["visits.tsv"].decode()
        (row,) = csv.DictReader(text.splitlines(), delimiter="\t")
        assert (row["echo_motion_mm"], row["echoes_corrected"]) == ("n/a", corrected)


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_record_that_t2disc_did_not_write_is_none_but_is_there(tmp_path, content):
    publish_visit(tmp_path / "sub-1" / "ses-1", [replace(record_file(RECORD), content=content)])
    assert read_record(tmp_path, "sub-1", "ses-1") is None
    assert recorded_keys(tmp_path) == ("sub-1/ses-1",)


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_record_is_outdated_where_it_tells_another_version_and_not_where_it_is_garbage(tmp_path, content):
    publish_visit(tmp_path / "sub-1" / "ses-1", [replace(record_file(RECORD), content=content)])
    is_old = content in (b'{"record_version": 1}', b'{"record_version": 2}')
    assert outdated_results(tmp_path) == (("sub-1/ses-1",) if is_old else ())


def test_records_of_this_version_are_not_outdated_and_are_not_read_whole(tmp_path, monkeypatch):
    publish_visit(tmp_path / "sub-1" / "ses-1", [record_file(RECORD)])
    monkeypatch.setattr("t2disc.store.outdated.json.loads", None)
    assert outdated_results(tmp_path) == ()


def test_of_many_outdated_results_the_first_are_named(tmp_path):
    for number in range(1, 6):
        old = StoredFile(path=PurePosixPath(f"sub-{number}_ses-1_desc-t2disc_record.json"), content=UNREADABLE[3])
        publish_visit(tmp_path / f"sub-{number}" / "ses-1", [old])
    with pytest.raises(RecordsOutdated, match=r"5 results .*: sub-1/ses-1, sub-2/ses-1, sub-3/ses-1 and 2 more - exp"):
        refuse_outdated(tmp_path)


def test_a_folder_without_a_record_is_no_recorded_visit(tmp_path):
    (tmp_path / "sub-1" / "ses-1" / "anat").mkdir(parents=True)
    assert recorded_keys(tmp_path) == ()


@pytest.mark.parametrize(("index_level", "role"), [("L4/L5", "index"), ("L5/S1", "control"), (None, "unknown")])
def test_a_record_and_its_visit_agree_on_the_role_of_a_disc(tmp_path, index_level, role):
    visit = Visit(participant_id="sub-1", session_id="ses-1", folder=tmp_path, index_level=index_level)
    assert replace(RECORD, index_level=index_level).role("L4/L5") == visit.role("L4/L5") == role


# ------------------------------------------------------------------------------------------------ tables
def tables() -> dict[str, bytes]:
    change = Change(
        level="L4/L5",
        region="NP",
        baseline_t2_median_ms=80.0,
        followup_t2_median_ms=math.nan,
    )
    changes = [
        ChangeRow(
            participant_id="sub-1",
            role="index",
            baseline_session_id="ses-1",
            followup_session_id="ses-2",
            change=change,
        )
    ]
    visits = [VisitRow(record=replace(RECORD, reason="tab\there\nand line"), number=None, ordered_by="unknown")]
    roi = [RoiRow(record=RECORD, sensitivity=SENSITIVITY)]
    models = [ModelRow(record=RECORD, sensitivity=BY_MODEL)]
    return by_name(table_files([DiscRow(record=RECORD, measure=measure())], changes, visits, roi, models))


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(tables()[name].decode().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_disc_table_has_fixed_columns_roles_and_reasons():
    (row,) = rows("discs.tsv")
    head = ["participant_id", "session_id", "level", "region", "role", "n_voxels", "n_used"]
    assert list(row)[:7] == head
    assert [name for name in row if name.startswith("n_")][2:] == [f"n_{f.name.lower()}" for f in Flag if f]
    assert (row["role"], row["n_low_snr"], row["n_at_bound"]) == ("index", "1", "0")
    assert row["t2_median_ms"] == "80.123"
    assert row["snr_first_echo"] == "n/a"
    assert (row["labels"], row["confidence"]) == ("automatic", "0.457")


def test_the_disc_table_tells_how_sure_mean_and_median_are():
    (row,) = rows("discs.tsv")
    names = [name for name in row if "_se_" in name or "_ci95_" in name or "_floor_" in name or "_curvature_" in name]
    assert {name: row[name] for name in names} == {
        "t2_mean_se_ms": "0.500",
        "t2_mean_ci95_low_ms": "78.804",  # 80 - 0.1 - 0.2 - 1.792 x 0.5
        "t2_mean_ci95_high_ms": "80.796",
        "t2_mean_floor_ms": "0.200",
        "t2_median_se_ms": "0.600",
        "t2_median_ci95_low_ms": "78.947",
        "t2_median_ci95_high_ms": "81.299",
        "t2_median_floor_ms": "0.000",
        "t2_mean_curvature_ms": "0.100",
    }


def test_the_dictionary_of_changes_tells_where_every_coefficient_comes_from():
    dictionary = json.loads(by_name(table_files([], [], []))["changes.json"])
    change = Change(level="L4/L5", region="NP", baseline_t2_median_ms=80.0, followup_t2_median_ms=81.0)
    retests = {f"sub-{k}": [change] for k in range(10)}
    given = given_repeatability({"NP": 9.0})
    known = (literature_repeatability, given, measured_repeatability(retests, given))
    assert set(dictionary["rc_source"]["Levels"]) == {coefficient("L4/L5", "NP").source for coefficient in known}
    belavy = dictionary["rc_source"]["Levels"]["Belavy 2021"]
    assert "PLoS One" in belavy
    assert "10.1371/journal.pone.0249855" in belavy
    assert "12 men" in belavy


def test_the_error_in_per_cent_follows_from_the_table_of_changes():
    known = {"noise_se_ms": 4.0, "baseline_noise_se_ms": 2.5, "place_se_ms": 2.0, "place_se_pct": 2.25}
    known |= {"floor_ms": -0.5, "baseline_floor_ms": 1.5}
    change = Change(level="L4/L5", region="NP", baseline_t2_median_ms=80.0, followup_t2_median_ms=92.0, **known)
    changed = ChangeRow(
        participant_id="sub-1", role="index", baseline_session_id="a", followup_session_id="b", change=change
    )
    text = by_name(table_files([], [changed], []))["changes.tsv"].decode()
    (row,) = csv.DictReader(text.splitlines(), delimiter="\t")
    before, after, floor, base = (
        float(row[name]) for name in ("baseline_t2_median_ms", "followup_t2_median_ms", "floor_ms", "baseline_floor_ms")
    )
    noise, before_noise = float(row["noise_se_ms"]), float(row["baseline_noise_se_ms"])
    noise_pct = 100 / before * math.sqrt(noise**2 - before_noise**2 + (after / before * before_noise) ** 2)
    scatter_pct = max(noise_pct, float(row["place_se_pct"]))
    floor_pct = 100 * after / before - 100 * (after - base - floor) / (before - base)
    assert float(row["se_pct"]) == pytest.approx(math.hypot(scatter_pct, floor_pct), abs=5e-4)


def test_the_visit_table_tells_whose_labels_they_are_and_what_to_review():
    (row,) = rows("visits.tsv")
    assert (row["labels"], row["labels_sha256"]) == ("automatic", "ab" * 32)
    assert row["review"] == "outline-uncertain;sacrum-not-seen"
    assert row["review_reasons"] == "L4/L5: cut by the canal; counted from above; L5/S1: thin"


@pytest.mark.parametrize("status", get_args(Status))
def test_where_there_is_nothing_to_review_the_visit_table_says_so(status):
    record = VisitRecord(participant_id="sub-1", session_id="ses-1", status=status, labels=LabelFacts(kind="given"))
    visits = [VisitRow(record=record, number=1, ordered_by="single")]
    text = by_name(table_files([], [], visits))["visits.tsv"].decode()
    (row,) = csv.DictReader(text.splitlines(), delimiter="\t")
    assert row["review"] == row["review_reasons"] == row["labels_sha256"] == "n/a"
    assert row["labels"] == ("given" if status == "done" else "n/a")


def test_the_change_table_starts_with_the_columns_of_the_issue():
    (row,) = rows("changes.tsv")
    head = ["participant_id", "level", "region", "role", "baseline_t2_median_ms", "followup_t2_median_ms"]
    assert list(row)[:9] == [*head, "change_ms", "change_pct", "roi"]


def test_models_stand_side_by_side_with_the_spread_of_those_that_speak_of_the_same_voxels():
    (row,) = rows("model_sensitivity.tsv")
    assert (row["level"], row["region"], row["role"], row["model"]) == ("L4/L5", "NP", "index", "mono")
    assert (row["t2_median_mono_ms"], row["t2_median_epg_rician_ms"]) == ("80.000", "76.000")
    assert (row["t2_median_mono_offset_ms"], row["n_used_mono_offset"]) == ("n/a", "0")
    assert (row["spread_ms"], row["spread_pct"]) == ("4.000", "5.00")
    few = replace(BY_MODEL.medians[2], t2_median_ms=20.0, n_used=2)
    assert replace(BY_MODEL, medians=(*BY_MODEL.medians[:2], few)).spread_ms == 4.0
    assert math.isnan(replace(BY_MODEL, medians=BY_MODEL.medians[:1]).spread_ms)


def test_maps_of_what_a_model_has_beyond_t2_are_written_and_what_it_assumes_is_told():
    found = replace(t2map(), b1=np.full((3, 4, 2), 0.9), model="epg-rician", n_echoes=np.full((3, 4, 2), 2))
    facts = FitFacts.of(STACK, found, min_snr=5.0)
    files = by_name(map_files("sub-1_ses-1", found, facts, RECORD.acquisition))
    assert "fmap/sub-1_ses-1_TB1map.nii.gz" in files  # where BIDS has it: in anat/ no rule for file names matches
    assert "anat/sub-1_ses-1_desc-nechoes_fitmap.nii.gz" in files
    sidecar = json.loads(files["fmap/sub-1_ses-1_TB1map.json"])
    assert (sidecar["AssumedT1"], sidecar["RefocusingFlipAngle"], sidecar["PulseShape"]) == (1.0, 180.0, "ideal")
    assert sidecar["ReceiveChannels"] == 1
    shifted = replace(t2map(), offset=np.zeros((3, 4, 2)), model="mono-offset")
    files = by_name(map_files("sub-1_ses-1", shifted, FitFacts.of(STACK, shifted, min_snr=5.0), RECORD.acquisition))
    assert "anat/sub-1_ses-1_desc-offset_fitmap.nii.gz" in files


def test_goodness_of_fit_stands_beside_the_numbers_it_judges_and_is_missing_where_it_is():
    (row,) = rows("discs.tsv")
    assert (row["chi2_red_median"], row["poor_fit_share"], row["odd_even_median"]) == ("1.250", "0.0500", "0.0123")
    assert row["decay_variance_median"] == "n/a"
    other = [DiscRow(record=RECORD, measure=measure(region="AF"))]
    text = by_name(table_files(other, [], []))["discs.tsv"].decode()
    (row,) = csv.DictReader(text.splitlines(), delimiter="\t")
    assert row["chi2_red_median"] == row["r2_median"] == "n/a"


def test_maps_of_goodness_of_fit_have_no_unit_and_a_sidecar_each():
    one = np.ones((3, 4, 2), np.float32)
    quality = FitQuality(
        chi2_red=one, r2=one, odd_even=one, decay_variance=one, degrees_of_freedom=one, affine=AFFINE, model="mono"
    )
    files = by_name(quality_files("sub-1_ses-1", quality))
    names = {"chi2red", "r2", "oddeven", "decayvariance"}
    assert {name.split("desc-")[1].split("_")[0] for name in files} == names
    assert json.loads(files["anat/sub-1_ses-1_desc-oddeven_fitmap.json"])["Units"] == "1"


def test_definitions_of_the_nucleus_stand_side_by_side_with_their_spread():
    (row,) = rows("roi_sensitivity.tsv")
    head = ["t2_NP_ms", "t2_NP_mid_ms", "t2_strip3_ms", "np_spread_ms", "np_spread_pct", "t2_disc_ms", "t2_disc_mid_ms"]
    assert list(row)[:11] == ["participant_id", "session_id", "level", "role", *head]
    assert (row["role"], row["t2_NP_ms"], row["np_spread_ms"], row["np_spread_pct"]) == (
        "index",
        "80.123",
        "2.500",
        "3.120",
    )
    assert row["t2_strip3_ms"] == row["disc_spread_ms"] == "n/a"
    assert {name[3:-3] for name in row if name.startswith("t2_")} == set(SCHEME_OF)


def test_every_word_of_a_column_of_words_is_explained():
    discs, changes, visits = (json.loads(tables()[f"{name}.json"]) for name in ("discs", "changes", "visits"))
    for dictionary in (discs, changes):
        assert set(dictionary["level"]["Levels"]) == set(LEVELS)
        assert set(dictionary["region"]["Levels"]) == set(SCHEME_OF)
        assert set(dictionary["scheme"]["Levels"]) == set(SCHEMES)
        assert set(dictionary["role"]["Levels"]) == {"index", "control", "other", "unknown"}
    assert set(changes["roi"]["Levels"]) == set(ROIS)
    assert {code.value for code in MatchCode} <= set(changes["match_codes"]["Levels"])
    assert set(visits["status"]["Levels"]) == set(get_args(Status))
    assert set(visits["labels"]["Levels"]) == set(discs["labels"]["Levels"]) == set(get_args(LabelKind))
    assert set(visits["review"]["Levels"]) == {code.value for code in ReviewCode}
    assert set(visits["ordered_by"]["Levels"]) == {"date", "protocol", "name", "single", "unknown"}


def test_a_change_that_is_missing_is_not_zero():
    (row,) = rows("changes.tsv")
    assert row["baseline_t2_median_ms"] == "80.000"
    assert row["change_ms"] == row["change_pct"] == row["followup_t2_median_ms"] == "n/a"
    assert row["interval_days"] == row["followup_n_used"] == "n/a"


def test_texts_cannot_break_the_table():
    (row,) = rows("visits.tsv")
    assert row["reason"] == "tab here and line"
    assert row["visit_number"] == "n/a"
    assert (row["n_echoes"], row["n_discs"], row["n_left_out"]) == ("2", "1", "8")


@pytest.mark.parametrize("name", ["discs", "changes", "visits", "roi_sensitivity", "model_sensitivity"])
def test_every_column_is_in_the_data_dictionary_and_units_are_in_names(name):
    dictionary = json.loads(tables()[f"{name}.json"])
    assert list(rows(f"{name}.tsv")[0]) == list(dictionary)
    for column, text in dictionary.items():
        assert text["Description"]
        assert text.get("Units") == "ms" if column.endswith("_ms") else text.get("Units") != "ms"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "n/a"), ("", "n/a"), (math.nan, "n/a"), (-0.0001, "0.000"), (1e6, "1000000.000"), (2, "2"), (0.0, "0.000")],
)
def test_cells_are_written_one_way(value, text):
    assert cell(value, 3) == text
