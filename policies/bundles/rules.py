"""PURE: who must agree to a change. The base bundle says so; in four-eyes these floors stand whatever it says.

Every kind that a change touches has a need of its own, and all must be met. `count` counts distinct people.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controlplane.kernel.principal import ORGANISATION
from policies.documents.document import Document, Identity

SINGLE, FOUR_EYES = "single-operator", "four-eyes"
_DEFAULT: Final[Mapping[str, Any]] = {"count": 1, "roles": ["approver"]}
FLOORS: Final[Mapping[str, int]] = {"Organisation": 2, "RoleGrant": 1}
HARD_FORBID: Final = 1
"""How many others a hard forbid needs at least, made, changed or taken away."""


@dataclass(frozen=True, slots=True)
class Touched:
    """One document that a change touches, as it is published and as it would be; None where it does not exist."""

    identity: Identity
    before: Document | None
    after: Document | None


@dataclass(frozen=True, slots=True)
class Need:
    """So many people with one of these roles must approve what touches this kind."""

    kind: str
    count: int
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Yes:
    """One approval: by whom, and the roles that the base gives that person where the change belongs."""

    actor: str
    roles: frozenset[str]


def organisation(documents: Iterable[Document]) -> dict[str, Any]:
    """The Organisation's spec with its defaults; empty before `init`."""
    return next((d.filled() for d in documents if d.kind == "Organisation"), {})


def single_operator(documents: Iterable[Document]) -> bool:
    """Whether one person may do all. A base without an Organisation is `init`'s, which nobody could approve."""
    spec = organisation(documents)
    return not spec or spec["mode"] == SINGLE


def needs(base: Collection[Document], touched: Iterable[Touched]) -> list[Need]:
    """What the base bundle asks for, one need for each kind, by name."""
    spec = organisation(base)
    alone = single_operator(base)
    counts: dict[str, Need] = {}
    for one in touched:
        kind = one.identity[0]
        wanted = spec.get("approvals", {}).get(kind) or spec.get("approvals", {}).get("default")
        wanted = {**_DEFAULT, **(wanted or {})}
        roles = tuple(sorted(wanted["roles"] or _DEFAULT["roles"]))
        # in single-operator mode no count binds: who holds the role is enough
        count = min(wanted["count"], 1) if alone else max(wanted["count"], _floor(one))
        known = counts.get(kind)
        counts[kind] = Need(kind, max(count, known.count if known else 0), roles)
    return [counts[kind] for kind in sorted(counts)]


def _floor(one: Touched) -> int:
    # INVARIANT: no document lowers these
    if any(d is not None and is_hard_forbid(d) for d in (one.before, one.after)):
        return HARD_FORBID
    return FLOORS.get(one.identity[0], 0)


def is_hard_forbid(document: Document) -> bool:
    """Whether the document is a forbid that nothing lifts."""
    if document.kind != "Permission":
        return False
    spec = document.filled()
    return bool(spec["effect"] == "forbid" and spec["level"] == "hard")


def unmet(wanted: Sequence[Need], given: Collection[Yes]) -> list[Need]:
    """The needs that these approvals do not meet; their counts say how many are missing."""
    missing = []
    for need in wanted:
        people = {yes.actor for yes in given if yes.roles & set(need.roles)}
        if len(people) < need.count:
            missing.append(Need(need.kind, need.count - len(people), need.roles))
    return missing


def asks_replay(documents: Iterable[Document]) -> bool:
    """Whether nobody may approve without a current replay. In single-operator nothing binds."""
    said = organisation(documents)
    wanted = said.get("replay", {})
    return bool(wanted.get("required") and wanted.get("days")) and said["mode"] != SINGLE


def glass_roles(documents: Iterable[Document]) -> frozenset[str]:
    """The roles of which one person may publish alone in an emergency what only tightens; none: nobody may."""
    return frozenset(organisation(documents).get("breakGlass", {}).get("roles", ()))


def may_help(wanted: Iterable[Need], roles: Collection[str]) -> bool:
    """Whether a person with these roles can meet any of the needs, met already or not."""
    return any(need.count and set(need.roles) & set(roles) for need in wanted)


def roles_at(documents: Iterable[Document], email: str, tenant: str) -> frozenset[str]:
    """The roles that the grants among the documents give to a person in a tenant: there, or in the whole organisation."""
    held: set[str] = set()
    for grant in documents:
        here = grant.kind == "RoleGrant" and grant.tenant in (ORGANISATION, tenant)
        if here and str(grant.spec["member"]).lower() == email.lower():
            held.update(grant.spec["roles"])
    return frozenset(held)


def leaves_single_operator(base: Collection[Document], after: Collection[Document]) -> bool:
    """Whether the documents end the single-operator mode of the base."""
    spec = organisation(base)
    return bool(spec) and spec["mode"] == SINGLE and not single_operator(after)


def could_approve(after: Collection[Document], members: Iterable[str], but: Collection[str]) -> int:
    """How many members, those in `but` left out, could approve a change of the Organisation under these documents."""
    wanted = organisation(after).get("approvals", {})
    rule = {**_DEFAULT, **(wanted.get("Organisation") or wanted.get("default") or {})}
    roles = set(rule["roles"] or _DEFAULT["roles"])
    others = {email.lower() for email in members} - {email.lower() for email in but}
    return sum(bool(roles & roles_at(after, email, ORGANISATION)) for email in others)
