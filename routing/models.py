"""Django's index of the app's tables; each room owns its own."""

from routing.anomalies.models import Anomaly
from routing.beside.models import Beside, BesideVerdict
from routing.calls.models import Attempt, Call, Idempotency, WorkerLease
from routing.closing.models import Adjustment, CapacityShare, Period, Statement, Verdict
from routing.files.models import File, FilePart
from routing.forecasts.models import BudgetDay, Forecast
from routing.ledger.models import LedgerWindow, Posting
from routing.notifications.models import BudgetMark, Delivery, ForecastMark, Notified
from routing.reconcile.models import Invoice, Standing
from routing.reviews.models import ReviewCase, ReviewDecision

__all__ = [
    "Adjustment",
    "Anomaly",
    "Attempt",
    "Beside",
    "BesideVerdict",
    "BudgetDay",
    "BudgetMark",
    "Call",
    "CapacityShare",
    "Delivery",
    "File",
    "FilePart",
    "Forecast",
    "ForecastMark",
    "Idempotency",
    "Invoice",
    "LedgerWindow",
    "Notified",
    "Period",
    "Posting",
    "ReviewCase",
    "ReviewDecision",
    "Standing",
    "Statement",
    "Verdict",
    "WorkerLease",
]
