"""After all journeys: the log verifies, every call ended once, every nano is accounted for. It runs last."""

import subprocess
import sys
from pathlib import Path

import audit.auditverify
from tests.journeys.installation import Installation

TERMINAL = ("call.denied", "call.completed", "call.failed", "call.cancelled")


def test_every_call_has_exactly_one_terminal_entry(mandate: Installation) -> None:
    odd = mandate.rows(
        """SELECT c.id, c.state, count(e.id) AS ends FROM routing_call c
             LEFT JOIN audit_entry e ON e.call = c.id AND e.kind = ANY(%s)
            WHERE c.tenant LIKE 'j-%%' GROUP BY c.id, c.state HAVING count(e.id) <> (c.state <> 'held')::int""",
        list(TERMINAL),
    )
    assert odd == []
    unlike = mandate.rows(
        """SELECT c.id, c.state, e.kind FROM routing_call c JOIN audit_entry e ON e.call = c.id
            WHERE e.kind = ANY(%s) AND e.kind <> 'call.' || c.state""",
        list(TERMINAL),
    )
    assert unlike == []


def test_only_unknown_attempts_hold_money(mandate: Installation) -> None:
    held = mandate.rows(
        """SELECT c.tenant, coalesce(sum(a.reserved_nano) FILTER
                  (WHERE a.state IN ('reserved', 'started', 'unknown')), 0)::bigint AS held,
                  coalesce(sum(a.posted_nano), 0)::bigint AS posted
             FROM routing_call c LEFT JOIN routing_attempt a ON a.call = c.id
            WHERE c.tenant LIKE 'j-%%' AND c.state <> 'denied' GROUP BY c.tenant"""
    )
    assert held
    for row in held:
        window = mandate.window("month", row["tenant"])
        assert (window["pending_nano"], window["posted_nano"]) == (row["held"], row["posted"]), row
    (open_ones,) = mandate.rows(
        "SELECT count(*) AS open FROM routing_attempt WHERE state IN ('reserved', 'started')"
    )
    assert open_ones["open"] == 0


def test_each_attempt_was_started_in_the_log_before_it_arrived_upstream(
    mandate: Installation,
) -> None:
    arrivals = mandate.upstream.arrivals()
    assert arrivals
    assert all(arrival["committed"] for arrival in arrivals)
    named = [arrival["attempt"] for arrival in arrivals]
    assert len(set(named)) == len(named)


def test_no_key_and_no_prompt_in_any_log(mandate: Installation) -> None:
    logs = [log.read_text(errors="replace") for log in (mandate.home / "log").glob("*.log")]
    for secret in ("sk-journey-canary", "[[sandbox", *mandate.keys.values()):
        assert not any(secret in log for log in logs), secret[:14]


def test_the_log_verifies(mandate: Installation) -> None:
    said = mandate.manage("audit", "verify").stdout
    assert said.endswith("nothing is wrong\n"), said


def test_an_auditor_finds_the_same_offline(mandate: Installation, tmp_path: Path) -> None:
    """All journeys as one bundle, judged by the one file that knows nothing of ours."""
    file = tmp_path / "all.tar"
    mandate.manage("audit", "evidence", "--out", str(file))
    keys = list(mandate.home.rglob("log_vkey"))
    key = keys[0].read_text(encoding="utf-8").strip()
    command = [sys.executable, "-I", audit.auditverify.__file__, str(file), "--key", key]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert found.endswith("ok: True\nfirst_bad_index: None\n"), found
