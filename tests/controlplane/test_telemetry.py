"""Figures for Prometheus: of every process, and about nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import OperationalError, connection
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


@pytest.mark.django_db
def test_the_text_exposition(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert b"python_info" in answer.content


@pytest.mark.django_db
def test_what_postgresql_knows_of_processes_without_a_web_server(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audit_sequencer (log, seen_at, sequenced, stragglers, refusals)
            VALUES (1, clock_timestamp() - interval '3 s', 40, 2, 1)
            ON CONFLICT (log) DO UPDATE SET seen_at = excluded.seen_at, sequenced = 40, stragglers = 2, refusals = 1
            """
        )
        cursor.execute(
            """
            INSERT INTO audit_verified (log, scope, checked_at, held_at, seq, size, horizon, seconds, findings)
            VALUES (1, 'recent', clock_timestamp(), clock_timestamp() - interval '90 s', 0, 0, '0', 0, '{"leaf 3: gone"}')
            """
        )
        cursor.execute("UPDATE routing_swept SET swept_at = clock_timestamp() - interval '7 s'")
        cursor.execute("UPDATE routing_worker_lease SET expires_at = '-infinity'")
        cursor.execute(
            """
            INSERT INTO audit_publication (log, told_at, published_at, size, register_size, cosigned_size, failure)
            VALUES (1, clock_timestamp(), clock_timestamp() - interval '80 s', 38, 40, 30, 'the disk is full')
            """
        )
    lines = client.get("/metrics").content.decode().splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert figures["mandate_log_entries_sequenced_total"] == "40.0"
    assert figures["mandate_log_stragglers_total"] == "2.0"
    assert figures["mandate_log_refusals_total"] == "1.0"
    assert 3 <= float(figures["mandate_sequencer_age_seconds"]) < 30
    assert 7 <= float(figures["mandate_sweep_age_seconds"]) < 30
    assert 90 <= float(figures['mandate_log_verified_age_seconds{scope="recent"}']) < 120
    assert figures['mandate_log_findings{scope="recent"}'] == "1.0"
    assert float(figures["mandate_log_lag_seconds"]) >= 0
    assert figures["mandate_log_published_size"] == "38.0"
    assert figures["mandate_log_register_size"] == "40.0"
    assert figures["mandate_log_cosigned_size"] == "30.0"
    assert 80 <= float(figures["mandate_log_published_age_seconds"]) < 110
    assert figures["mandate_log_unpublished"] == "1.0"
    assert figures["mandate_calls_workers"] == "0.0"
    assert "mandate_log_size" in figures


def test_figures_of_this_process_are_served_while_postgresql_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("away")

    monkeypatch.setattr(connection, "cursor", away)
    text = client.get("/metrics").content.decode()
    assert "python_info" in text
    assert "mandate_log_size" not in text


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
