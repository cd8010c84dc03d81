"""Which echoes are used: rules for all voxels, and weak echoes dropped voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelled import MODELS, TE_8, TE_16, bits, decays, noisy

from t2disc.errors import ArgumentInvalid, NoiseUnknown, TrainUnsuited
from t2disc.fit import fit_t2, fit_voxels, t2_interval_ms
from t2disc.model import EchoChoice, EchoStack, Flag


# ------------------------------------------------------------------------------------------------ rules
@pytest.mark.parametrize(
    ("choice", "used", "words"),
    [
        (EchoChoice(), (1, 2, 3, 4, 5, 6, 7, 8), "all echoes"),
        (EchoChoice(skip_first=2), (3, 4, 5, 6, 7, 8), "the first 2 left out"),
        (EchoChoice(even_only=True), (2, 4, 6, 8), "even echoes only"),
        (EchoChoice(even_only=True, skip_first=2), (4, 6, 8), "the first 2 left out; even echoes only"),
        (EchoChoice(numbers=(1, 2, 5)), (1, 2, 5), "echoes 1, 2, 5"),
        (EchoChoice(numbers=(1, 2, 4, 6), even_only=True), (2, 4, 6), "even echoes only; echoes 1, 2, 4, 6"),
        (EchoChoice(drop_below=3), (1, 2, 3, 4, 5, 6, 7, 8), "in each voxel none from the first below 3 sigma on"),
    ],
)
def test_a_rule_gives_its_echoes_and_says_so_in_words(choice, used, words):
    assert choice.of(8) == used
    assert str(choice) == words


@pytest.mark.parametrize(
    "wrong",
    [{"skip_first": -1}, {"numbers": ()}, {"numbers": (0, 1)}, {"numbers": (2, 1)}, {"numbers": (1, 1)}]
    + [{"drop_below": value} for value in (0.0, -1.0, np.nan, np.inf)],
)
def test_rules_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ArgumentInvalid):
        EchoChoice(**wrong)


@pytest.mark.parametrize("choice", [EchoChoice(skip_first=7), EchoChoice(numbers=(1, 9)), EchoChoice(numbers=(3,))])
def test_rules_that_leave_fewer_than_two_echoes_or_ask_for_others_are_refused(choice):
    with pytest.raises(ArgumentInvalid):
        choice.of(8)


@given(
    data=st.data(), n_echoes=st.integers(4, 16), name=st.sampled_from(["mono", "rician", "loglinear", "mono-offset"])
)
def test_choosing_echoes_is_fitting_only_these(data, n_echoes, name):
    te = 10.0 * np.arange(1, n_echoes + 1)
    numbers = tuple(sorted(data.draw(st.sets(st.integers(1, n_echoes), min_size=3))))
    choice = EchoChoice(numbers=numbers)
    own = MODELS[name](30, te)
    signal, rows = own.noisy(40.0), [n - 1 for n in numbers]
    chosen = own.fit(signal, 40.0, echoes=choice)
    assert bits(chosen) == bits(own._replace(echo_times_ms=te[rows]).fit(signal[:, rows], 40.0))
    assert (chosen.n_echoes == len(numbers)).all()


CHOICES = [EchoChoice(skip_first=1), EchoChoice(numbers=(1, 2, 3, 4, 6, 9, 12)), EchoChoice(even_only=True)]


@pytest.mark.parametrize(
    ("name", "choice"),
    # a train with gaps tells T2 only where B1 is known
    [("epg, B1 given", choice) for choice in CHOICES]
    + [(name, choice) for name in ("epg", "epg-rician") for choice in CHOICES[:1]],
)
def test_stimulated_echo_models_know_which_echoes_of_the_train_they_are_given(name, choice):
    own = MODELS[name](300)
    fit = own.fit(own.clean, 1e6, echoes=choice)
    ok = fit.flag == Flag.OK
    found = ok & (np.abs(fit.t2_ms / own.t2_ms - 1) < 1e-5)
    assert found.all() if choice != CHOICES[-1] else found.mean() > 0.99  # some start at a far T2 much alike


@pytest.mark.parametrize("choice", [*CHOICES[1:], EchoChoice(skip_first=2)])
@pytest.mark.parametrize("name", ["epg", "epg-rician"])
def test_stimulated_echo_models_refuse_trains_that_cannot_tell_b1(name, choice):
    own = MODELS[name](3)
    with pytest.raises(TrainUnsuited, match="without a gap"):
        own.fit(own.clean, 1e6, echoes=choice)


def test_skipping_by_two_rules_at_once_is_refused():
    own = MODELS["mono"](3)
    with pytest.raises(ArgumentInvalid, match="skip_first"):
        own.fit(own.clean, skip_first=1, echoes=EchoChoice(skip_first=2))


def test_skip_first_is_short_for_its_rule():
    own = MODELS["mono"](50)
    signal = own.noisy(40.0)
    assert bits(own.fit(signal, skip_first=2)) == bits(own.fit(signal, echoes=EchoChoice(skip_first=2)))


# ------------------------------------------------------------------------------------------------ weak echoes
def test_echoes_are_dropped_from_the_first_weak_one_on_even_if_later_ones_are_bright():
    signal = np.array(
        [
            [900, 700, 500, 400, 300, 250, 200, 150],
            [900, 500, 300, 150, 99, 150, 150, 150],
            [900, 300, 100, 33, 11, 4, 1, 1],
            [900, 99, 500, 500, 500, 500, 500, 500],
            [99, 900, 500, 400, 300, 250, 200, 150],
        ],
        dtype=float,
    )
    fit = fit_voxels(signal, TE_8, sigma=50.0, min_snr=0.0, echoes=EchoChoice(drop_below=2.0))
    assert fit.n_echoes.tolist()[:3] == [8, 4, 3]
    assert fit.flag.tolist() == [Flag.OK, Flag.OK, Flag.OK, Flag.LOW_SNR, Flag.LOW_SNR]
    assert fit.degrees_of_freedom[:3].tolist() == [6, 2, 1]
    assert np.isnan(fit.t2_ms[3:]).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_voxel_with_weak_echoes_dropped_is_fitted_as_if_they_had_not_been_measured(name):
    own = MODELS[name](200)
    signal, sigma = own.noisy(20.0), 50.0
    told = {"sigma": sigma, "covariance": True}
    fit = own.fit(signal, echoes=EchoChoice(drop_below=3.0), **told)
    used = sorted(set(fit.n_echoes[fit.flag == Flag.OK].tolist()))
    assert len(used) > 3
    is_same = []
    for n in used[:: max(1, len(used) // 4)]:
        rows = np.flatnonzero((fit.n_echoes == n) & (fit.flag == Flag.OK))
        b1 = {"b1": own.given["b1"][rows]} if "b1" in own.given else {}
        short = own._replace(echo_times_ms=TE_16[:n]).fit(signal[rows, :n], **told, **b1)
        np.testing.assert_array_equal(short.n_echoes, fit.n_echoes[rows])
        np.testing.assert_allclose(short.degrees_of_freedom, fit.degrees_of_freedom[rows])
        np.testing.assert_array_equal(short.flag, fit.flag[rows])
        is_same.extend(np.abs(short.t2_ms / fit.t2_ms[rows] - 1) < 1e-5)
        np.testing.assert_allclose(short.t2_se_ms, fit.t2_se_ms[rows], rtol=0.1)
    # in noise a voxel of the epg models may have two optima, and the dictionary of a shorter train lead to the other
    assert np.mean(is_same) > 0.99 if name in ("epg", "epg-rician") else all(is_same)


def test_dropping_weak_echoes_lessens_the_bias_of_least_squares_at_low_snr():
    signal = noisy(np.repeat(decays(TE_16, 35.0), 5000, axis=0), 50.0)
    all_echoes = fit_voxels(signal, TE_16, sigma=50.0)
    dropped = fit_voxels(signal, TE_16, sigma=50.0, echoes=EchoChoice(drop_below=3.0))
    assert np.nanmedian(all_echoes.t2_ms) / 35 - 1 > 0.05
    assert abs(np.nanmedian(dropped.t2_ms) / 35 - 1) < 0.6 * (np.nanmedian(all_echoes.t2_ms) / 35 - 1)


def test_intervals_know_how_many_echoes_each_voxel_has_left():
    own = MODELS["mono"](20_000)
    fit = own.fit(own.noisy(40.0), sigma=25.0, echoes=EchoChoice(drop_below=6.0))
    low_ms, high_ms = t2_interval_ms(fit)
    by_hand = (high_ms - low_ms) / 2 / fit.t2_se_ms
    few, many = fit.n_echoes <= 5, fit.n_echoes >= 15
    assert few.sum() > 10
    assert np.nanmin(by_hand[few]) > 3.1
    assert np.nanmax(by_hand[many]) < 2.2


def test_a_map_records_the_rule_and_the_echoes_of_each_voxel():
    own = MODELS["mono"](12 * 10 * 4, TE_8)
    signal = own.noisy(30.0).astype(np.float32)
    stack = EchoStack(signal=signal.reshape(12, 10, 4, 8), echo_times_ms=TE_8, affine=np.eye(4))
    choice = EchoChoice(skip_first=1, drop_below=5.0)
    t2map, voxels = fit_t2(stack, sigma=33.0, echoes=choice), fit_voxels(signal, TE_8, sigma=33.0, echoes=choice)
    assert t2map.echoes == choice
    np.testing.assert_array_equal(t2map.echo_times_ms, TE_8[1:])
    ok = voxels.flag == Flag.OK
    np.testing.assert_array_equal(t2map.n_echoes.reshape(-1)[ok], voxels.n_echoes[ok])
    assert len(set(voxels.n_echoes[ok].tolist())) > 2
    np.testing.assert_array_equal(t2map.t2_ms.reshape(-1), voxels.t2_ms.astype(np.float32))
    for one, other in zip(t2_interval_ms(t2map), t2_interval_ms(voxels), strict=True):
        np.testing.assert_allclose(one.reshape(-1), other, rtol=1e-4)


def test_weak_echoes_cannot_be_told_without_sigma():
    with pytest.raises(ArgumentInvalid, match="without sigma"):
        fit_voxels(decays(TE_8, 80.0), TE_8, echoes=EchoChoice(drop_below=3.0))
    blank = EchoStack(signal=np.zeros((12, 12, 3, 8), np.float32), echo_times_ms=TE_8, affine=np.eye(4))
    with pytest.raises(NoiseUnknown):
        fit_t2(blank, echoes=EchoChoice(drop_below=3.0))
