"""What the sequencer's process counts for Prometheus. No tenant, key or user is a label."""

from prometheus_client import Counter, Gauge

SEQUENCED = Counter("mandate_log_entries_sequenced", "Entries that got their place in the tree.")
STRAGGLERS = Counter(
    "mandate_log_stragglers", "Entries that the horizon had passed by and the sweep brought in."
)
REFUSALS = Counter("mandate_log_refusals", "Times the sequencer refused to sign.")
SIZE = Gauge("mandate_log_size", "Leaves in the tree.")
LAG_SECONDS = Gauge("mandate_log_lag_seconds", "Age of the oldest entry of the last tick.")
