#!/usr/bin/env python3
"""Draw every figure of t2disc.qc from one simulated study, and write the page that shows them.

``python scripts/make_gallery.py`` writes ``docs/images/gallery/*.png`` and ``docs/gallery.md``; a minute or two.
Names of examples, separated by spaces, draw these only.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import t2disc
from t2disc import qc
from t2disc.fit import judge_fit
from t2disc.measure import measure_changes
from t2disc.model import LEVELS, DiscLabels, EchoStack, LabelMap, MatchedLabels, StudyChange, T2Map
from t2disc.register import carry_regions, match_visits
from t2disc.simulate import default_study, simulate_scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from t2disc.simulate import ParticipantRecipe, VisitRecipe

ROOT = Path(__file__).resolve().parents[1]
PAGE, IMAGES = ROOT / "docs" / "gallery.md", ROOT / "docs" / "images" / "gallery"
MOST_BYTES = 150_000
N_GREYS, LEAST_COLOUR = 32, 12
SEED, N_PARTICIPANTS = 20, 16
SITES = ("site-1", "site-2", "site-3")
NOISY, STIMULATED, INCOMPLETE = 1, 2, 4  # participants with a poor, a stimulated, an incomplete visit
SEEN = LEVELS[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One figure of the gallery: what it shows, how to read it, and the call that draws it."""

    name: str
    title: str
    shows: str
    read: str
    call: str
    width_px: int = 800

    @property
    def verb(self) -> str:
        """The function that draws it."""
        return self.call.split("(")[0]


EXAMPLES = (
    Example(
        name="overlay",
        title="T2 overlay",
        shows="T2 in colour on every slice that crosses a disc, from the patient's right to left.",
        read="Accept a visit when colour stays within the discs and no disc is named wrongly. A voxel of a disc that "
        "stays grey has no T2. The colours mean the same T2 at every visit of every participant.",
        call="plot_t2_overlay(stack, t2map, discs)",
    ),
    Example(
        name="disc_zoom",
        title="One disc, large",
        shows="The border of one disc and of its nucleus (NP) on the anatomy, and T2 voxel by voxel; the rest of the "
        "disc is annulus (AF). This is the noisy visit of the study.",
        read="The outline should follow the disc and leave out endplates and fluid. Crosses are voxels without a T2: "
        "they are missing, not short. The line below counts them over all slices.",
        call='plot_disc_zoom(noisy.stack, noisy.t2map, noisy.discs, "L4/L5")',
    ),
    Example(
        name="decay",
        title="Decay and residuals",
        shows="The mean signal of a region over the echo train, the mean of its voxels' fitted curves, and what they "
        "leave. The participant was simulated with stimulated echoes.",
        read="Residuals should scatter about 0. Here the first lies below and the second above the curve, as where "
        "refocusing is imperfect: the models `epg` and `epg-rician` allow for it.",
        call='plot_decay(stimulated.stack, stimulated.t2map, stimulated.discs, "L3/L4")',
    ),
    Example(
        name="histogram",
        title="T2 by region",
        shows="How T2 is spread over the voxels of nucleus and annulus, disc by disc.",
        read="A healthy nucleus stands well to the right of its annulus; the two merge as a disc degenerates. Dashed "
        "lines are medians. The bars count the voxels outside the range and those without a T2.",
        call="plot_histogram(t2map, discs)",
    ),
    Example(
        name="profiles",
        title="Profiles along and across the discs",
        shows="Median T2 from anterior to posterior and from superior to inferior, with the 10th to 90th percentile.",
        read="Along the disc a hill is the nucleus between the front and the back of the annulus; a plateau that falls "
        "to one side is a disc that changes there first. Crosses mark places with voxels that have no T2.",
        call="plot_profiles(t2map, discs)",
    ),
    Example(
        name="flags",
        title="Voxels without a T2, and why",
        shows="Every voxel of the discs without a T2 in the colour of its reason, and their share of each disc. This "
        "is the noisy visit of the study.",
        read="A few at the rim are partial volume. A disc that misses many has medians that rest on what is left, and "
        "a reason that covers one side of a disc points at the coil or at motion.",
        call="plot_flags(noisy.stack, noisy.t2map, noisy.discs)",
    ),
    Example(
        name="quality",
        title="Goodness of fit",
        shows="Reduced chi-square, 1 minus R squared, the odd-even index and the scatter about the decay on one slice. "
        "The participant was simulated with stimulated echoes and fitted with a plain exponential.",
        read="Chi-square well above 1 says that the model does not hold, whatever R squared says; yellow is worse in "
        "all but the third picture. Red in the third is the zigzag of stimulated echoes.",
        call="plot_quality(stimulated.stack, judge_fit(stimulated.stack, stimulated.t2map), stimulated.discs)",
    ),
    Example(
        name="change",
        title="Baseline against follow-up",
        shows="Both visits of a participant, their difference within the discs, and the change of each nucleus with "
        "its 95 % interval.",
        read="The follow-up is carried to the baseline for viewing only; the numbers are measured on each visit's own "
        "grid. A dot beyond the grey band is more than measuring twice would give.",
        call="plot_change(before, after, match, changes, index_level=index_level)",
        width_px=1300,
    ),
    Example(
        name="trajectories",
        title="Participants over the visits",
        shows="The change of every disc of every participant, a panel for each level, with the band of repeatability.",
        read="Lines that leave the band changed by more than measuring twice would give; if controls leave it together "
        "with the index discs, look at scanner and protocol first. Missing values are counted.",
        call='plot_trajectories(study, roi="own")',
    ),
    Example(
        name="trajectories_one",
        title="One participant in milliseconds",
        shows="The medians of one participant's nuclei at both visits; the band lies about the baseline.",
        read="As above, for one participant: the treated disc in vermilion with diamonds.",
        call='plot_trajectories([one for one in study if one.participant_id == "sub-P001"], roi="own", unit="ms")',
    ),
    Example(
        name="bland_altman",
        title="Bland-Altman",
        shows="Control discs, whose T2 was not changed in this study, at both visits: differences over means.",
        read="The vermilion line is the bias, the dashed lines hold 95 % of the differences, and the bars at the "
        "right are how sure these lines are. A bias whose bar leaves 0, or a funnel, needs an explanation.",
        call='plot_bland_altman(controls_before_ms, controls_after_ms, names=("baseline", "month 12"), '
        'what="NP of controls")',
    ),
    Example(
        name="cohort",
        title="The cohort",
        shows="The changes of all index and control discs, all sites and site by site.",
        read="Full marks exceed what measuring twice gives. The bar under the marks is the mean with its 95 % "
        "interval: a site whose controls stand off 0 has drifted. Missing discs are counted in the row.",
        call='plot_cohort(study, roi="own")',
    ),
    Example(
        name="regression",
        title="Measured on true",
        shows="Median T2 of every nucleus at baseline over the T2 that was simulated, with its 95 % interval.",
        read="Points on the dashed line are right; a slope off 1, or points that climb or fall in the lower picture, "
        "are a bias. The long bars are the noisy visit, whose echoes end too early for a long T2.",
        call="plot_regression(true_ms, measured_ms, measured_se_ms=measured_se_ms)",
    ),
)


