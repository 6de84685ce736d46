"""People with roles in a published bundle, in four-eyes or single-operator mode, for one test; and taken back after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.publish import Edits, publish
from policies.bundles.read import published_documents
from policies.changes import commands, publishing
from policies.changes.models import ChangeRequest, Glass, Shadow
from policies.documents.document import Identity
from policies.documents.parse import parse_text
from policies.identity.models import User
from policies.order.lock import mandate_now
from tests.policies import texts
from tests.policies.texts import fresh, tenant

FOUR_EYES = (
    texts.ORGANISATION.replace("single-operator", "four-eyes")
    + "  replay: {days: 7, required: false}\n"
)
RULES = (
    "  approvals: {default: {count: 1, roles: [approver]}, Budget: {count: 1, roles: [finance]}, "
    "Tenant: {count: 0}}\n"
)


def grant(email: str, *roles: str, of: str = "") -> str:
    """A RoleGrant document."""
    place = f", tenant: {of}" if of else ""
    name = email.partition("@")[0]
    return (
        f"apiVersion: mandate/v1\nkind: RoleGrant\nmetadata: {{name: {name}{place}}}\n"
        f"spec: {{member: {email}, roles: [{', '.join(roles)}]}}\n"
    )


def budget(name: str, of: str, limit: str = "100.00") -> str:
    """A Budget document of a tenant."""
    return (
        f"apiVersion: mandate/v1\nkind: Budget\nmetadata: {{name: {name}, tenant: {of}}}\n"
        f'spec: {{scope: {{tenant: {of}}}, owner: finn@acme.example, period: month, limit: "{limit}"}}\n'
    )


@dataclass
class World:
    """One tenant, another, and who may do what. Addresses are of this test alone."""

    tenant: str
    other: str
    people: dict[str, Principal] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Principal:
        """`world.cleo`."""
        try:
            return self.people[name]
        except KeyError:
            raise AttributeError(name) from None

    def add(self, name: str, *roles: str, of: str = ORGANISATION, team: str = "") -> Principal:
        """A member whose grant will be published."""
        who = fresh(name)
        found = Principal(
            kind="member",
            id=f"{who}@acme.example",
            name=name.title(),
            roles={of: frozenset(roles)},
            teams=frozenset({(of, team)}) if team else frozenset(),
        )
        User(email=found.id, name=found.name).save(actor="cli:test")
        self.people[name] = found
        return found

    def grants(self) -> list[str]:
        """Everybody's RoleGrant."""
        return [
            grant(p.id, *sorted(roles), of=place)
            for p in self.people.values()
            for place, roles in p.roles.items()
            if roles
        ]


def force(*put: str, delete: list[Identity] | None = None, origin: str = "console") -> int:
    """Publish whatever the mode is: what tests arrange, never what they test."""
    done = publish(
        Edits(
            actor="cli:test",
            origin=origin,
            put=parse_text("---\n".join(put), "test") if put else (),
            delete=delete or (),
        ),
        lambda *_: None,
    )
    return done.revision


@contextmanager
def world(mode: str = FOUR_EYES, rules: str = RULES) -> Iterator[World]:
    """The world, published; the organisation is as before afterwards, and nobody of the world holds a role."""
    made = World(fresh("t"), fresh("o"))
    made.add("ada", "admin")
    made.add("cleo", "author", "approver", "auditor")
    made.add("dora", "approver")
    made.add("finn", "finance")
    made.add("tariq", "developer", of=made.tenant, team="claims")
    made.add("mallory", "developer", "approver", "author", of=made.other, team="x")
    before = published_documents()
    organisation = next(d.source for d in before.documents if d.kind == "Organisation")
    force(tenant(made.tenant, "claims"), tenant(made.other, "x"), *made.grants())
    force(mode + rules)
    try:
        yield made
    finally:
        now = published_documents()
        ours = [
            i
            for i in now.rows
            if i[0] == "RoleGrant" or made.tenant in (i[1], i[2]) or made.other in (i[1], i[2])
        ]
        force(organisation, delete=[i for i in ours if i not in before.rows])
        # nothing of this test is left for the overviews of others
        Glass.objects.filter(verdict="").update(verdict="confirmed")
        ChangeRequest.objects.exclude(held_back="").update(held_back="")
        Shadow.objects.filter(ended_at=None).update(ended_at=mandate_now())
        User.objects.filter(email__in=[p.id for p in made.people.values()]).update(is_active=False)


def opened(
    principal: Principal, *put: str, of: str = "", title: str = "A change", submit: bool = True
) -> ChangeRequest:
    """A change request with these texts, handed in."""
    row = commands.draft(principal, commands.NewChange(title=title, tenant=of))
    commands.put_texts(principal, row.id, "---\n".join(put))
    if submit:
        return publishing.submit(principal, row.id)
    row.refresh_from_db()
    return row
