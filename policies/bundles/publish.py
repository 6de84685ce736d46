"""The one way to publish. Everything is checked and compiled before the order lock; under it only rows are written.

Conditions are checked by a child process (`policies.checking`): no process that publishes loads the CEL checker.

1. lay the edits over what is published
2. check the whole: types, references, what is not yet executed, where secrets may be sent
3. compile it as the next revision
4. under the exclusive order lock, in one transaction: see that the base has not moved, ask for consent (in four-eyes: a change
   request with its approvals, which are written here), write documents with their history, the bundle, the identity rows of
   tenants and teams, the control row, and the entry `bundle.activated`
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from django.conf import settings

from audit.merkle import canonical
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, Forbidden
from policies.bundles import models, ownership
from policies.bundles.diff import Difference, difference, lay_over
from policies.bundles.read import Published, file_of, published_documents
from policies.bundles.rules import could_approve, leaves_single_operator, single_operator
from policies.checking.client import check_sources
from policies.documents.document import Document, Identity
from policies.documents.parse import raise_if
from policies.documents.problems import InvalidDocuments, Problem
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.bundle import Bundle
from policies.engine.compile import compile_bundle
from policies.engine.expectations import broken, policy_tests
from policies.engine.forms import CheckedForms
from policies.identity.history import record_changed, record_created, record_deleted
from policies.identity.models import User
from policies.identity.sync import Change, TeamsOf, sync_tenants
from policies.order.entries import append_entry
from policies.order.lock import control, exclusively, mandate_now, set_revision
from policies.secrets.addresses import problem_without_secret
from policies.secrets.store import Secrets

_TRIES = 3
_NAMED_IN_ENTRY = 200
OTHERS = 2
"""How many others must be able to approve before four-eyes may begin."""


class BaseMoved(Conflict):
    """Somebody else published in between; lay the edits over the new revision and try again."""

    code = "base_moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """Documents to put and identities to delete, by whom (`cli:root`), and what brought them (`git` or `console`).

    `change` is the id (hex) of the change request that they are, for the entry. `alone`: one person publishes them in an
    emergency, which flags the bundle. `places` says where a folder has what it puts.
    """

    actor: str
    origin: str
    change: str = ""
    alone: bool = False
    put: Sequence[Document] = ()
    delete: Sequence[Identity] = ()
    places: Mapping[Identity, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What publishing came to. `difference` is empty, and `revision` the one in force, when nothing changed."""

    revision: int
    digest: bytes
    difference: Difference
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A bundle that could be published over `base`: checked, compiled, not written."""

    base: Published
    documents: tuple[Document, ...]
    difference: Difference
    forms: CheckedForms
    bundle: Bundle
    flagged: bool

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bundle's text."""
        return bytes.fromhex(self.bundle.digest)


Consent = Callable[[Candidate, int, datetime], None]
"""Asked under the order lock, before anything is written, with the candidate, its revision and the moment. It raises, or writes
who agreed: that commits or vanishes with the bundle."""


class NeedsApproval(Forbidden):
    """In four-eyes nobody publishes alone: hand in a change request."""

    code = "needs_approval"


def publish(edits: Edits | Callable[[Published], Edits], consent: Consent | None = None) -> Outcome:
    """Put the edits into force, or nothing at all. A function of what is published is asked again when the base moved.

    Raises InvalidDocuments with every problem, NeedsApproval in four-eyes without consent, what `consent` raises, BaseMoved when
    others published three times in between, Unavailable when the lock was never free.
    """
    for left in reversed(range(_TRIES)):
        base = published_documents()
        found = edits(base) if callable(edits) else edits
        candidate = prepare(base, found)
        if not candidate.difference:
            return Outcome(
                revision=base.revision,
                digest=candidate.digest,
                difference=candidate.difference,
                flagged=candidate.flagged,
            )
        try:
            return _activate(candidate, found, consent)
        except BaseMoved:
            if not left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def prepare(base: Published, edits: Edits) -> Candidate:
    """Check, compile and test what the edits would make, writing nothing. Raises InvalidDocuments with every problem."""
    candidate = compiled(base, edits)
    # INVARIANT: no bundle is published whose own tests fail
    raise_if(_broken_tests(candidate.documents, candidate.bundle))
    return candidate