# ------------------------------------------------------------------------------------------------ study
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """A visit as the package measures it."""

    stack: EchoStack
    t2map: T2Map
    discs: DiscLabels


def people() -> tuple[ParticipantRecipe, ...]:
    """Return the study's participants: one visit is noisy, one has stimulated echoes."""
    found = list(default_study(N_PARTICIPANTS, seed=SEED, size="small").participants)
    for place, changes in ((NOISY, {"snr": 9.0}), (STIMULATED, {"model": "epg"})):
        first, *later = found[place].visits
        first = replace(first, acquisition=replace(first.acquisition, **changes))
        found[place] = replace(found[place], visits=(first, *later))
    return tuple(found)


def seen(person: ParticipantRecipe, visit: VisitRecipe, levels: tuple[str, ...] = SEEN) -> Seen:
    """Simulate, label by the truth, and fit one visit."""
    scan = simulate_scan(person, visit)
    signal = np.stack([scan.grid.to_nifti_order(echo) for echo in scan.magnitude], axis=-1)
    stack = EchoStack(signal=signal, echo_times_ms=np.array(scan.echo_times_ms), affine=scan.grid.affine)
    values = scan.grid.to_nifti_order(scan.truth.discs).astype(np.int32)
    names = tuple((DiscLabels.value_of(level), level) for level in levels)
    kept = np.where(np.isin(values, [value for value, _ in names]), values, 0)
    discs = t2disc.find_discs(stack, LabelMap(values=kept, affine=scan.grid.affine, names=names))
    return Seen(stack=stack, t2map=t2disc.fit_t2(stack), discs=discs)


