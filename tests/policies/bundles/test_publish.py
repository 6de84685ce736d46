"""Publishing: all or nothing, in the order of effect, with history and entry; a refusal writes nothing."""

import json
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from django.conf import LazySettings
from django.db import DatabaseError, connection

from policies.bundles import publish as room
from policies.bundles import read
from policies.bundles.models import Bundle, Document
from policies.bundles.publish import BaseMoved, Edits, Outcome, prepare, publish
from policies.bundles.read import Published, published_documents
from policies.documents.document import Document as Parsed
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.identity.models import Team, Tenant
from policies.order import lock
from tests.policies.people import entries
from tests.policies.texts import ensure_organisation, fresh, permission, put, tenant

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture(autouse=True)
def _organisation(transactional_db: None) -> None:
    ensure_organisation()


def _state() -> tuple[lock.Control, int, int, int]:
    return (
        lock.control(),
        Bundle.objects.count(),
        Document.objects.count(),
        len(entries(kind="bundle.activated")),
    )


def _refused(*texts: str) -> list[str]:
    before = _state()
    with pytest.raises(InvalidDocuments) as error:
        put(*texts)
    assert _state() == before
    return [str(p) for p in error.value.problems]


def test_a_text_is_parsed_once_and_a_new_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh("t")
    put(tenant(name, "x"), permission("p", name))
    before, parsed = published_documents(), list[str]()

    def counted(source: str, file: str) -> list[Parsed]:
        parsed.append(file)
        return parse_text(source, file)

    monkeypatch.setattr(read, "parse_text", counted)
    assert published_documents().documents == before.documents
    assert parsed == []
    put(permission("q", name))
    assert {d.name for d in published_documents().documents if d.tenant == name} == {"p", "q"}
    assert parsed == [f"published/{name}/Permission/q.yaml"]


def test_a_publish_is_one_revision_with_bundle_history_control_and_entry() -> None:
    name, before = fresh("t"), lock.control()
    outcome = put(tenant(name, "x"), permission("p", name), actor="cli:tess")
    assert outcome.revision == before.revision + 1
    assert lock.control() == (outcome.revision, outcome.digest, before.stop_epoch)
    row = Bundle.objects.get(pk=outcome.revision)
    assert sha256(bytes(row.text)).digest() == bytes(row.digest) == outcome.digest
    assert sha256(bytes(row.checked)).digest() == bytes(row.checked_sha256)
    assert (row.actor, row.flagged, row.engine) == ("cli:tess", True, 1)
    whole = json.loads(bytes(row.text))
    assert set(whole) == {"engine", "documents"}
    assert len(whole["documents"]) == Document.objects.count()
    document = Document.objects.get(kind="Permission", tenant=name, name="p")
    assert (document.revision, document.actor, document.origin) == (
        outcome.revision,
        "cli:tess",
        "git",
    )
    assert document.source == permission("p", name)
    assert json.loads(document.body)["spec"]["when"] == "true"
    *_, entry = [e for e in entries(kind="bundle.activated") if e["data"]["revision"] == row.pk]
    assert entry["actor"] == "cli:tess"
    assert entry["data"] == {
        "revision": row.pk,
        "base": before.revision,
        "digest": outcome.digest.hex(),
        "engine": 1,
        "checked": bytes(row.checked_sha256).hex(),
        "flagged": True,
        "created": 2,
        "changed": 0,
        "deleted": 0,
        "documents": [f"+ Permission {name}/p", f"+ Tenant {name}"],
    }


def test_the_same_documents_again_change_nothing() -> None:
    name = fresh("t")
    first = put(tenant(name, "x"), permission("p", name))
    before = _state()
    again = put(tenant(name, "x"), permission("p", name))
    assert (again.revision, again.digest) == (first.revision, first.digest)
    assert not again.difference
    assert _state() == before


def test_history_tells_every_version_with_revision_and_actor() -> None:
    name = fresh("t")
    made = put(tenant(name, "x"), permission("p", name), actor="cli:one")
    changed = put(permission("p", name, "false"), actor="cli:two")
    gone = publish(Edits(actor="cli:three", origin="git", delete=[("Permission", name, "p")]))
    versions = Document.history.filter(kind="Permission", tenant=name).order_by("history_id")
    assert [(v.history_type, v.revision, v.actor) for v in versions] == [
        ("+", made.revision, "cli:one"),
        ("~", changed.revision, "cli:two"),
        ("-", gone.revision, "cli:three"),
    ]
    assert not Document.objects.filter(kind="Permission", tenant=name).exists()