def compiled(base: Published, edits: Edits) -> Candidate:
    """The same before its tests are run."""
    documents = lay_over(base.documents, edits.put, edits.delete)
    forms = checked(documents)
    found = difference(base.documents, documents)
    # what is published already was let in: a secret that an operator took away must not hold up a forbid
    raise_if(refusals([*found.created, *found.changed]) + _leaving(base, documents, edits.actor))
    bundle = compile_bundle(base.revision + 1, documents, forms)
    return Candidate(
        base=base,
        documents=tuple(documents),
        difference=found,
        forms=forms,
        bundle=bundle,
        flagged=edits.alone or single_operator(base.documents or documents),
    )


def checked(documents: Sequence[Document]) -> CheckedForms:
    """The checked forms of a whole whose documents are right. Raises InvalidDocuments with every problem, at its place."""
    problems = check_whole(documents)
    # lines count from each document's own first line, wherever its file had it: the same documents give the same forms
    own = [(file_of(d.identity), d.source) for d in documents]
    try:
        forms = check_sources(own)
    except InvalidDocuments as error:
        places = {file_of(d.identity): d for d in documents}
        found = [_at(places[p.file], p) for p in error.problems]
        raise InvalidDocuments([*problems, *found]) from error
    raise_if(problems)
    return forms


def refusals(documents: Iterable[Document]) -> list[Problem]:
    """Why documents that are right may not be published here: what is not yet executed, and where secrets may not be sent."""
    found = list(documents)
    return sorted([*not_yet_executed(found), *_secrets(found)])


def _broken_tests(documents: Iterable[Document], bundle: Bundle) -> list[Problem]:
    """What the bundle's own PolicyTests miss."""
    tests = {(d.tenant, d.name): d for d in documents if d.kind == "PolicyTest"}
    if not tests:
        return []
    now = to_text(mandate_now())
    return [
        tests[test.tenant, test.name].problem("spec.expect", f"the test fails: {miss}")
        for test in policy_tests(bundle)
        for miss in broken(bundle, test, now)
    ]


def _at(document: Document, problem: Problem) -> Problem:
    """A problem counted from the document's first line, at its place in the file it came from."""
    return problem._replace(file=document.file, line=problem.line + document.first_line - 1)


def _activate(candidate: Candidate, edits: Edits, consent: Consent | None) -> Outcome:
    # INVARIANT: in four-eyes nothing takes effect without consent; the base cannot move between here and the lock
    if consent is None and not single_operator(candidate.base.documents):
        raise NeedsApproval(
            "the organisation is in four-eyes mode: this needs a change request that others approve"
        )
    at = mandate_now()
    revision = candidate.base.revision + 1
    encoded = candidate.forms.encode()
    bundle = models.Bundle(
        revision=revision,
        digest=candidate.digest,
        engine=candidate.bundle.engine,
        text=candidate.bundle.text,
        checked=encoded,
        checked_sha256=sha256(encoded).digest(),
        actor=edits.actor,
        flagged=candidate.flagged,
        published_at=at,
    )
    data = _entry_data(candidate, bundle, edits.change)
    before, after = teams_of(candidate.base.documents), teams_of(candidate.documents)

    def work() -> None:
        in_force = control().revision
        if in_force != candidate.base.revision:
            raise BaseMoved(
                f"revision {in_force} was published in between, over {candidate.base.revision}"
            )
        if consent is not None:
            consent(candidate, revision, at)
        _write_documents(candidate, edits, revision)
        bundle.save(force_insert=True)
        sync_tenants(before, after, Change(actor=edits.actor, revision=revision, at=at))
        set_revision(revision, candidate.digest)
        append_entry("bundle.activated", actor=edits.actor, at=at, data=data)

    exclusively(work)
    return Outcome(
        revision=revision,
        digest=candidate.digest,
        difference=candidate.difference,
        flagged=candidate.flagged,
    )


