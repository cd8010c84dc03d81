"""Images of a visit with their sidecars, as BIDS names them. The only place where ms become the seconds it demands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from t2disc.model import Acquisition, DiscLabels, EchoStack, FitQuality, Flag, T2Map
from t2disc.store.files import StoredFile, json_file
from t2disc.store.nifti import nifti_bytes
from t2disc.store.records import FitFacts

FLAG_MAP = "desc-flag_dseg"
"""End of the name of the map that tells why a voxel has no T2."""
_MS_PER_S = 1000.0

_FLAG_MEANINGS = {
    Flag.OK: "T2 given",
    Flag.OUTSIDE_MASK: "Outside the mask: not fitted",
    Flag.NOT_FINITE: "Signal holds NaN or infinity",
    Flag.NO_SIGNAL: "Zero or negative signal at too many echoes",
    Flag.LOW_SNR: "First echo below the SNR threshold",
    Flag.NOT_DECAYING: "Signal constant or rising with echo time",
    Flag.BEYOND_ECHO_RANGE: "T2 beyond what these echo times can tell",
    Flag.AT_BOUND: "Fit stopped on a bound of the model",
    Flag.NOT_CONVERGED: "Fit did not converge",
    Flag.B1_UNRESOLVED: "B1 unknown, or another T2 with another B1 would fit as well",
    Flag.OFFSET_UNSAFE: "T2 too long for this train to be told from an offset",
}
_QUALITY_MAPS = {
    "chi2red": ("chi2_red", "Reduced chi-square of the fit: about 1 where the model holds"),
    "r2": ("r2", "Share of the decay that the fit explains, R2"),
    "oddeven": ("odd_even", "Odd/even-echo index: how much higher even echoes lie, as a share of the signal"),
    "decayvariance": ("decay_variance", "Variance about the fitted decay, relative to its first echo squared"),
}
_WINDOW_S, _SE_WINDOW_S = (0.0, 0.2), (0.0, 0.02)  # shown by viewers from black to white; that of T2 as in the overlays


def quantity_of(acquisition: Acquisition) -> str:
    """Return what the decay of the scan measures, as BIDS names it: ``T2star`` of a gradient echo, otherwise ``T2``.

    Source: BIDS 1.9.0, appendix "Quantitative MRI" (``T2map``, ``T2starmap``).
    """
    return acquisition.quantity.replace("*", "star")


def map_files(stem: str, t2map: T2Map, facts: FitFacts, acquisition: Acquisition) -> tuple[StoredFile, ...]:
    """Return the maps of one visit with their sidecars, below the visit's folder.

    Parameters
    ----------
    stem
        ``sub-X_ses-Y``.
    t2map
        T2 and its standard error in ms; both are stored in seconds.
    facts, acquisition
        What the sidecars tell of the fit and of the scan.

    The maps of a gradient echo are named ``T2starmap``.

    Source: BIDS 1.9.0, appendix "Quantitative MRI" (T2map and T2starmap in seconds; S0map in arbitrary units).
    """
    quantity = quantity_of(acquisition)
    symbol = quantity.replace("star", "*")
    common = _provenance(t2map, facts, symbol) | _scan(acquisition)
    t2_text = _described(f"{symbol} in every voxel", "s")
    s0_text = _described("Signal at echo time 0", "arbitrary")
    basis = f", from {t2map.error_basis}" if t2map.error_basis else ""
    se_text = _described(f"Standard error of {symbol}{basis}", "s")
    t2_s, se_s = _to_seconds(t2map.t2_ms), _to_seconds(t2map.t2_se_ms)
    return (
        *image_files(f"{stem}_{quantity}map", t2_s, t2map, t2_text | common, window=_WINDOW_S),
        *image_files(f"{stem}_S0map", t2map.s0, t2map, s0_text | common),
        *image_files(f"{stem}_desc-se_{quantity}map", se_s, t2map, se_text | common, window=_SE_WINDOW_S),
        *_flag_files(f"{stem}_{FLAG_MAP}", t2map, _flag_text(symbol) | common),
        *_model_files(stem, t2map, common),
    )


def _flag_files(name: str, t2map: T2Map, text: dict[str, Any]) -> Iterator[StoredFile]:
    """Yield the map of why voxels have no T2, as a segmentation, and the table that names its values.

    It is no ``mask``, which is 1 where something can be used; names are those of the columns ``n_...`` of discs.tsv.

    Source: BIDS 1.9.0, "Imaging derivatives: discrete segmentations" (columns ``index`` and ``name``).
    """
    rows = ("index\tname", *(f"{int(flag)}\t{flag.name.lower()}" for flag in Flag), "")
    yield from image_files(name, t2map.flag, t2map, text)
    yield StoredFile(path=PurePosixPath("anat", f"{name}.tsv"), content="\n".join(rows).encode())


def _model_files(stem: str, t2map: T2Map, common: dict[str, Any]) -> Iterator[StoredFile]:
    """Yield the maps of what a model or a rule has beyond T2 and S0.

    Source: BIDS 1.9.0, appendix "Quantitative MRI" (TB1map, relative to nominal; a field map, so below ``fmap``).
    """
    if t2map.b1 is not None:
        text = _described("Refocusing efficiency: B1 over nominal, folded to 1 and below where it was fitted", "1")
        yield from image_files(f"{stem}_TB1map", t2map.b1, t2map, text | common, datatype="fmap")
    if t2map.offset is not None:
        text = _described("Constant under the decay", "arbitrary")
        yield from image_files(f"{stem}_desc-offset_fitmap", t2map.offset, t2map, text | common)
    if t2map.n_echoes is not None:
        text = _described("Echoes used, 0 where there is no fit", "1")
        yield from image_files(f"{stem}_desc-nechoes_fitmap", t2map.n_echoes, t2map, text | common)


def echo_files(stem: str, stack: EchoStack) -> tuple[StoredFile, ...]:
    """Return the first echo of one visit, the picture on which outlines are judged, with its sidecar.

    Parameters
    ----------
    stem
        ``sub-X_ses-Y``.
    stack
        The aligned echoes; the first is the one that the others were aligned to.

    Source: BIDS 1.9.0, "Magnetic Resonance Imaging" (suffixes MESE and MEGRE, entity ``echo``).
    """
    name = first_echo_name(stem, stack.acquisition)
    echo_time = {"EchoTime": _seconds(float(stack.echo_times_ms[0]))}
    text = _described("First echo, as acquired", "arbitrary") | echo_time | _scan(stack.acquisition)
    return image_files(name, stack.signal[..., 0], stack, text)


def first_echo_name(stem: str, acquisition: Acquisition) -> str:
    """Return the name of the file of :func:`echo_files`, without its ending."""
    kind = "MEGRE" if quantity_of(acquisition) == "T2star" else "MESE"
    return f"{stem}_echo-1_desc-preproc_{kind}"


def quality_files(stem: str, quality: FitQuality) -> Iterator[StoredFile]:
    """Yield the maps of goodness of fit of one visit with their sidecars, below the visit's folder."""
    for name, (attribute, description) in _QUALITY_MAPS.items():
        text = _described(f"{description}. t2disc model '{quality.model}'", "1")
        yield from image_files(f"{stem}_desc-{name}_fitmap", getattr(quality, attribute), quality, text)


