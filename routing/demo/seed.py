"""Seed the demo: secrets, documents, people, keys and tokens. Everything may run twice; what is there stays.

Keys, passwords and tokens are told once, when they are made. A seeding that was cut short makes them anew.
"""

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import Principal
from policies.bundles.diff import difference, lay_over
from policies.bundles.publish import Edits, publish
from policies.bundles.read import Published, published_documents
from policies.bundles.rules import single_operator
from policies.changes.commands import NewChange
from policies.changes.publishing import propose
from policies.documents.document import Document
from policies.documents.parse import parse_text
from policies.identity import commands, members
from policies.identity.models import ApiKey, Membership, Token, User
from policies.order.lock import control, mandate_now
from routing.demo import world
from routing.demo.story import before

NAME = "demo"
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:\d+")
_WORDS = (
    "amber",
    "birch",
    "cobalt",
    "delta",
    "ember",
    "fjord",
    "garnet",
    "harbour",
    "indigo",
    "juniper",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a newcomer needs; empty parts were told before."""

    keys: Mapping[str, str] = field(default_factory=dict)
    people: tuple[Mapping[str, object], ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """For `welcome.json`; a part that was told before is absent."""
        parts = {"keys": self.keys, "people": list(self.people), "tokens": self.tokens}
        return {"route": world.ROUTE, **{name: part for name, part in parts.items() if part}}


def seed(operator: Principal, port: int, *, early: bool = False) -> Told:
    """Make the demo around the sandbox upstream on a loopback port; `early`: as it stood before its story.

    Where it has been made, only the sandbox's address follows the port: documents that people changed since stay as they
    are. Raises Conflict before `init`.
    """
    if not control().revision:
        raise Conflict("there is no organisation yet; run `manage.py init` first")
    vendors = _write_secrets(settings.MANDATE_SECRETS_DIR, port)
    if _complete():
        _move(operator, port)
        return Told()
    wanted = world.documents(_address(port), vendors, on=mandate_now().date())
    if early:
        wanted = [before(document) for document in wanted]
    publish(lambda base: _founded(operator, base, wanted))
    people = tuple(_person(operator, person) for person in world.PEOPLE)
    keys = {team: _key(operator, team) for team in world.TEAMS}
    _key(operator, world.BURST)
    tokens = {role: _token(operator, role, email) for role, email in world.TOKENS.items()}
    return Told(keys, people, tokens)


def _write_secrets(folder: Path, port: int) -> frozenset[str]:
    """The sandbox's key with its one address, and the real vendors' where the environment has them; returns those."""
    _write(folder, "sandbox", "sandbox", f"127.0.0.1:{port}")
    found = set()
    for vendor, (variable, host) in world.VENDORS.items():
        if os.environ.get(variable):
            _write(folder, vendor, os.environ[variable], host)
        if (folder / vendor).is_file():
            found.add(vendor)
    return frozenset(found)


def _write(folder: Path, name: str, value: str, hosts: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, text in ((folder / name, value), (folder / f"{name}.hosts", hosts)):
        path.touch(mode=0o600)
        path.write_text(text + "\n", encoding="utf-8")


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _founded(operator: Principal, base: Published, put: Sequence[Document]) -> Edits:
    """The demo's documents. Its Ada is the admin that init made, who then no longer holds every role."""
    emails = {person.email for person in world.PEOPLE}
    first = [
        d.identity
        for d in base.documents
        if d.identity == ("RoleGrant", "", "first-admin") and d.spec["member"] in emails
    ]
    return Edits(actor=operator.actor, origin="console", put=put, delete=first)


def _move(operator: Principal, port: int) -> None:
    """Providers of an earlier start follow the sandbox; in four-eyes mode somebody must agree to that too."""
    base = published_documents()
    edits = _moved(operator, base, port)
    if single_operator(base.documents):
        publish(lambda base: _moved(operator, base, port))
    elif difference(base.documents, lay_over(base.documents, edits.put)):
        wanted = NewChange(title=f"The sandbox is at {_address(port)} now")
        propose(operator, wanted, [d.source for d in edits.put], ())


def _moved(operator: Principal, base: Published, port: int) -> Edits:
    """Providers at a sandbox of an earlier start, at this start's address."""
    found = (
        d
        for d in base.documents
        if d.kind == "Provider" and d.spec.get("credential") == "secret:sandbox"
    )
    put = [parse_text(_LOOPBACK.sub(_address(port), d.source), d.file)[0] for d in found]
    return Edits(actor=operator.actor, origin="console", put=put)


def _complete() -> bool:
    """Whether all keys and tokens were made once; those that somebody revoked since do not come back."""
    keys = ApiKey.objects.filter(name=NAME).count()
    tokens = Token.objects.filter(name__in=world.TOKENS).count()
    return keys >= len(world.TEAMS) and tokens >= len(world.TOKENS)


def _person(operator: Principal, person: world.Person) -> Mapping[str, object]:
    password = f"{secrets.choice(_WORDS)}-{secrets.choice(_WORDS)}-{secrets.randbelow(10**6):06d}"
    user = User.objects.filter(email=person.email).first()
    if user is None:
        user = members.create_member(operator, person.email, person.name, password)
    else:
        members.set_password(operator, user, password)
    for place in person.teams:
        tenant, team = place.split("/")
        if not Membership.objects.filter(user=user, tenant__slug=tenant, team__slug=team).exists():
            members.add_membership(operator, user, tenant, team)
    return {
        "name": person.name,
        "email": person.email,
        "password": password,
        "roles": list(person.roles),
    }


def _key(operator: Principal, place: str) -> str:
    tenant, team = place.split("/")
    return commands.create_key(operator, commands.NewKey(tenant=tenant, team=team, name=NAME)).shown


def _token(operator: Principal, role: str, email: str) -> str:
    return commands.create_token(operator, User.objects.get(email=email), name=role).shown
