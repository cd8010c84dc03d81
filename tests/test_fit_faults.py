"""What has no T2 gets NaN and its reason; wrong calls are refused with their code."""

from __future__ import annotations

import numpy as np
import pytest

from t2disc.errors import ArgumentInvalid, ModelUnknown
from t2disc.fit import fit_t2, fit_voxels, judge_fit, model_names, register_model, t2_interval_ms
from t2disc.fit.models import BlockFit
from t2disc.model import EchoChoice, EchoStack, Flag

TE = 10.0 * np.arange(1, 9)
GOOD = 1000.0 * np.exp(-TE / 80.0)


def one_changed(index: int, value: float) -> np.ndarray:
    signal = GOOD.copy()
    signal[index] = value
    return signal


FAULTS = {
    "zero": (np.zeros(8), Flag.NO_SIGNAL),
    "negative": (-GOOD, Flag.NO_SIGNAL),
    "one-echo-only": (np.eye(8)[0] * 900.0, Flag.NO_SIGNAL),
    "constant": (np.full(8, 123.4), Flag.NOT_DECAYING),
    "rising": (GOOD[::-1].copy(), Flag.NOT_DECAYING),
    "slowly-rising": (1000.0 + TE, Flag.NOT_DECAYING),
    "nan-first": (one_changed(0, np.nan), Flag.NOT_FINITE),
    "nan-last": (one_changed(-1, np.nan), Flag.NOT_FINITE),
    "infinite": (one_changed(3, np.inf), Flag.NOT_FINITE),
    "minus-infinite": (one_changed(3, -np.inf), Flag.NOT_FINITE),
    "barely-decaying": (1000.0 * np.exp(-TE / 1e5), Flag.BEYOND_ECHO_RANGE),
}