def image_files(
    name: str,
    values: NDArray[Any],
    grid: EchoStack | T2Map | DiscLabels | FitQuality,
    sidecar: dict[str, Any],
    *,
    window: tuple[float, float] | None = None,
    datatype: Literal["anat", "fmap"] = "anat",
) -> tuple[StoredFile, StoredFile]:
    """Return an image on a visit's grid and its sidecar, in the folder of its BIDS datatype below the visit's."""
    volume = nifti_bytes(values, grid.affine, window=window)
    return (
        StoredFile(path=PurePosixPath(datatype, f"{name}.nii.gz"), content=volume),
        json_file(f"{datatype}/{name}.json", sidecar),
    )


# ------------------------------------------------------------------------------------------------ sidecars
def _described(description: str, units: str) -> dict[str, Any]:
    """Return the start of a map's sidecar; that no map is skull-stripped is a key that BIDS demands."""
    return {"Description": description, "Units": units, "SkullStripped": False}


def _flag_text(symbol: str) -> dict[str, Any]:
    meanings = {flag: meaning.replace("T2", symbol) for flag, meaning in _FLAG_MEANINGS.items()}
    return {
        "Description": f"Why a voxel has no {symbol}; 0 where it has one",
        "Levels": {str(int(flag)): f"{flag.name}: {meaning}" for flag, meaning in meanings.items()},
    }


