"""`/metrics` for Prometheus: of all processes of this installation where they share a folder, else of this one.

Rooms declare their own counters. No label may name a tenant, a key or a person (a test looks at every one).
"""

import os

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def registry() -> CollectorRegistry:
    """Every process's figures when `up` gave them a common folder."""
    if not os.environ.get(SHARED_FOLDER):
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call] # the library's own
    return shared


def metrics(_request: HttpRequest) -> HttpResponse:
    """The text exposition."""
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_LATEST)