def test_tenant_and_team_rows_follow_the_documents_and_an_archived_team_stays_so() -> None:
    name = fresh("t")
    put(tenant(name, "x", "y"))
    assert _teams(name) == {"x": True, "y": True}
    Team.objects.get(tenant__slug=name, slug="y").save(actor="cli:test")
    row = Team.objects.get(tenant__slug=name, slug="y")
    row.archived_at = lock.mandate_now()
    row.save(actor="cli:test")
    put(tenant(name, "x", "y", "z"))
    assert _teams(name) == {"x": True, "y": False, "z": True}
    put(tenant(name, "z"))
    assert _teams(name) == {"x": False, "y": False, "z": True}
    put(tenant(name, "x", "y", "z"))
    assert _teams(name) == {"x": True, "y": True, "z": True}
    publish(Edits(actor="cli:test", origin="git", delete=[("Tenant", "", name)]))
    assert Tenant.objects.get(slug=name).archived_at is not None
    assert _teams(name) == {"x": False, "y": False, "z": False}
    kinds = [(e["kind"], e["subject"].rpartition("/")[2]) for e in entries(tenant=name)]
    assert kinds == [
        ("tenant.created", f"tenant:{name}"),
        ("team.created", "x"),
        ("team.created", "y"),
        ("team.created", "z"),
        ("team.archived", "x"),
        ("team.created", "x"),
        ("team.created", "y"),
        ("tenant.archived", f"tenant:{name}"),
        ("team.archived", "x"),
        ("team.archived", "y"),
        ("team.archived", "z"),
    ]


def _teams(name: str) -> dict[str, bool]:
    rows = Team.objects.filter(tenant__slug=name).order_by("slug")
    return {row.slug: row.archived_at is None for row in rows}


def test_every_problem_has_its_place_in_the_authors_file() -> None:
    name = fresh("t")
    said = _refused(tenant(name, "x"), permission("p", name, 'team.nam == "x"'))
    assert said == [
        'test:12:14 spec.when: there is no variable "team.nam"; did you mean "team.name"?'
    ]


def test_a_document_of_an_unknown_tenant_is_refused() -> None:
    (said,) = _refused(permission("p", fresh("nowhere")))
    assert "there is no Tenant" in said


def test_what_is_not_yet_executed_is_refused_and_named() -> None:
    name = fresh("t")
    provider = (
        "apiVersion: mandate/v1\nkind: Provider\n"
        f"metadata: {{name: p, tenant: {name}}}\nspec: {{type: gemini}}\n"
    )
    assert _refused(tenant(name, "x"), provider) == [
        'test:9:8 spec.type: not yet executed: the provider type "gemini"'
    ]


def test_four_eyes_begins_only_where_two_others_may_approve() -> None:
    four = "apiVersion: mandate/v1\nkind: Organisation\nmetadata: {name: acme}\nspec: {currency: EUR, mode: four-eyes}\n"
    assert _refused(four) == [
        (
            "test:4:23 spec.mode: four-eyes needs two other members who may approve a change of the Organisation; "
            "there are 0: invite them and grant them a role first"
        )
    ]


def test_a_bundle_that_fails_its_own_test_is_not_published() -> None:
    name = fresh("t")
    test = (
        "apiVersion: mandate/v1\nkind: PolicyTest\n"
        f"metadata: {{name: opens, tenant: {name}}}\n"
        f"spec:\n  given: {{tenant: {name}, route: none}}\n  expect: {{effect: %s}}\n"
    )
    assert _refused(tenant(name, "x"), test % "permit") == [
        'test:11:3 spec.expect: the test fails: expected permit, the decision is deny: there is no route "none"'
    ]
    put(tenant(name, "x"), test % "deny")


def test_a_secret_goes_only_to_its_hosts(settings: LazySettings, tmp_path: Path) -> None:
    settings.MANDATE_SECRETS_DIR = tmp_path
    (tmp_path / "openai").write_text("sk-test", encoding="ascii")
    (tmp_path / "openai.hosts").write_text("api.openai.com", encoding="ascii")
    name = fresh("p")

    def provider(url: str, named: str = "openai") -> str:
        return (
            f"apiVersion: mandate/v1\nkind: Provider\nmetadata: {{name: {name}}}\n"
            f"spec: {{type: openai, baseUrl: '{url}', credential: 'secret:{named}'}}\n"
        )

    (elsewhere,) = _refused(provider("https://api.example.com/v1"))
    assert "may be sent to api.openai.com, not to api.example.com" in elsewhere
    (unknown,) = _refused(provider("https://api.openai.com/v1", "unknown"))
    assert 'there is no secret "unknown"' in unknown
    assert put(provider("https://api.openai.com/v1")).difference.lines() == [f"+ Provider {name}"]
    settings.MANDATE_SECRETS_DIR = tmp_path / "empty"
    other = fresh("t")
    assert put(tenant(other, "x")).difference.lines() == [f"+ Tenant {other}"]