def _provenance(t2map: T2Map, facts: FitFacts, symbol: str) -> dict[str, Any]:
    """Return how the maps came to be.

    ``Sources`` of BIDS are paths or URIs: to tell them the name of a DICOM file, or where the input lies on this
    machine, would stand in the outputs. So what was used is told in words under a key of ours.
    """
    n_echoes = facts.n_acquired or len(facts.echo_times_ms) + facts.skip_first
    sigma = facts.noise.sigma
    return {
        "EstimationAlgorithm": f"{t2map.algorithm.replace('T2', symbol)} (t2disc model '{t2map.model}')",
        "EstimationReference": t2map.reference,
        "EchoTime": [_seconds(te_ms) for te_ms in facts.echo_times_ms],
        "SourceDescription": f"multi-echo series of this visit, {n_echoes} echoes",
        "SkipFirst": facts.skip_first,
        "EchoRule": str(facts.echoes),
        "MinimumSNR": facts.min_snr,
        "NoiseSigma": float(f"{sigma:.6g}") if np.isfinite(sigma) else None,
        "NoiseMethod": facts.noise.method,
        "NoiseVoxels": facts.noise.n_voxels,
    } | _assumptions(t2map, facts)


def _assumptions(t2map: T2Map, facts: FitFacts) -> dict[str, Any]:
    """Return what the model assumed, of models that assume anything."""
    options = facts.options
    channels = {"ReceiveChannels": options.n_channels} if facts.model in {"rician", "epg-rician"} else {}
    if t2map.b1 is None:
        return channels
    pulse = options.pulse if isinstance(options.pulse, str) else "a given slice profile"
    pulses = {
        "RefocusingFlipAngle": options.refocusing_deg,
        "PulseShape": pulse,
        "RefocusingSliceWidth": options.refocusing_width,
    }
    return channels | {"AssumedT1": _seconds(options.t1_ms)} | pulses


def _scan(acquisition: Acquisition) -> dict[str, Any]:
    """Return the allow-listed facts under their BIDS names; what the header did not say is left out.

    The flip angle stays in the visit's record: BIDS means that of excitation, (0018,1314) may be that of refocusing.
    """
    tr_ms = acquisition.repetition_time_ms
    facts = {
        "Manufacturer": acquisition.vendor,
        "ManufacturersModelName": acquisition.scanner_model,
        "MagneticFieldStrength": acquisition.field_strength_t,
        "SoftwareVersions": acquisition.software,
        "ReceiveCoilName": acquisition.receive_coil,
        "PulseSequenceType": acquisition.sequence,
        "RepetitionTimeExcitation": None if tr_ms is None else _seconds(tr_ms),
        "SliceThickness": acquisition.slice_thickness_mm,
        "SpacingBetweenSlices": _slice_step_mm(acquisition),
        "AcquisitionDate": acquisition.acquisition_date,
        "AcquisitionTime": acquisition.acquisition_time,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _slice_step_mm(acquisition: Acquisition) -> float | None:
    if acquisition.slice_thickness_mm is None or acquisition.slice_gap_mm is None:
        return None
    return round(acquisition.slice_thickness_mm + acquisition.slice_gap_mm, 6)


# ------------------------------------------------------------------------------------------------ seconds
def _to_seconds(values_ms: NDArray[np.float32]) -> NDArray[np.float32]:
    return (values_ms.astype(np.float64) / _MS_PER_S).astype(np.float32)


def _seconds(value_ms: float) -> float:
    """Return ms as seconds in the shortest decimal that tells nanoseconds."""
    return round(value_ms / _MS_PER_S, 9)