def _write_documents(candidate: Candidate, edits: Edits, revision: int) -> None:
    actor, rows, diff = edits.actor, candidate.base.rows, candidate.difference
    created = [
        _written(models.Document(kind=d.kind, tenant=d.tenant, name=d.name), d, edits)
        for d in diff.created
    ]
    _refuse_moved([*(rows[d.identity] for d in diff.changed), *(rows[i] for i in diff.deleted)])
    changed = [_written(rows[d.identity], d, edits) for d in diff.changed]
    record_created(created, actor=actor, revision=revision)
    record_changed(changed, ["body", "source", "origin", "place"], actor=actor, revision=revision)
    record_deleted([rows[identity] for identity in diff.deleted], actor=actor, revision=revision)


def _refuse_moved(rows: Sequence[models.Document]) -> None:
    """A document may change hands without a revision: whoever publishes looks again then."""
    if not rows:
        return
    now = models.Document.objects.select_for_update().filter(pk__in=[row.pk for row in rows])
    if {row.pk: row.origin for row in rows} != dict(now.values_list("pk", "origin")):
        raise BaseMoved("a document changed hands in between; look at it again")


def _written(row: models.Document, document: Document, edits: Edits) -> models.Document:
    row.body, row.source = canonical.dumps(document.body).decode(), document.source
    place = edits.places.get(document.identity, "")
    row.origin, row.place = ownership.moved_to(
        row, origin=edits.origin, place=place, change=edits.change
    )
    return row


def _entry_data(candidate: Candidate, bundle: models.Bundle, change: str) -> Mapping[str, object]:
    lines = candidate.difference.lines()
    return {
        "revision": bundle.revision,
        "base": candidate.base.revision,
        "digest": bundle.digest.hex(),
        "engine": bundle.engine,
        "checked": bundle.checked_sha256.hex(),
        "flagged": bundle.flagged,
        **candidate.difference.counts,
        "documents": lines[:_NAMED_IN_ENTRY],
        **({"change": change} if change else {}),
    }


def teams_of(documents: Iterable[Document]) -> TeamsOf:
    """Tenants and their teams, as Tenant documents name them."""
    return {d.name: frozenset(d.filled()["teams"]) for d in documents if d.kind == "Tenant"}


def _leaving(base: Published, documents: Sequence[Document], actor: str) -> list[Problem]:
    """Leaving single-operator mode needs two others who could approve the next change of the Organisation."""
    if not leaves_single_operator(base.documents, documents):
        return []
    members = User.objects.filter(is_active=True).values_list("email", flat=True)
    others = could_approve(documents, members, [actor.partition(":")[2]])
    if others >= OTHERS:
        return []
    return [
        d.problem(
            "spec.mode",
            f"four-eyes needs two other members who may approve a change of the Organisation; there "
            f"{'is' if others == 1 else 'are'} {others}: invite them and grant them a role first",
        )
        for d in documents
        if d.kind == "Organisation"
    ]


def _secrets(documents: Iterable[Document]) -> list[Problem]:
    secrets = Secrets(settings.MANDATE_SECRETS_DIR)
    problems = []
    for document in documents:
        spec = document.spec
        if document.kind == "Notification" and spec["to"].get("webhook"):
            wrong = secrets.problem(spec["to"]["credential"], spec["to"]["webhook"])
            if wrong is not None:
                problems.append(document.problem("spec.to.credential", wrong))
            continue
        if document.kind != "Provider" or not (spec.get("credential") or spec.get("baseUrl")):
            continue
        where, base_url = "spec.credential", spec.get("baseUrl", "")
        if spec.get("credential"):
            wrong = secrets.problem(spec["credential"], base_url)
        else:
            where, wrong = "spec.baseUrl", problem_without_secret(base_url)
        if wrong is not None:
            problems.append(document.problem(where, wrong))
    return problems