def test_the_base_that_moved_is_laid_over_again() -> None:
    one, two = fresh("t"), fresh("t")
    seen: list[int] = []

    def edits(base: Published) -> Edits:
        seen.append(base.revision)
        if len(seen) == 1:
            put(tenant(two, "x"))
        return Edits(actor="cli:test", origin="git", put=parse_text(tenant(one, "x")))

    outcome = publish(edits)
    assert [r - seen[0] for r in seen] == [0, 1]
    assert outcome.revision == seen[0] + 2
    assert Tenant.objects.filter(slug__in=[one, two]).count() == 2


def test_a_base_that_moves_every_time_is_given_up() -> None:
    name = fresh("t")

    def edits(base: Published) -> Edits:
        put(tenant(fresh("t"), "x"))
        return Edits(actor="cli:test", origin="git", put=parse_text(tenant(name, "x")))

    with pytest.raises(BaseMoved):
        publish(edits)
    assert not Tenant.objects.filter(slug=name).exists()


def test_nothing_is_written_by_preparing() -> None:
    before = _state()
    found = parse_text(tenant(fresh("t"), "x"))
    candidate = prepare(published_documents(), Edits(actor="cli:x", origin="git", put=found))
    assert candidate.difference
    assert _state() == before


def test_a_publisher_killed_between_lock_and_commit_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, app_dsn: str
) -> None:
    """Its backend dies after documents, bundle and control were written, before the entry."""
    name, before = fresh("t"), _state()

    def die(kind: str, **_: object) -> None:
        assert kind == "bundle.activated"
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), (SELECT revision FROM policies_control)")
            pid, revision = cursor.fetchone()
        assert revision == before[0].revision + 1
        with psycopg.connect(app_dsn) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", [pid])
        lock.control()

    monkeypatch.setattr(room, "append_entry", die)
    with pytest.raises(DatabaseError):
        put(tenant(name, "x"))
    connection.close()
    assert _state() == before
    assert not Tenant.objects.filter(slug=name).exists()
    monkeypatch.undo()
    assert put(tenant(name, "x")).revision == before[0].revision + 1


def test_the_lock_is_the_first_statement_of_the_publishing_transaction() -> None:
    statements: list[str] = []

    def note(execute: object, sql: str, params: object, many: bool, context: object) -> object:
        statements.append(sql)
        return execute(sql, params, many, context)  # type: ignore[operator]  # Django's wrapper

    with connection.execute_wrapper(note):
        outcome: Outcome = put(tenant(fresh("t"), "x"))
    locked = next(i for i, sql in enumerate(statements) if "order_exclusive()" in sql)
    writes = [
        i for i, sql in enumerate(statements) if sql.startswith(("INSERT", "UPDATE", "DELETE"))
    ]
    assert min(writes) > locked
    assert "policies_control" in statements[locked + 1]
    assert outcome.difference


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://10.1.2.3/v1", "10.1.2.3 is a private, loopback, link-local or metadata address"),
        ("http://169.254.169.254/v1", "169.254.169.254 is a private, loopback, link-local"),
        ("http://168.63.129.16/v1", "168.63.129.16 is a private, loopback, link-local or metadata"),
        ("http://[::ffff:127.0.0.1]:8080/v1", "::ffff:127.0.0.1 is a private, loopback"),
        ("http://0x7f000001/v1", '"0x7f000001" is an odd spelling of an IP address'),
        ("http://127.1/v1", '"127.1" is an odd spelling of an IP address'),
    ],
)
def test_a_private_address_without_a_secret_beside_which_it_is_listed(url: str, words: str) -> None:
    before = _state()
    of = fresh("t")
    problems = _refused(tenant(of, "x"), _provider(of, url))
    assert len(problems) == 1
    assert words in problems[0]
    assert _state() == before


def test_a_public_address_needs_no_secret() -> None:
    of = fresh("t")
    assert put(tenant(of, "x"), _provider(of, "https://models.example/v1")).revision


def _provider(of: str, url: str) -> str:
    return (
        f"apiVersion: mandate/v1\nkind: Provider\nmetadata: {{name: p, tenant: {of}}}\n"
        f"spec: {{type: openai-compatible, baseUrl: '{url}'}}\n"
    )
