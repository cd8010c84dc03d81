"""What the protocol's ``[fit]`` means for one visit: its maps, and the other models it asks to see beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from t2disc.errors import ArgumentInvalid, FitError, TrainUnsuited
from t2disc.model import DiscLabels, EchoStack, FitQuality, ModelSensitivity, T2Map

if TYPE_CHECKING:
    from t2disc.model.protocol import FitSettings


def fit_visit(stack: EchoStack, settings: FitSettings) -> T2Map:
    """Fit every voxel of a visit with the model of the protocol.

    Raises
    ------
    FitError
        The model cannot be fitted to this series.
    """
    from t2disc.fit import fit_t2

    _refuse_echoes(stack.n_echoes, settings)
    return fit_t2(
        stack,
        model=settings.model,
        noise=settings.noise,
        echoes=settings.echo_choice,
        min_snr=settings.min_snr,
        options=settings.options,
    )


def refuse_unsuited(echo_times_ms: Sequence[float], settings: FitSettings) -> None:
    """Refuse, before any pixel is read, an echo train that the protocol's echoes or model cannot be fitted to.

    Raises
    ------
    TrainUnsuited
        ``train-unsuited``: the model is not for this train, or the protocol asks for echoes that it has not, or leaves
        too few.
    """
    from t2disc.fit import require_suited

    _refuse_echoes(len(echo_times_ms), settings)
    require_suited(echo_times_ms, model=settings.model, echoes=settings.echo_choice, options=settings.options)


def _refuse_echoes(n_echoes: int, settings: FitSettings) -> None:
    """Refuse a train that has not the echoes which the protocol asks for, by the keys that ask for them."""
    try:
        settings.echo_choice.of(n_echoes)
    except ArgumentInvalid as refusal:
        asked = {"skip_first": settings.skip_first, "even_only": settings.even_only, "echoes": settings.echoes}
        keys = ", ".join(key for key, value in asked.items() if value)
        raise TrainUnsuited(
            refusal.found,
            expected=refusal.expected,
            todo=f"correct [fit] {keys} in the protocol file, or ask the site for the series that the study is of",
        ) from None


def judge_visit(stack: EchoStack, t2map: T2Map) -> FitQuality:
    """Tell how well the fitted curves describe the signal, voxel by voxel."""
    from t2disc.fit import judge_fit

    return judge_fit(stack, t2map)


def see_other_models(
    stack: EchoStack, discs: DiscLabels, t2map: T2Map, settings: FitSettings
) -> tuple[tuple[ModelSensitivity, ...], tuple[str, ...]]:
    """Fit the discs with each model of ``[fit] compare`` too, and set all side by side.

    Returns
    -------
    sensitivities, remarks
        Nothing where no other model is asked for; a remark for each that cannot be fitted to this series.
    """
    from t2disc.measure import compare_models

    if not settings.others or not discs.levels:
        return (), ()
    others, remarks = [], []
    for found in _fitted_discs(stack, discs, t2map, settings):
        if isinstance(found, T2Map):
            others.append(found)
        else:
            remarks.append(found)
    return compare_models((t2map, *others), discs), tuple(remarks)


def _fitted_discs(stack: EchoStack, discs: DiscLabels, t2map: T2Map, settings: FitSettings) -> Iterator[T2Map | str]:
    """Yield the maps of each other model within the discs, or why there are none."""
    from t2disc.fit import fit_t2

    for model in settings.others:
        try:
            yield fit_t2(
                stack,
                discs.discs > 0,
                model,
                noise=t2map.noise,
                echoes=settings.echo_choice,
                min_snr=settings.min_snr,
                options=settings.options,
            )
        except FitError as refusal:
            yield f"model {model} not compared [{refusal.code}]: {refusal.found}"
