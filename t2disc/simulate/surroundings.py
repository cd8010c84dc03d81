"""What lies around the spine: skin and fat, back muscles, abdomen, great vessels, and the canal with its contents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2disc.simulate.canvas import BODY, Canvas, Coordinates, Window, bounds
from t2disc.simulate.organs import paint_organs, paint_surgery
from t2disc.simulate.profile import CANAL_HALF_DEPTH_MM, Profile
from t2disc.simulate.recipe import BodyRecipe
from t2disc.simulate.shapes import Frame, Skeleton
from t2disc.simulate.structures import Structure
from t2disc.simulate.tissues import Tissue

_SKIN_MM = 1.8
_ASIDE_MM = 20.0  # more than a spine is ever bent sideways


def paint_surroundings(canvas: Canvas, skeleton: Skeleton, profile: Profile, body: BodyRecipe) -> None:
    """Paint everything but bones and discs."""
    rng = np.random.default_rng(body.seed)  # at the same place for every plane of a person
    window = canvas.everywhere
    here = canvas.local(BODY, window)
    index = profile.index(here[2])
    _paint_wall(canvas, here, index, profile)
    if body.organs:
        paint_organs(canvas, body.organs)
    else:
        _paint_bowel(canvas, rng)
    _paint_vessels(canvas, here, index, profile)
    _paint_psoas(canvas, skeleton)
    _paint_back(canvas, here, index, profile, body, rng)
    _paint_canal(canvas, here, index, profile)
    paint_surgery(canvas, skeleton, body)


def _paint_wall(canvas: Canvas, here: Coordinates, index: NDArray[np.intp], profile: Profile) -> None:
    """Skin, subcutaneous fat and the muscular wall of the abdomen; fat fills the rest."""
    anterior, right, up = here
    window = canvas.everywhere
    side = right * right
    back = profile.skin[index] + side * np.float32(1 / 420)
    front = np.float32(profile.belly_mm) - side * np.float32(1 / 300) - np.abs(up) * np.float32(0.06)
    canvas.paint(window, (anterior > back) & (anterior < front), Tissue.SKIN)
    canvas.paint(window, (anterior > back + _SKIN_MM) & (anterior < front - _SKIN_MM), Tissue.FAT)
    canvas.paint(window, (anterior > front - 32) & (anterior < front - 21), Tissue.MUSCLE)


def _paint_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Loops of bowel and lobes of organs in front of the spine: ellipsoids of wall, fluid, gas."""
    for _ in range(80):
        centre = np.array([rng.uniform(-75, 75), rng.uniform(34, 74), rng.uniform(-150, 150)])
        radii = rng.uniform(8, 19, size=3)
        content = rng.choice([Tissue.BOWEL, Tissue.BOWEL, Tissue.BOWEL_FLUID, Tissue.AIR, Tissue.ORGAN])
        frame = Frame(origin_mm=centre, axes=BODY.axes, tilt_deg=0.0)
        window = canvas.window(centre, float(radii.max()))
        if window is None:
            continue
        u, v, w = (axis / np.float32(radius) for axis, radius in zip(canvas.local(frame, window), radii, strict=True))
        distance = u * u + v * v + w * w
        canvas.paint(window, distance < 1, Tissue.BOWEL)
        canvas.paint(window, distance < 0.72, int(content))


def _paint_vessels(canvas: Canvas, here: Coordinates, index: NDArray[np.intp], profile: Profile) -> None:
    """Aorta on the left and vena cava on the right, dark with flow, parting in front of L4."""
    anterior, right, _ = here
    apart = profile.arteries[index]
    depth = (anterior - profile.front[index]) * profile.canal_cosine[index]
    for side, distance_mm, radius_mm in ((-1.0, 7.0, 8.5), (1.0, 15.0, 9.5)):
        across = right - profile.front_right[index] - np.float32(side) * (np.float32(distance_mm) + apart)
        away = across * across + (depth - np.float32(radius_mm + 2.5)) ** 2
        canvas.paint(canvas.everywhere, away < (radius_mm + 1.2) ** 2, Tissue.MUSCLE)
        canvas.paint(canvas.everywhere, away < radius_mm**2, Tissue.FLOWING_BLOOD)


def _paint_psoas(canvas: Canvas, skeleton: Skeleton) -> None:
    """Psoas beside the lumbar bodies, thicker towards the pelvis."""
    for row, name in enumerate(("L1", "L2", "L3", "L4", "L5")):
        shape = skeleton.vertebra(name)
        for side in (-1.0, 1.0):
            thickness = 7.0 + 3.0 * row
            window = canvas.window(shape.frame.origin_mm + np.array([side * (24 + thickness), 0, 0]), 40.0)
            if window is None:
                continue
            u, v, w = canvas.local(shape.frame, window)
            across = (v - np.float32(side * (22.0 + thickness))) / np.float32(thickness + 2)
            inside = across**2 + ((u + 2) / np.float32(13 + row)) ** 2 < 1
            canvas.paint(window, inside & (np.abs(w) < 22), Tissue.MUSCLE)


