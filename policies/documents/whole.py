"""What must hold between all documents of a bundle: one Organisation, no dangling reference, nothing that is not executed yet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from policies.documents.document import Document, Identity
from policies.documents.kinds import KINDS
from policies.documents.limits import DOCUMENTS, PROBLEMS
from policies.documents.parse import twice
from policies.documents.problems import Problem, did_you_mean


def check_whole(documents: Sequence[Document]) -> list[Problem]:
    """Every error between the documents of a bundle that is to be published."""
    index = {d.identity: d for d in documents}
    problems = twice(documents) + list(_organisation(documents))
    if len(documents) > DOCUMENTS.most:
        message = f"has {len(documents):,} documents, at most {DOCUMENTS.most:,}"
        return [Problem("<bundle>", 1, 1, "", message)]
    for document in documents:
        if len(problems) > PROBLEMS.most:
            break
        problems += _dangling(document, index)
        problems += _data_classes(document, index)
        problems += _exceptions(document, index)
        problems += _rules(document, index)
    return sorted(problems)


def not_yet_executed(documents: Iterable[Document]) -> list[Problem]:
    """Kinds, fields and values that are parsed but whose executor is not built; publish refuses them."""
    problems = []
    for document in documents:
        kind = KINDS[document.kind]
        if not kind.executed:
            problems.append(
                document.problem("kind", f'not yet executed: the kind "{document.kind}"')
            )
            continue
        problems += [
            document.problem(f"spec.{p}", f"not yet executed: {what}")
            for p, what in kind.not_yet(document.spec)
        ]
    return problems


def resolve(index: Mapping[Identity, object], kind: str, tenant: str, name: str) -> Identity | None:
    """The document a name means: of the own tenant first, then of the organisation."""
    for owner in dict.fromkeys((tenant, "")):
        if (kind, owner, name) in index:
            return kind, owner, name
    return None


def _organisation(documents: Sequence[Document]) -> Iterator[Problem]:
    found = [d for d in documents if d.kind == "Organisation"]
    if not found:
        yield Problem("<bundle>", 1, 1, "", "there is no Organisation; a bundle has exactly one")
    for extra in found[1:]:
        if extra.name != found[0].name:
            yield extra.problem(
                "metadata.name",
                f'a second Organisation; the first is "{found[0].name}" at {found[0].file}:{found[0].first_line}',
            )


def _dangling(document: Document, index: Mapping[Identity, Document]) -> Iterator[Problem]:
    if document.tenant and ("Tenant", "", document.tenant) not in index:
        known = [name for kind, _, name in index if kind == "Tenant"]
        yield document.problem(
            "metadata.tenant",
            f'there is no Tenant "{document.tenant}"{did_you_mean(document.tenant, known)}',
        )
    for reference in document.references:
        if reference.kind == "team":
            known = _teams(document, reference.path, index)
            exists = reference.name in known
        else:
            exists = resolve(index, reference.kind, document.tenant, reference.name) is not None
            known = [] if exists else _named(index, reference.kind, document.tenant)
        if not exists:
            what = "team" if reference.kind == "team" else reference.kind
            message = f'there is no {what} "{reference.name}"{did_you_mean(reference.name, known)}'
            yield Problem(document.file, *reference.position, reference.path, message)


def _named(index: Mapping[Identity, Document], kind: str, tenant: str) -> list[str]:
    return sorted({n for k, t, n in index if k == kind and t in ("", tenant)})


def _teams(document: Document, path: str, index: Mapping[Identity, Document]) -> list[str]:
    group = document.body
    for step in path.split(".")[:-1]:
        group = group[step]
    tenant = document.tenant or group.get("tenant", "")
    named = [d for (kind, _, name), d in index.items() if kind == "Tenant" and tenant in ("", name)]
    return [team for d in named for team in d.spec.get("teams", [])]


def _data_classes(document: Document, index: Mapping[Identity, Document]) -> Iterator[Problem]:
    field = {"UseCase": "dataClasses", "Model": "clearance"}.get(document.kind)
    organisation = next((d for d in index.values() if d.kind == "Organisation"), None)
    if field is None or organisation is None:
        return
    known = organisation.filled()["dataClasses"]
    for i, word in enumerate(document.spec.get(field, [])):
        if word not in known:
            message = f'"{word}" is not a data class of the organisation{did_you_mean(word, known)}'
            yield document.problem(f"spec.{field}[{i}]", message)


def _exceptions(document: Document, index: Mapping[Identity, Document]) -> Iterator[Problem]:
    """An Exception lifts a soft forbid, or raises a budget, of its own level: a tenant's never one of the organisation."""
    if document.kind != "Exception":
        return
    for field, kind in (("permission", "Permission"), ("budget", "Budget")):
        found = resolve(index, kind, document.tenant, document.spec.get(field, ""))
        if found is None:
            continue
        target = index[found]
        if target.tenant != document.tenant and document.tenant:
            message = f"\"{target.name}\" is the organisation's; a tenant's Exception reaches its own documents only"
            yield document.problem(f"spec.{field}", message)
        filled = target.filled()
        if kind == "Permission" and (filled["effect"], filled["level"]) != ("forbid", "soft"):
            message = f'"{target.name}" is no soft forbid; nothing else can be lifted'
            yield document.problem(f"spec.{field}", message)


def _rules(document: Document, index: Mapping[Identity, Document]) -> Iterator[Problem]:
    """A model at a provider of type `rules` is its rules, and no other model has any."""
    if document.kind != "Model":
        return
    found = resolve(index, "Provider", document.tenant, document.spec["provider"])
    if found is None:
        return
    by_rules = index[found].spec.get("type") == "rules"
    if by_rules and "rules" not in document.spec:
        yield document.problem("spec", f'a model at "{found[2]}" needs rules: that is all it has')
    if "rules" in document.spec and not by_rules:
        yield document.problem("spec.rules", f'"{found[2]}" is no provider of type rules')
