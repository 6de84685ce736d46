"""What a folder would change, and what is wrong with it. Nothing is written; the same answer for the command line and the API."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.kernel.clock import to_text
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.analysis import differences as analysis
from policies.analysis.analyse import analyse
from policies.analysis.testing import run_tests
from policies.bundles import ownership
from policies.bundles.diff import Difference, difference, lay_over, named
from policies.bundles.publish import Candidate, Edits, checked, prepare, refusals
from policies.bundles.read import Published, file_of, published_documents
from policies.bundles.rules import Need, Touched, needs, organisation
from policies.bundles.snapshot import published
from policies.changes import access, compare
from policies.changes.texts import digest_of
from policies.changes.words import story
from policies.documents.document import Document, Identity
from policies.documents.parse import raise_if
from policies.documents.problems import InvalidDocuments, Problem
from policies.engine.bundle import Bundle
from policies.engine.compile import compile_bundle
from policies.folders.folder import Folder
from policies.order.lock import mandate_now

Json = dict[str, Any]
_ELSEWHERE = (
    "something outside this tenant would not hold any more; ask an author of the organisation"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a folder is laid over what is published, and in which tenant.

    `prune`: what Git brought and no longer has goes away. `take`: it goes over what the console wrote.
    """

    tenant: str = ORGANISATION
    prune: bool = False
    take: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A folder over what is published: right in itself, nothing checked between documents yet."""

    folder: Folder
    wanted: Wanted
    base: Published
    put: tuple[Document, ...]
    whole: tuple[Document, ...]
    difference: Difference

    @property
    def touched(self) -> list[Document]:
        """What is put in force anew."""
        return [*self.difference.created, *self.difference.changed]

    @property
    def digest(self) -> str:
        """What an approval of exactly this would bind; nothing where nothing changes."""
        if not self.difference:
            return ""
        parts = [(d.identity, d.source) for d in self.touched]
        return digest_of([*parts, *((i, None) for i in self.difference.deleted)], None)


def lay(principal: Principal, folder: Folder, wanted: Wanted) -> Laid:
    """Read a folder over what is published. Raises NotFound, Forbidden for who may not write there, InvalidDocuments."""
    access.require_draft(principal, wanted.tenant)
    put = folder.documents()
    raise_if(_astray(put, wanted.tenant))
    base = published_documents()
    gone = pruned(base, put, wanted)
    whole = lay_over(base.documents, put, gone)
    return Laid(
        folder=folder,
        wanted=wanted,
        base=base,
        put=tuple(put),
        whole=tuple(whole),
        difference=difference(base.documents, whole),
    )


def plan(principal: Principal, folder: Folder, wanted: Wanted) -> Json:
    """Everything that can be said of a folder before it is handed in. Raises as `lay`."""
    laid = lay(principal, folder, wanted)
    draft, now = compiled(laid), to_text(mandate_now())
    return {
        "revision": laid.base.revision,
        "digest": laid.digest,
        "sourceDigest": folder.source_digest,
        "documents": len(laid.put),
        "present": [
            dict(zip(("kind", "tenant", "name"), d.identity, strict=True)) for d in laid.put
        ],
        "items": list(_items(laid)),
        "refusals": [p._asdict() for p in sorted(refusals(laid.touched))],
        "needs": [
            {"kind": n.kind, "count": n.count, "roles": list(n.roles)} for n in needs_of(laid)
        ],
        **_tested(laid, draft, now),
        "findings": list(_findings(laid, draft, now)),
        "examples": list(_examples(laid, draft, now)),
    }


def compiled(laid: Laid) -> Bundle:
    """What would be published. Raises InvalidDocuments, with nothing of another tenant in it."""
    try:
        forms = checked(laid.whole)
    except InvalidDocuments as error:
        raise InvalidDocuments(seen_by(laid, error.problems)) from error
    return compile_bundle(laid.base.revision + 1, laid.whole, forms)


def prepared(principal: Principal, laid: Laid) -> Candidate:
    """What would be put into force. Raises InvalidDocuments with every reason why it could not be published."""
    edits = Edits(actor=principal.actor, origin="git", put=laid.put, delete=laid.difference.deleted)
    try:
        return prepare(laid.base, edits)
    except InvalidDocuments as error:
        raise InvalidDocuments(seen_by(laid, error.problems)) from error


def pruned(base: Published, put: Iterable[Document], wanted: Wanted) -> list[Identity]:
    """With `prune`: what earlier applies brought and the folder no longer has. The Organisation is never among it."""
    if not wanted.prune:
        return []
    kept = {d.identity for d in put}
    return sorted(
        identity
        for identity, row in base.rows.items()
        if row.origin == "git"
        and identity[0] != "Organisation"
        and identity not in kept
        and wanted.tenant in (ORGANISATION, identity[1])
    )


def _astray(put: Iterable[Document], tenant: str) -> Iterator[Problem]:
    """A tenant's folder has the tenant's own documents, and no others."""
    for document in put:
        if tenant and document.tenant != tenant:
            whose = f'of tenant "{document.tenant}"' if document.tenant else "of the organisation"
            message = f'this is applied to tenant "{tenant}"; the document is {whose}'
            yield document.problem("metadata.tenant", message)


def seen_by(laid: Laid, problems: Sequence[Problem]) -> list[Problem]:
    """The problems as people of the tenant may read them."""
    if not laid.wanted.tenant:
        return list(problems)
    # INVARIANT: nothing of another tenant, by any path
    own = {file.path for file in laid.folder.files}
    place = f"published/{laid.wanted.tenant}/"
    kept = [p for p in problems if p.file in own or p.file.startswith(place)]
    if len(kept) < len(problems):
        kept.append(Problem("<bundle>", 1, 1, "", _ELSEWHERE))
    return kept


def _items(laid: Laid) -> Iterator[Json]:
    before = {d.identity: d for d in laid.base.documents}
    after = {d.identity: d for d in laid.whole}
    currency = str(organisation(laid.whole).get("currency", "EUR"))
    found = laid.difference
    marks = [("+", d.identity) for d in found.created]
    marks += [("~", d.identity) for d in found.changed]
    marks += [("-", identity) for identity in found.deleted]
    for mark, identity in marks:
        old, new = before.get(identity), after.get(identity)
        kind, tenant, name = identity
        told = story(identity, old, new, currency)
        yield {
            "mark": mark,
            "kind": kind,
            "tenant": tenant,
            "name": name,
            "file": new.file if new else "",
            "line": new.first_line if new else 0,
            "says": list(told.sentences),
            "touches": told.touches,
            "owner": _owner(laid, identity),
            "drift": _drift(laid, identity),
            "diff": compare.text(
                old.source if old else None, new.source if new else None, file_of(identity)
            ),
        }


def _owner(laid: Laid, identity: Identity) -> str:
    """`console` where `apply` needs --take, `git` where Git keeps it, else nothing."""
    row = laid.base.rows.get(identity)
    if row is None:
        return ""
    return ownership.CONSOLE if ownership.of_console(row) else ownership.GIT * (row.origin == "git")


def _drift(laid: Laid, identity: Identity) -> str:
    """Where Git had it, where what is published is something else since; nothing where only the folder moved."""
    row = laid.base.rows.get(identity)
    return ownership.place_of(row.place).short if row and ownership.drifted(row) else ""


def needs_of(laid: Laid) -> Sequence[Need]:
    """Whom it would need."""
    before = {d.identity: d for d in laid.base.documents}
    after = {d.identity: d for d in laid.whole}
    found = [*(d.identity for d in laid.touched), *laid.difference.deleted]
    touched = [Touched(i, before.get(i), after.get(i)) for i in found]
    return [need for need in needs(laid.base.documents, touched) if need.count]


def _tested(laid: Laid, draft: Bundle, now: str) -> Json:
    """Every PolicyTest of the whole that the asker may know, with what it misses; and the rules that no test decides."""
    places = {d.identity: d for d in laid.whole if d.kind == "PolicyTest"}
    ran = run_tests(draft, now)
    tests = []
    for result in ran.results:
        if not _known(laid, [result.test]):
            continue
        document = places[result.test]
        line, column = document.position("spec.expect")
        tests.append(
            {
                "tenant": document.tenant,
                "name": document.name,
                "file": document.file,
                "line": line,
                "column": column,
                "misses": list(result.misses),
            }
        )
    bare = [named(rule) for rule in ran.uncovered if _known(laid, [rule])]
    return {"tests": tests, "uncovered": bare}


def _findings(laid: Laid, draft: Bundle, now: str) -> Iterator[Json]:
    """What is odd about what the folder brings."""
    places = {d.identity: d for d in laid.whole}
    brought = {d.identity for d in laid.put}
    for found in analyse(draft, now).findings:
        if found.about & brought and _known(laid, found.about):
            document = places[found.document]
            yield {
                "sort": found.kind,
                "document": named(found.document),
                "message": found.message,
                "file": document.file,
                "line": document.first_line + max(found.line, 1) - 1,
            }


def _examples(laid: Laid, draft: Bundle, now: str) -> Iterator[Json]:
    """The smallest calls that would be decided otherwise."""
    if not laid.difference or not laid.base.revision:
        return
    found = analysis.compare(published().bundle, draft, now, laid.wanted.tenant)
    for one in found.examples:
        yield {
            "change": one.change,
            "tenant": one.tenant,
            "team": one.team,
            "route": one.route,
            "facts": [" ".join(fact) for fact in one.facts],
            "before": _side(one.before),
            "after": _side(one.after),
            "count": one.count,
        }


def _side(side: analysis.Side) -> Json:
    return {"effect": side.effect, "models": list(side.models), "why": side.why}


def _known(laid: Laid, about: Iterable[Identity]) -> bool:
    """Whether the asker may read of all of these: in a tenant's plan only the tenant's own."""
    return not laid.wanted.tenant or all(i[1] == laid.wanted.tenant for i in about)