@pytest.mark.parametrize("model", ["mono", "loglinear"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("te", [TE, TE + np.array([0, 0, 1, 0, 0, 2, 0, 0])], ids=["equal", "unequal"])
def test_each_fault_gives_nan_and_its_flag_and_spares_its_neighbours(te, fault, model):
    signal, flag = FAULTS[fault]
    fit = fit_voxels([GOOD, signal, GOOD], te, model=model)
    assert fit.flag.tolist() == [Flag.OK, flag, Flag.OK]
    for numbers in (fit.t2_ms, fit.s0, fit.t2_se_ms):
        assert np.isnan(numbers[1])
        assert np.isfinite(numbers[[0, 2]]).all()


def test_loglinear_needs_every_echo_above_zero_where_mono_does_not():
    signal = one_changed(-1, 0.0)
    assert fit_voxels([signal], TE, model="loglinear").flag[0] == Flag.NO_SIGNAL
    assert fit_voxels([signal], TE, model="mono").flag[0] == Flag.OK


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_signals_of_any_finite_size_are_fitted(scale):
    fit = fit_voxels([scale * GOOD * (1 + 0.01 * np.cos(TE))], TE)
    assert fit.flag[0] == Flag.OK
    assert fit.t2_ms[0] == pytest.approx(80.0, rel=0.05)
    assert 0 < fit.t2_se_ms[0] < 5


def test_voxels_below_the_snr_threshold_are_flagged_only_when_sigma_is_given():
    signal = [GOOD, 0.1 * GOOD, one_changed(5, np.nan) * 0.1]
    sigma = GOOD[0] * 0.1 / 4.9
    assert fit_voxels(signal, TE).flag.tolist() == [Flag.OK, Flag.OK, Flag.NOT_FINITE]
    fit = fit_voxels(signal, TE, sigma=sigma, min_snr=5.0)
    assert fit.flag.tolist() == [Flag.OK, Flag.LOW_SNR, Flag.NOT_FINITE]
    assert np.isnan(fit.t2_ms[1])
    assert fit_voxels(signal, TE, sigma=sigma, min_snr=4.8).flag.tolist() == [Flag.OK, Flag.OK, Flag.NOT_FINITE]


def test_a_contaminated_first_echo_no_longer_counts_when_it_is_skipped():
    fit = fit_voxels([one_changed(0, 10.0)], TE, skip_first=1)
    assert fit.t2_ms[0] == pytest.approx(80.0, rel=1e-6)
    assert fit.s0[0] == pytest.approx(1000.0, rel=1e-6)


def test_no_voxels_give_empty_results():
    assert fit_voxels(np.empty((0, 8)), TE).t2_ms.shape == (0,)


@pytest.mark.parametrize(
    ("signal", "te", "options"),
    [
        pytest.param([GOOD], TE[:-1], {}, id="echo-count"),
        pytest.param(GOOD, TE, {}, id="one-dimensional"),
        pytest.param([GOOD], TE[::-1], {}, id="falling-times"),
        pytest.param([GOOD], np.full(8, 10.0), {}, id="equal-times"),
        pytest.param([GOOD], TE - 10.0, {}, id="time-zero"),
        pytest.param([GOOD], np.append(TE[:-1], np.nan), {}, id="time-nan"),
        pytest.param([[5.0]], [10.0], {}, id="one-echo"),
        pytest.param([GOOD], TE, {"skip_first": 7}, id="one-echo-left"),
        pytest.param([GOOD], TE, {"skip_first": -1}, id="skip-negative"),
        pytest.param([GOOD], TE, {"sigma": 0.0}, id="sigma-zero"),
        pytest.param([GOOD], TE, {"sigma": np.nan}, id="sigma-nan"),
        pytest.param([GOOD], TE, {"sigma": "a"}, id="sigma-text"),
        pytest.param([GOOD], TE, {"sigma": np.full(8, 2.0)}, id="sigma-array"),
        pytest.param([GOOD], TE, {"min_snr": -1.0}, id="min-snr-negative"),
        pytest.param([GOOD], TE, {"min_snr": "a"}, id="min-snr-text"),
        pytest.param([GOOD], TE, {"skip_first": 1.5}, id="skip-in-part"),
        pytest.param([GOOD], TE, {"n_threads": -3}, id="threads-negative"),
        pytest.param([GOOD], TE, {"n_threads": 1.5}, id="threads-in-part"),
        pytest.param([GOOD], TE, {"echoes": [1, 2, 3]}, id="echoes-list"),
        pytest.param([GOOD], TE, {"options": {"t1_ms": 900}}, id="options-dict"),
        pytest.param([GOOD], TE, {"model": "epg", "b1": ["a"]}, id="b1-text"),
        pytest.param([GOOD], "abc", {}, id="times-text"),
        pytest.param([GOOD, GOOD[:-1]], TE, {}, id="ragged"),
        pytest.param([GOOD * 1j], TE, {}, id="complex"),
    ],
)
def test_wrong_calls_are_refused(signal, te, options):
    with pytest.raises(ArgumentInvalid) as refused:
        fit_voxels(signal, te, **options)
    assert refused.value.code == "argument-invalid"
    assert refused.value.expected


@pytest.mark.parametrize("rule", [{"skip_first": 1.5}, {"numbers": (1, 2.5)}, {"numbers": 3}, {"drop_below": "a"}])
def test_a_rule_that_is_no_rule_is_refused(rule):
    with pytest.raises(ArgumentInvalid):
        EchoChoice(**rule)


@pytest.mark.parametrize("wanted", [{}, {"options": {"t1_ms": 900}}, {"echoes": [1, 2, 3]}, {"n_threads": 0}])
def test_a_map_is_made_of_a_stack_alone_and_of_what_was_meant(wanted):
    stack = EchoStack(signal=np.tile(GOOD, (2, 2, 2, 1)), echo_times_ms=TE, affine=np.eye(4))
    with pytest.raises(ArgumentInvalid):
        fit_t2(stack if wanted else stack.signal, **wanted)


def test_an_echo_that_is_masked_is_missing_and_not_what_lies_under_the_mask():
    masked = np.ma.masked_array([GOOD, GOOD], mask=np.eye(8, dtype=bool)[:2])
    for kind in (np.float32, np.float64, np.int16):
        fit = fit_voxels(masked.astype(kind), TE, skip_first=1)
        assert fit.flag.tolist() == [Flag.OK, Flag.NOT_FINITE]
    stack = EchoStack(signal=masked.reshape(1, 1, 2, 8), echo_times_ms=TE, affine=np.eye(4))
    assert fit_t2(stack, skip_first=1).flag.ravel().tolist() == [Flag.OK, Flag.NOT_FINITE]
    with pytest.raises(ArgumentInvalid, match="masked"):
        fit_t2(stack, np.ma.masked_array(np.ones((1, 1, 2), bool), mask=[[[True, False]]]))


@pytest.mark.parametrize("n_echoes", [255, 256, 300])
def test_trains_of_any_length_count_their_echoes(n_echoes):
    te = 1.0 * np.arange(1, n_echoes + 1)
    signal = 1000 * np.exp(-te / 80.0) + 2 * np.cos(te)
    fit = fit_voxels([signal], te)
    assert (fit.n_echoes[0], fit.degrees_of_freedom[0]) == (n_echoes, n_echoes - 2)
    assert fit.t2_ms[0] == pytest.approx(80, rel=0.02)
    stack = EchoStack(signal=np.tile(signal, (2, 2, 2, 1)), echo_times_ms=te, affine=np.eye(4))
    t2map = fit_t2(stack, sigma=1e-3, echoes=EchoChoice(drop_below=1.0))
    assert (t2map.n_echoes == n_echoes).all()
    assert (judge_fit(stack, t2map).degrees_of_freedom == n_echoes - 2).all()
    assert t2map.n_echoes.dtype == (np.uint8 if n_echoes <= 255 else np.uint16)


def test_an_unknown_model_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(ModelUnknown, match="loglinear, mono, mono-offset") as refused:
        fit_voxels([GOOD], TE, model="biexp")
    assert refused.value.code == "model-unknown"


def test_intervals_need_a_level_and_are_missing_without_a_degree_of_freedom():
    with pytest.raises(ArgumentInvalid):
        t2_interval_ms(fit_voxels([GOOD], TE), 1.0)
    low_ms, high_ms = t2_interval_ms(fit_voxels([GOOD[:2]], TE[:2]))
    assert np.isnan(low_ms).all()
    assert np.isnan(high_ms).all()


def test_a_model_plugs_in_by_name_and_its_flagged_numbers_become_nan(monkeypatch):
    monkeypatch.setattr("t2disc.fit.models._MODELS", {})

    @register_model("fixed", algorithm="none", reference="none")
    def fixed(problem):
        def solve(signal, b1):
            ones = np.full(signal.shape[1], problem.train.echo_times_ms[0] * problem.sigma)
            return BlockFit(ones, ones, ones, (signal[0] > 500).astype(np.uint8) * Flag.AT_BOUND)

        return solve

    assert model_names() == ("fixed",)
    fit = fit_voxels([GOOD, 0.5 * GOOD], TE, model="fixed", sigma=2.0)
    assert fit.flag.tolist() == [Flag.AT_BOUND, Flag.OK]
    np.testing.assert_array_equal(fit.t2_ms, [np.nan, 20.0])
    with pytest.raises(ArgumentInvalid):
        register_model("fixed", algorithm="none", reference="none")(lambda problem: None)
