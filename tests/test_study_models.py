"""Which model makes the maps, and the others set beside it: from the command line's words to the table's rows."""

from __future__ import annotations

import numpy as np
import pytest

from t2disc.errors import ModelUnknown, NoiseUnknown, ProtocolInvalid, TrainUnsuited
from t2disc.measure import compare_models
from t2disc.model import DiscLabels, EchoChoice, EchoStack, Flag, ModelOptions
from t2disc.model.protocol import FitSettings
from t2disc.study.fits import fit_visit, refuse_unsuited, see_other_models
from t2disc.study.protocolfile import read_protocol
from tests.trains import cpmg_trains

TE_MS = 10.0 * np.arange(1, 17)
SHAPE = (12, 20, 20)


def stack_of(*, b1: float = 0.8, t2_ms: float = 80.0, snr: float = 60.0, te_ms=TE_MS) -> EchoStack:
    """A block of one tissue in the lower half of the volume, air above; Rician noise."""
    rng = np.random.default_rng(0)
    clean = np.zeros((*SHAPE, te_ms.size))
    clean[:, :, :10] = 1000 * cpmg_trains(np.array([t2_ms]), np.array([b1]), te_ms.size)[0]
    sigma = 1000 / snr
    signal = np.hypot(clean + rng.normal(0, sigma, clean.shape), rng.normal(0, sigma, clean.shape))
    return EchoStack(signal=signal.astype(np.float32), echo_times_ms=te_ms, affine=np.diag([4.0, 0.7, 0.7, 1.0]))


def discs_of(stack: EchoStack) -> DiscLabels:
    discs = np.zeros(stack.shape, np.uint8)
    regions = np.zeros(stack.shape, np.uint8)
    discs[2:10, 3:17, 2:8] = DiscLabels.value_of("L4/L5")
    regions[2:10, 3:17, 2:8] = 1
    return DiscLabels(discs=discs, regions=regions, levels=("L4/L5",), affine=stack.affine)


def test_the_first_of_the_models_makes_the_maps_unless_another_is_named():
    assert read_protocol(None, models=("rician", "epg")).fit.model == "rician"
    assert read_protocol(None, models=("rician", "epg")).fit.others == ("epg",)
    fit = read_protocol(None, model="mono", models=("rician", "epg", "rician")).fit
    assert (fit.model, fit.others) == ("mono", ("rician", "epg"))
    assert read_protocol(None).fit.others == ()


def test_a_model_to_compare_that_nobody_knows_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ModelUnknown, match="biexp"):
        read_protocol(None, models=("mono", "biexp"))
    (tmp_path / "p.toml").write_text('[fit]\ncompare = ["biexp"]\n')
    with pytest.raises(ModelUnknown, match="biexp"):
        read_protocol(tmp_path / "p.toml")


@pytest.mark.parametrize(
    "line", ["echoes = [3, 2]", "echoes = []", "drop_below_snr = 0", 'noise = "air"', "n_channels = 0"]
)
def test_settings_of_the_fit_that_cannot_be_are_refused_with_their_key(tmp_path, line):
    (tmp_path / "p.toml").write_text(f"[fit]\n{line}\n")
    with pytest.raises(ProtocolInvalid, match=rf"fit\.{line.split(' ')[0]}"):
        read_protocol(tmp_path / "p.toml")


def test_the_protocol_reaches_the_fit():
    settings = FitSettings(
        model="epg", skip_first=1, drop_below_snr=2.0, min_snr=3.0, t1_ms=900.0, pulse="sinc", noise="residual"
    )
    t2map = fit_visit(stack_of(), settings)
    assert (t2map.model, t2map.noise.method) == ("epg", "residual")
    assert t2map.echoes == EchoChoice(skip_first=1, drop_below=2.0)
    assert t2map.options == ModelOptions(t1_ms=900.0, pulse="sinc")
    assert t2map.echo_times_ms.tolist() == TE_MS[1:].tolist()
    assert t2map.n_echoes is not None
    assert t2map.b1 is not None


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        (FitSettings(skip_first=15), "[fit] skip_first in"),
        (FitSettings(echoes=(1, 17)), "[fit] echoes in"),
        (FitSettings(skip_first=14, even_only=True), "[fit] skip_first, even_only in"),
    ],
    ids=["skip", "list", "both"],
)
def test_echoes_that_the_protocol_asks_for_in_vain_are_the_protocols_fault(settings, keys):
    for refused_by in (lambda: fit_visit(stack_of(), settings), lambda: refuse_unsuited(TE_MS.tolist(), settings)):
        with pytest.raises(TrainUnsuited) as refused:
            refused_by()
        assert f"correct {keys} the protocol file" in refused.value.todo


def test_a_reader_sees_at_once_that_the_answer_depends_on_the_model():
    stack = stack_of(b1=0.8, t2_ms=80.0)
    discs = discs_of(stack)
    settings = FitSettings(compare=("rician", "epg", "epg-rician"))
    t2map = fit_visit(stack, settings)
    rows, remarks = see_other_models(stack, discs, t2map, settings)
    assert remarks == ()
    disc = next(row for row in rows if row.region == "disc")
    assert [median.model for median in disc.medians] == ["mono", "rician", "epg", "epg-rician"]
    assert disc.median("epg-rician").t2_median_ms == pytest.approx(80.0, rel=0.01)
    assert disc.medians[0].t2_median_ms > 83.0  # stimulated echoes
    assert disc.spread_pct > 4.0
    assert disc.n_voxels == disc.medians[0].n_used == 8 * 14 * 6


def test_a_model_that_does_not_suit_the_series_is_told_and_the_others_are_compared():
    stack = stack_of(te_ms=TE_MS)
    unequal = EchoStack(signal=stack.signal, echo_times_ms=TE_MS + 3.0 * (np.arange(16) > 4), affine=stack.affine)
    settings = FitSettings(compare=("epg", "rician"))
    t2map = fit_visit(unequal, settings)
    rows, remarks = see_other_models(unequal, discs_of(unequal), t2map, settings)
    assert [median.model for median in rows[0].medians] == ["mono", "rician"]
    assert len(remarks) == 1
    assert "epg not compared [train-unsuited]" in remarks[0]
    with pytest.raises(TrainUnsuited):
        fit_visit(unequal, FitSettings(model="epg"))


def test_a_model_of_the_noise_floor_is_refused_where_the_noise_is_unknown():
    stack = stack_of()
    two = EchoStack(signal=stack.signal[:, :, :10, :2], echo_times_ms=TE_MS[:2], affine=stack.affine)
    with pytest.raises(NoiseUnknown) as refused:
        fit_visit(two, FitSettings(model="rician"))
    assert refused.value.code == "noise-unknown"


def test_a_disc_without_a_voxel_that_can_be_fitted_has_no_median():
    stack = stack_of()
    t2map = fit_visit(stack, FitSettings())
    nothing = EchoStack(signal=np.zeros_like(stack.signal), echo_times_ms=TE_MS, affine=stack.affine)
    dark = fit_visit(nothing, FitSettings())
    assert (dark.flag == Flag.NO_SIGNAL).all()
    row = compare_models((t2map, dark), discs_of(stack))[0]
    assert row.medians[1].n_used == 0
    assert np.isnan(row.medians[1].t2_median_ms)
    assert np.isnan(row.spread_ms)
