"""The SQL is the one in the files; each room writes its own tables only; the application role can do no more."""

import re
from pathlib import Path

import psycopg
import pytest

from controlplane.kernel.ids import uuid7_time
from routing.calls import commands
from routing.calls.pool import Database, ask, ask_all
from routing.calls.states import ATTEMPT_STEPS, CALL_STEPS, TERMINAL, attempt_entry, call_entry
from tests.routing.world import World

ROUTING = Path(__file__).resolve().parents[3] / "routing"
FILES = sorted(ROUTING.glob("*/sql/*.sql"))
TABLE = r"(?:audit|policies|routing|vault)_\w+"
WRITES = re.compile(rf"(?:INSERT INTO|UPDATE|DELETE FROM|TRUNCATE)\s+({TABLE})")
READS = re.compile(rf"(?:FROM|JOIN)\s+({TABLE})")
FUNCTION = re.compile(r"CREATE FUNCTION (\w+)\(.*?AS \$\$(.*?)\$\$;", re.DOTALL)

OWNED = {
    "anomalies": {"routing_anomaly"},
    "beside": {"routing_beside", "routing_beside_due", "routing_beside_verdict"},
    "calls": {
        "routing_call",
        "routing_attempt",
        "routing_idempotency",
        "routing_swept",
        "routing_worker_lease",
    },
    "closing": {
        "routing_adjustment",
        "routing_adjustment_verdict",
        "routing_statement",
        "routing_period",
        "routing_capacity_share",
    },
    "evidence": {"routing_evidence", "routing_evidence_part"},
    "exports": {"routing_export", "routing_export_part"},
    "files": {"routing_file", "routing_file_part"},
    "forecasts": {"routing_budget_day", "routing_forecast", "routing_forecast_mark"},
    "ledger": {"routing_ledger_window", "routing_posting"},
    "notifications": {"routing_budget_mark", "routing_delivery", "routing_notified"},
    "reconcile": {"routing_invoice", "routing_standing"},
    "reports": set(),
    "reviews": {"routing_review_case", "routing_review_decision"},
}
READ_BELOW = {
    "admit.sql": {"policies_control"},
    "attempt.sql": {"policies_control", "policies_decision", "vault_content"},
    "ending.sql": {"policies_control"},
    "sweep.sql": {"policies_control"},
    "together.sql": {"policies_control"},
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_a_room_writes_its_own_tables_only(path: Path) -> None:
    text, owned = path.read_text(), OWNED[path.parts[-3]]
    assert set(WRITES.findall(text)) - owned == set()
    assert set(READS.findall(text)) - owned - READ_BELOW.get(path.name, set()) == set()


async def test_the_database_has_the_functions_of_the_files(db: Database) -> None:
    written: dict[str, str] = {}
    for path in FILES:
        written |= dict(FUNCTION.findall(path.read_text()))
    assert len(written) == 46
    rows = await ask_all(
        db,
        "SELECT proname::text, prosrc, provolatile::text, prosecdef, proconfig IS NULL, lanname::text FROM pg_proc "
        "JOIN pg_language l ON l.oid = prolang WHERE proname = ANY(%s::text[]) AND pronamespace = 'public'::regnamespace",
        (list(written),),
    )
    assert {row[0]: row[1] for row in rows} == written
    # VOLATILE: a new snapshot for each statement; SECURITY INVOKER; no SET clause, which costs a subtransaction
    walk = [row for row in rows if row[0] not in ("routing_label", "routing_labels")]
    assert {row[2:] for row in walk} == {("v", False, True, "plpgsql")}
    # what reports compute from bytes looks nothing up
    assert {row[2:5] for row in rows if row not in walk} == {("i", False, True)}


def test_no_function_catches_an_exception() -> None:
    for path in FILES:
        assert re.search(r"^\s*EXCEPTION\s+WHEN", path.read_text(), re.MULTILINE) is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM routing_call",
        "UPDATE routing_call SET tenant = 'other'",
        "UPDATE routing_call SET id = gen_random_uuid()",
        "DELETE FROM routing_attempt",
        "UPDATE routing_attempt SET call = gen_random_uuid()",
        "UPDATE routing_posting SET posted_nano = 0",
        "DELETE FROM routing_posting",
        "TRUNCATE routing_posting",
        "DELETE FROM routing_ledger_window",
        "UPDATE routing_ledger_window SET budget = 'other'",
        "INSERT INTO routing_ledger_window (posted_nano) VALUES (1)",
        "TRUNCATE routing_ledger_window",
        "DROP TABLE routing_call",
        "DELETE FROM routing_review_case",
        "UPDATE routing_review_case SET call = gen_random_uuid()",
        "UPDATE routing_review_case SET opened_at = now()",
        "UPDATE routing_review_decision SET verdict = 'approved'",
        "DELETE FROM routing_review_decision",
        "TRUNCATE routing_review_decision",
        "UPDATE routing_beside SET of = gen_random_uuid()",
        "DELETE FROM routing_beside",
        "UPDATE routing_beside_verdict SET verdict = 'agreed'",
        "DELETE FROM routing_beside_verdict",
        "UPDATE routing_adjustment SET amount_nano = 1",
        "DELETE FROM routing_adjustment",
        "UPDATE routing_adjustment_verdict SET accepted = true",
        "DELETE FROM routing_adjustment_verdict",
        "UPDATE routing_statement SET body = ''",
        "DELETE FROM routing_statement",
        "UPDATE routing_period SET statement = gen_random_uuid()",
        "DELETE FROM routing_period",
        "UPDATE routing_capacity_share SET cost_nano = 1",
        "DELETE FROM routing_capacity_share",
    ],
)
async def test_the_application_role_may_not(db: Database, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await ask(db, statement)


async def test_no_index_holds_a_column_that_changes_on_the_usual_path(db: Database) -> None:
    rows = await ask_all(
        db,
        "SELECT indexdef FROM pg_indexes WHERE tablename IN ('routing_call', 'routing_attempt', 'routing_ledger_window')",
    )
    assert len(rows) == 8
    for (definition,) in rows:
        columns = definition.partition(" USING ")[2]
        assert not re.search(r"\b(state|worker|attempts|\w*_nano)\b", columns), definition


async def test_calls_and_their_children_lie_in_the_month_of_the_call(world: World) -> None:
    admission = world.admission()
    await commands.admit(world.db, admission)
    call = admission.asked.call
    month = uuid7_time(call).strftime("%Y%m")
    for table, column in (("routing_call", "id"), ("routing_attempt", "call")):
        query = f"SELECT tableoid::regclass::text FROM {table} WHERE {column} = %s::uuid"
        assert await ask(world.db, query, (call,)) == (f"{table}_{month}",)


def test_the_machines_are_closed_and_named() -> None:
    assert {state.value for state in TERMINAL} == {"denied", "completed", "failed", "cancelled"}
    for steps in (CALL_STEPS, ATTEMPT_STEPS):
        assert {after for many in steps.values() for after in many} <= set(steps)
    assert {call_entry(state) for state in CALL_STEPS} == {
        *("call.denied", "call.admitted", "call.released", "call.held"),
        *("call.completed", "call.failed", "call.cancelled"),
    }
    assert {state: attempt_entry(state) for state in ATTEMPT_STEPS} == {
        state: None if state == "reserved" else f"attempt.{state}" for state in ATTEMPT_STEPS
    }
