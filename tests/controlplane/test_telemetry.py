"""Figures for Prometheus: of every process, and about nobody."""

import os
import subprocess
import sys
from pathlib import Path

from django.test import Client
from prometheus_client import REGISTRY

from controlplane import env

FORBIDDEN = {"tenant", "team", "key", "user", "member", "email", "call", "route", "prompt"}
CHILD = """
import sys
from prometheus_client import Counter
Counter("mandate_tried_total", "A figure").inc(int(sys.argv[1]))
"""
READ = """
from prometheus_client import generate_latest
from controlplane.telemetry import registry
print(generate_latest(registry()).decode())
"""


def test_the_text_exposition(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert b"python_info" in answer.content


def test_no_label_names_a_tenant_a_key_or_a_person() -> None:
    from routing import wire, worker  # noqa: F401 - they declare their figures

    found = {
        (family.name, label)
        for family in REGISTRY.collect()
        for sample in family.samples
        for label in sample.labels
    } | {
        (name, label)
        for collector, names in REGISTRY._collector_to_names.items()
        for name in names
        for label in getattr(collector, "_labelnames", ())
    }
    assert any(name.startswith("mandate_") for name, _ in found)
    assert {(name, label) for name, label in found if label in FORBIDDEN} == set()


def test_processes_that_share_a_folder_are_added_up(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "PYTHONPATH": str(env.ROOT),
    }
    for amount in ("2", "40"):
        subprocess.run([sys.executable, "-c", CHILD, amount], env=environment, check=True)
    told = subprocess.run(
        [sys.executable, "-c", READ], env=environment, check=True, capture_output=True, text=True
    )
    assert "mandate_tried_total 42.0" in told.stdout.splitlines()
