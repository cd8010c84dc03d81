"""Reviews: the reports on a server of this machine, for several readers, blinded or not; ratings are kept there."""

from t2disc.qc.review.desk import VOLUMES, Desk, ViewedVisit
from t2disc.qc.review.server import RunningReview, serve_review

__all__ = ["VOLUMES", "Desk", "RunningReview", "ViewedVisit", "serve_review"]
