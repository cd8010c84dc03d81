"""Marks of the vendors, as they stand in real headers, and what they mean."""

from __future__ import annotations

import pytest

from t2disc.ingest.frametype import component, sequence, vendor


@pytest.mark.parametrize(
    ("image_type", "expected"),
    [
        (r"ORIGINAL\PRIMARY\M\ND", "magnitude"),  # Siemens classic
        (r"ORIGINAL\PRIMARY\M\ND\NORM", "magnitude"),
        (r"ORIGINAL\PRIMARY\P\ND", "phase"),
        (r"ORIGINAL\PRIMARY\OTHER", "magnitude"),  # GE
        (r"ORIGINAL\PRIMARY\M_SE\M\SE", "magnitude"),  # Philips
        (r"ORIGINAL\PRIMARY\PHASE MAP\P\SE", "phase"),
        (r"ORIGINAL\PRIMARY\R_SE\R\SE", "real part"),
        (r"ORIGINAL\PRIMARY\T2 MAP\T2\UNSPECIFIED", "scanner map"),
        (r"ORIGINAL\PRIMARY\T2\NONE", "magnitude"),  # enhanced: the third value is the weighting
        (r"ORIGINAL\PRIMARY\M\NONE", "magnitude"),  # Siemens XA
        (r"DERIVED\PRIMARY\T2_MAP\T2_MAP", "scanner map"),
        (r"DERIVED\PRIMARY\T2\NONE", "scanner map"),
        (r"DERIVED\PRIMARY\M\MEAN", "combined echoes"),
        (r"DERIVED\SECONDARY\REFORMATTED", "derived image"),
        (r"ORIGINAL\PRIMARY\LOCALIZER\M", "localiser"),
    ],
)
def test_image_types_of_real_headers(image_type, expected):
    assert component(image_type.split("\\")) == expected


def test_the_complex_component_and_ges_raw_type_tell_phase_where_the_image_type_does_not():
    assert component(["ORIGINAL", "PRIMARY", "OTHER"], "PHASE") == "phase"
    assert component(["ORIGINAL", "PRIMARY", "OTHER"], ge_raw_type=3) == "imaginary part"
    assert component(["ORIGINAL", "PRIMARY", "OTHER"], ge_raw_type=0) == "magnitude"


@pytest.mark.parametrize(
    ("scanning", "pulse", "image_type", "expected"),
    [
        (["SE"], "", [], "spin-echo"),
        (["SE", "IR"], "", [], "spin-echo"),
        (["GR"], "", [], "gradient-echo"),
        (["SE", "GR"], "", [], "spin-echo"),
        ([], "SPIN", [], "spin-echo"),
        ([], "GRADIENT", [], "gradient-echo"),
        ([], "", ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"], "gradient-echo"),
        ([], "", ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"], "spin-echo"),
        (["RM"], "", [], "unknown"),
        ([], "", [], "unknown"),
    ],
)
def test_the_sequence_is_named_only_where_the_header_names_it(scanning, pulse, image_type, expected):
    assert sequence(scanning, pulse, image_type) == expected


def test_vendors_have_one_name_each():
    names = ["SIEMENS", "Siemens Healthineers", "GE MEDICAL SYSTEMS", "Philips Medical Systems", "TOSHIBA", "UIH"]
    assert [vendor(name) for name in names] == ["Siemens", "Siemens", "GE", "Philips", "Canon", "United Imaging"]
    assert (vendor(""), vendor("UNKNOWN"), vendor("Somebody")) == (None, None, "other")
