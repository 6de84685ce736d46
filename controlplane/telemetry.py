"""`/metrics` for Prometheus: of all processes of this installation where they share a folder, else of this one.

Rooms declare their own counters; what PostgreSQL knows of processes that have no web server of their own (sequencer, sweep,
the log's own checks) is read from it at each scrape. No label may name a tenant, a key or a person (a test looks at every one).
"""

import os
from collections.abc import Iterator, Sequence

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_GAUGES = (
    ("mandate_log_size", "Leaves in the log's tree."),
    ("mandate_log_lag_seconds", "Age of the oldest entry that has no place in the tree yet."),
    ("mandate_log_checkpoint_age_seconds", "Age of the newest signed checkpoint."),
    ("mandate_sequencer_age_seconds", "How long ago the sequencer was last seen."),
    ("mandate_sweep_age_seconds", "How long ago anybody last looked for calls nobody carries."),
    ("mandate_calls_workers", "Calls workers whose lease stands."),
    ("mandate_reviews_open", "Review cases that wait for a person."),
    ("mandate_reviews_overdue", "Open review cases whose due time has passed."),
)
_GAUGE_ROWS = """
SELECT (SELECT size FROM audit_tree_state WHERE log = 1),
  (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0)::float8
     FROM audit_tree_state s JOIN audit_entry e ON e.log = s.log AND e.xid >= s.horizon WHERE s.log = 1),
  (SELECT extract(epoch FROM clock_timestamp() - max(signed_at))::float8 FROM audit_checkpoint),
  (SELECT extract(epoch FROM clock_timestamp() - max(seen_at))::float8 FROM audit_sequencer),
  (SELECT extract(epoch FROM clock_timestamp() - max(swept_at))::float8 FROM routing_swept WHERE swept_at > '-infinity'),
  (SELECT count(*) FROM routing_worker_lease WHERE kind = 'calls' AND lost_at IS NULL AND expires_at > clock_timestamp()),
  (SELECT count(*) FROM routing_review_case WHERE closed_at IS NULL),
  (SELECT count(*) FROM routing_review_case WHERE closed_at IS NULL AND due_at <= mandate_now())
"""
_VERIFIED = """
SELECT scope, extract(epoch FROM clock_timestamp() - checked_at)::float8,
  extract(epoch FROM clock_timestamp() - held_at)::float8, cardinality(findings)
FROM audit_verified WHERE log = 1
"""
_PUBLICATION = (
    ("mandate_log_published_size", "Entries under the published checkpoint."),
    ("mandate_log_register_size", "Entries under the checkpoint that the register holds."),
    ("mandate_log_cosigned_size", "Entries under a checkpoint that a quorum of witnesses signed."),
    ("mandate_log_published_age_seconds", "How long ago publishing last went well."),
    ("mandate_log_unpublished", "1 while nothing new can be published, else 0; must be 0."),
)
_PUBLICATION_ROWS = """
SELECT size, register_size, cosigned_size, extract(epoch FROM clock_timestamp() - published_at)::float8, (failure <> '')::int
FROM audit_publication WHERE log = 1
"""
_SEQUENCER = "SELECT sequenced, stragglers, refusals FROM audit_sequencer WHERE log = 1"
_COUNTERS = (
    ("mandate_log_entries_sequenced", "Entries that got their place in the tree."),
    ("mandate_log_stragglers", "Entries that the horizon had passed by and the sweep brought in."),
    ("mandate_log_refusals", "Times the sequencer refused to sign."),
)


class Rows(Collector):
    """What is read from PostgreSQL; nothing while it is away."""

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked of the database when a registry is made."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Every family, or none."""
        try:
            yield from [*_gauges(), *_published(), *_verified(), *_counters()]
        except Error:
            return


def _rows(statement: str) -> list[tuple[float | None, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[float | None, ...]] = cursor.fetchall()
        return found


def _gauges() -> Iterator[Metric]:
    yield from _each(_GAUGES, _GAUGE_ROWS)


def _published() -> Iterator[Metric]:
    yield from _each(_PUBLICATION, _PUBLICATION_ROWS)


def _each(families: Sequence[tuple[str, str]], statement: str) -> Iterator[Metric]:
    """One gauge for each column that is known."""
    for row in _rows(statement):
        for (name, meaning), value in zip(families, row, strict=True):
            if value is not None:
                yield GaugeMetricFamily(name, meaning, value=value)


def _verified() -> Iterator[Metric]:
    checked = GaugeMetricFamily(
        "mandate_log_checked_age_seconds",
        "How long ago the log last checked itself.",
        labels=["scope"],
    )
    held = GaugeMetricFamily(
        "mandate_log_verified_age_seconds", "How long ago such a check last held.", labels=["scope"]
    )
    wrong = GaugeMetricFamily(
        "mandate_log_findings", "What the last check found wrong; must be 0.", labels=["scope"]
    )
    for scope, *values in _rows(_VERIFIED):
        for family, value in zip((checked, held, wrong), values, strict=True):
            if value is not None:
                family.add_metric([str(scope)], value)
    yield from (checked, held, wrong)


def _counters() -> Iterator[Metric]:
    for row in _rows(_SEQUENCER):
        for (name, meaning), value in zip(_COUNTERS, row, strict=True):
            yield CounterMetricFamily(name, meaning, value=value or 0)


def registry() -> CollectorRegistry:
    """Every process's figures when `up` gave them a common folder."""
    if not os.environ.get(SHARED_FOLDER):
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call] # the library's own
    return shared


def metrics(_request: HttpRequest) -> HttpResponse:
    """The text exposition."""
    rows = CollectorRegistry()
    rows.register(Rows())
    text = generate_latest(registry()) + generate_latest(rows)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
