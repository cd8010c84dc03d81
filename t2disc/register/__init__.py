"""Images brought into one place: the echoes of a visit, the discs of two visits. The only room that knows SimpleITK."""

from t2disc.register.carry import carry_regions
from t2disc.register.echoes import align_echoes
from t2disc.register.visits import match_visits

__all__ = ["align_echoes", "carry_regions", "match_visits"]