def names_for_calls() -> dict[str, Any]:
    """Return what the calls of the examples name."""
    everyone = people()
    first = [seen(person, person.visits[0]) for person in everyone]
    later = [
        seen(person, person.visits[1], SEEN[:-1] if place == INCOMPLETE else SEEN)
        for place, person in enumerate(everyone)
    ]
    before, after, person = first[0], later[0], everyone[0]
    match = match_visits(before, after)
    matched = carry_regions(match, before.discs, after.discs)[0]
    study = [
        StudyChange(
            participant_id=f"sub-{one.participant_id}",
            followup_session_id="ses-month12",
            change=change,
            index_level=one.index_level,
            site=SITES[place % len(SITES)],
        )
        for place, one in enumerate(everyone)
        for change in _own_changes(first[place], later[place])
        if change.region == "NP"
    ]
    controls = [one.change for one in study if one.role == "control"]
    discs = [(one, measure) for place, one in enumerate(everyone) for measure in _nuclei(first[place])]
    return {
        **{name: getattr(qc, name) for name in qc.__all__},
        "judge_fit": judge_fit,
        "stack": before.stack,
        "t2map": before.t2map,
        "discs": before.discs,
        "noisy": first[NOISY],
        "stimulated": first[STIMULATED],
        "before": before,
        "after": after,
        "match": match,
        "changes": measure_changes(before.t2map, after.t2map, matched, match),
        "index_level": person.index_level,
        "study": study,
        "controls_before_ms": [change.baseline_t2_median_ms for change in controls],
        "controls_after_ms": [change.followup_t2_median_ms for change in controls],
        "true_ms": [disc.t2_np_ms for one, m in discs for disc in one.visits[0].discs if disc.level == m.level],
        "measured_ms": [measure.t2_median_ms for _, measure in discs],
        "measured_se_ms": [measure.t2_median_se_ms for _, measure in discs],
    }


def _own_changes(before: Seen, after: Seen) -> tuple[t2disc.model.Change, ...]:
    labels = MatchedLabels(roi="own", baseline=before.discs, followup=after.discs)
    return measure_changes(before.t2map, after.t2map, labels)


def _nuclei(visit: Seen) -> list[t2disc.DiscMeasure]:
    return [measure for measure in t2disc.measure_discs(visit.t2map, visit.discs) if measure.region == "NP"]


# ------------------------------------------------------------------------------------------------ page
def page() -> str:
    """Return docs/gallery.md."""
    lines = [
        "# Gallery",
        "",
        "<!-- written by scripts/make_gallery.py -->",
        "",
        "Every figure of `t2disc.qc`, drawn from one simulated study of 16 participants. Each verb takes finished",
        "data and returns a `matplotlib` figure: `figure.savefig(path)` writes it, and a notebook shows it where it",
        "ends a cell. None reads or writes a file. T2 is coloured from 0 to 200 ms at every visit; what is missing",
        "is left clear, crossed out or counted, and never drawn as 0. Sagittal pictures have anterior (A) at the",
        "left and superior (S) at the top; R or L with mm says on which side of the isocentre a slice lies. The",
        "pictures of this page have fewer shades of grey than the figures, to be quick to load.",
        "",
        "`python scripts/make_gallery.py` draws this page again.",
        "",
    ]
    for one in EXAMPLES:
        lines += [
            f"## {one.title}",
            "",
            f"![{one.title}](images/gallery/{one.name}.png)",
            "",
            one.shows,
            "",
            f"*How to read it.* {one.read}",
            "",
            "```python",
            f"from t2disc.qc import {one.verb}",
            "",
            one.call,
            "```",
            "",
        ]
    return "\n".join(lines)


def png_bytes(figure: Figure, width_px: int) -> bytes:
    """Return a figure as a PNG of some width: few greys, and as many colours as a palette holds."""
    from PIL import Image

    drawn, out = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=width_px / figure.get_figwidth())
    picture = Image.open(drawn).convert("RGB")
    pixels = np.asarray(picture)
    is_grey = np.ptp(pixels.astype(np.int16), axis=2) < LEAST_COLOUR
    greys = np.repeat(np.linspace(0, 255, N_GREYS).round().astype(np.uint8), 3).tolist()
    colours: list[int] = []
    if not is_grey.all():
        coloured = Image.fromarray(pixels[~is_grey][None])
        colours = (coloured.quantize(255 - N_GREYS).getpalette() or [])[: 3 * (255 - N_GREYS)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(greys + colours)
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(out, format="png", optimize=True)
    return out.getvalue()


def main() -> None:
    """Write the pictures and the page."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    names = names_for_calls()
    for one in EXAMPLES:
        if sys.argv[1:] and one.name not in sys.argv[1:]:
            continue
        content = png_bytes(eval(one.call, names), one.width_px)
        if len(content) > MOST_BYTES:
            sys.exit(f"{one.name}: {len(content)} bytes, more than {MOST_BYTES}")
        (IMAGES / f"{one.name}.png").write_bytes(content)
        print(f"{one.name}.png: {len(content) // 1000} kB")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
