"""What is known of one disc's change within its study: whose disc it is, which was treated, and where it was seen."""

from __future__ import annotations

from dataclasses import dataclass

from t2disc.model.levels import CONTROL_LEVELS
from t2disc.model.measures import Change
from t2disc.model.visit import role_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyChange:
    """The change of one region of one disc of one participant, with its place in the study.

    Attributes
    ----------
    participant_id, baseline_session_id, followup_session_id
        Study keys: ``sub-01``, ``ses-baseline``, ``ses-month12``.
    change
        Of one level, region and outline.
    index_level
        The participant's treated disc; ``None`` where none is named.
    control_levels
        Discs that can be controls, as ``[study] control_levels`` of the protocol has them.
    site
        Key of the site that saw the participant; ``None`` where nobody tells.
    is_evaluable
        ``False`` where one of the two visits is graded ``non-evaluable``: shown, and left out of what is summed up.
    """

    participant_id: str
    followup_session_id: str
    change: Change
    baseline_session_id: str = "ses-baseline"
    index_level: str | None = None
    control_levels: tuple[str, ...] = CONTROL_LEVELS
    site: str | None = None
    is_evaluable: bool = True

    @property
    def role(self) -> str:
        """What the disc is to the study: see :func:`~t2disc.model.role_of`."""
        return role_of(self.change.level, self.index_level, self.control_levels)
