"""The kernels on other arrays than NumPy's: under the strict standard, and on torch where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from modelled import MODELS, TE_8

from t2disc.errors import ArgumentInvalid
from t2disc.fit import fit_t2, fit_voxels
from t2disc.fit.backend import BACKENDS, Backend
from t2disc.model import EchoChoice, EchoStack, Flag

SNR = 20.0
every_model = pytest.mark.parametrize("name", MODELS)


def assert_equal_to_numpy(name, backend, **more):
    own = MODELS[name](300, TE_8)
    signal = np.concatenate([own.noisy(SNR)[:270], own.noisy(2.0)[270:290], np.full((5, 8), np.nan), np.zeros((5, 8))])
    told = {"sigma": 1000 / SNR, "min_snr": 0.0, "covariance": True} | more
    one, other = own.fit(signal, **told), own.fit(signal, backend=backend, **told)
    np.testing.assert_array_equal(other.flag, one.flag)
    assert (one.flag == Flag.OK).sum() > 200
    for field in ("t2_ms", "s0", "b1", "offset"):
        if getattr(one, field) is not None:
            np.testing.assert_allclose(getattr(other, field), getattr(one, field), rtol=1e-6, atol=1e-6, err_msg=field)
    for field in ("t2_se_ms", "covariance"):
        np.testing.assert_allclose(getattr(other, field), getattr(one, field), rtol=1e-3, atol=1e-12, err_msg=field)


@every_model
def test_kernels_use_only_what_the_array_standard_has_and_give_the_numbers_of_numpy(name, monkeypatch):
    strict, plain = pytest.importorskip("array_api_strict"), Backend("numpy").xp
    monkeypatch.setattr("t2disc.fit.backend._namespace", lambda name: strict if name == "cupy" else plain)
    monkeypatch.setattr(Backend, "to_numpy", lambda self, values: np.asarray(values))
    assert isinstance(Backend("cupy").asarray(np.ones(2)), type(strict.asarray([1.0])))
    assert_equal_to_numpy(name, "cupy", echoes=EchoChoice(drop_below=None if "epg" in name else 2.0))


@every_model
def test_on_torch_the_numbers_are_those_of_numpy(name):
    pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    assert_equal_to_numpy(name, "torch", device="cpu")


def test_maps_on_torch_are_those_of_numpy():
    pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    own = MODELS["epg-rician"](16 * 12 * 4, TE_8)
    signal = own.noisy(SNR).astype(np.float32).reshape(16, 12, 4, 8)
    stack = EchoStack(signal=signal, echo_times_ms=TE_8, affine=np.eye(4))
    one, other = (fit_t2(stack, model="epg-rician", sigma=50.0, backend=name) for name in ("numpy", "torch"))
    np.testing.assert_array_equal(other.flag, one.flag)
    np.testing.assert_allclose(other.t2_ms, one.t2_ms, rtol=1e-5)
    np.testing.assert_allclose(other.b1, one.b1, rtol=1e-5)


def test_a_backend_that_is_not_known_or_not_installed_is_refused(monkeypatch):
    own = MODELS["mono"](2, TE_8)
    with pytest.raises(ArgumentInvalid, match="jax") as refused:
        own.fit(own.clean, backend="jax")
    assert refused.value.expected == "one of " + ", ".join(BACKENDS)
    monkeypatch.setitem(__import__("sys").modules, "array_api_compat.cupy", None)
    with pytest.raises(ArgumentInvalid, match="not installed") as missing:
        fit_voxels(own.clean, TE_8, backend="cupy")
    assert "pip install" in missing.value.todo
