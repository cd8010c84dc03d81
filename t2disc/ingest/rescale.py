"""One intensity scale for all echoes: without it T2 is wrong and nothing looks wrong."""

from __future__ import annotations

from collections.abc import Sequence

from t2disc.errors import RescaleUnequal
from t2disc.ingest.frames import Rescale


def common_scale(rescales: Sequence[Rescale]) -> list[tuple[float, float]]:
    """Return (factor, offset) for each plane, such that stored * factor + offset is on one scale.

    * Philips with its private scale slope: the floating-point value
      ``(stored * slope + intercept) / (slope * scale_slope)``.
    * One rescale for the series, or none: the displayed value ``stored * slope + intercept``.

    Source: DICOM PS3.3 C.11.1; Philips private element (2005,100E); Chenevert et al., Transl Oncol 7:65 (2014).

    Raises
    ------
    RescaleUnequal
        ``rescale-unequal``: rescales differ without the scale slope (whether they only fill the display range, as at
        Philips, or mean something, the header does not say), some planes have a rescale and others none, or a slope
        is 0.
    """
    if any(r.slope == 0 or r.scale_slope == 0 for r in rescales):
        raise RescaleUnequal("a rescale slope of 0")
    known = [r.slope is not None for r in rescales]
    offset = [r.intercept is not None for r in rescales]
    scaled = [r.scale_slope is not None for r in rescales]
    if len(set(zip(known, offset, strict=True))) > 1:
        raise RescaleUnequal(f"{sum(known)} of {len(known)} images with a rescale, the others without")
    if any(scaled):
        if not all(scaled):
            raise RescaleUnequal(f"{sum(scaled)} of {len(scaled)} images with Philips' scale slope, the others without")
        return [_floating_point(r) for r in rescales]
    displayed = [(r.slope or 1.0, r.intercept or 0.0) for r in rescales]
    if len(set(displayed)) > 1:
        slopes = [slope for slope, _ in displayed]
        raise RescaleUnequal(f"rescale slopes from {min(slopes):g} to {max(slopes):g} without Philips' scale slope")
    return displayed


def _floating_point(rescale: Rescale) -> tuple[float, float]:
    slope, scale_slope = rescale.slope or 1.0, rescale.scale_slope or 1.0
    return 1.0 / scale_slope, (rescale.intercept or 0.0) / (slope * scale_slope)