def _paint_back(
    canvas: Canvas,
    here: Coordinates,
    index: NDArray[np.intp],
    profile: Profile,
    body: BodyRecipe,
    rng: np.random.Generator,
) -> None:
    """Muscles of the back with streaks of fat, and ligaments between the spinous processes in the midline."""
    reach = profile.fascia[index] - np.float32(1.6)
    window = bounds((here[0] < profile.canal[index]) & (here[0] > reach) & (np.abs(here[1]) < 72 + _ASIDE_MM))
    if window is None:
        return
    anterior, right, up = here = _cropped(here, window)
    index = index[window]
    right = right - profile.canal_right[index]
    fascia = profile.fascia[index] + right * right * np.float32(1 / 420)
    above_sacrum = np.clip((up - np.float32(profile.s1_height_mm - 25)) / np.float32(65), 0, 1)
    behind = (anterior < profile.canal[index]) & (anterior > fascia) & (np.abs(right) < 72)
    canvas.paint(window, behind, Tissue.MUSCLE)
    streaks = _streaks(here, index, profile, rng)
    if body.is_detailed:
        streaks = _finer(streaks, here, rng) + np.float32(1.3 * body.muscle_fat)
    midline = np.abs(right) < 4.5
    canvas.paint(window, behind & ~midline & (streaks > 1.35 * above_sacrum - 0.6), Tissue.FAT)
    canvas.paint(window, behind & midline & (streaks < -0.55), Tissue.LIGAMENT)
    canvas.paint(window, behind & midline & (streaks > 0.85 * above_sacrum - 0.6), Tissue.FAT)
    cover = (anterior < fascia) & (anterior > fascia - np.float32(1.6) * above_sacrum) & (np.abs(right) < 72)
    canvas.paint(window, cover, Tissue.LIGAMENT)


def _streaks(
    here: Coordinates, index: NDArray[np.intp], profile: Profile, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a pattern in -1..1 of bands that run down and backwards, as the fibres of multifidus do."""
    anterior, right, up = here
    phase = rng.uniform(0, 2 * np.pi, size=4).astype(np.float32)
    depth = anterior - profile.canal[index]
    bend = np.sin(np.float32(0.09) * up + np.float32(0.13) * right + phase[0])
    across = np.float32(0.38) * depth - np.float32(0.12) * up + np.float32(0.3) * np.abs(right)
    slow = np.sin(np.float32(0.07) * up - np.float32(0.11) * depth + np.float32(0.2) * right + phase[1])
    return np.asarray(np.float32(0.55) * np.sin(across + np.float32(1.9) * bend + phase[2]) + np.float32(0.45) * slow)


def _finer(streaks: NDArray[np.float32], here: Coordinates, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the bands broken up by fine fibres, as high resolution shows them."""
    anterior, right, up = here
    phase = rng.uniform(0, 2 * np.pi, size=2).astype(np.float32)
    fibres = np.sin(np.float32(0.9) * anterior - np.float32(0.45) * up + np.float32(4) * streaks + phase[0])
    bundles = np.sin(np.float32(0.5) * right + np.float32(0.21) * up + phase[1])
    return np.asarray(streaks + np.float32(0.45) * fibres * bundles)


def _cropped(here: Coordinates, window: Window) -> Coordinates:
    anterior, right, up = (axis[window] for axis in here)
    return anterior, right, up


def _paint_canal(canvas: Canvas, here: Coordinates, index: NDArray[np.intp], profile: Profile) -> None:
    """Epidural fat, dura, cerebrospinal fluid, cord with conus, and the roots of the cauda equina."""
    right = here[1] - profile.canal_right[index]
    depth = (here[0] - profile.canal[index]) * profile.canal_cosine[index]  # positive in front
    within = np.float32(CANAL_HALF_DEPTH_MM)
    space = (depth / within) ** 2 + (right / 12.5) ** 2 < 1
    window = bounds(space)
    if window is None:
        return
    canvas.paint(canvas.everywhere, space, Tissue.FAT)
    depth, right, up, index = depth[window], right[window], here[2][window], index[window]
    half = np.maximum(profile.sac_half_depth[index], np.float32(1e-3))
    sac = (depth / half) ** 2 + (right / (half * np.float32(1.35))) ** 2
    present = half > 0.4
    canvas.paint(window, present & (sac < 1.0), Tissue.LIGAMENT)
    canvas.paint(window, present & (sac < 0.82), Tissue.CSF, Structure.CANAL)
    roots = _roots(np.asarray(depth / half), np.asarray(right / half), up)
    canvas.paint(window, present & (sac < 0.72) & roots, Tissue.NERVE, Structure.CANAL)
    radius = np.maximum(profile.cord_radius[index], np.float32(1e-3))
    cord = ((depth + np.float32(0.8)) / radius) ** 2 + (right / (radius * np.float32(1.15))) ** 2
    canvas.paint(window, (radius > 0.5) & (cord < 1), Tissue.CORD, Structure.CANAL)


def _roots(depth: NDArray[np.float32], right: NDArray[np.float32], up: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where the roots lie: strands in the posterior half of the sac, drifting outwards as they go down."""
    drift = np.float32(0.004) * up
    strands = np.cos(np.float32(13.0) * (depth + drift)) * np.cos(np.float32(9.0) * (right - drift))
    return np.asarray((depth < -0.05 + np.float32(0.25) * right * right) & (strands > 0.25))
