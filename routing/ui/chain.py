"""Who made the rules of a call: the rule and its line, the revision, the change request, the people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from django.urls import reverse
from django.utils import timezone

from controlplane.kernel.principal import Principal
from policies.bundles.published import at_revision
from policies.changes import access as drafting
from policies.changes.brought import brought
from policies.ui.people import person


class Rule(Protocol):
    """What is needed of a rule's row."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def place(self) -> str:
        """Where it stands, with its line."""

    @property
    def url(self) -> str:
        """Its text in force then; empty for what is built in."""

    @property
    def determining(self) -> bool:
        """Whether it decided."""


@dataclass(frozen=True, slots=True)
class Link:
    """One step of who made the rules."""

    icon: str
    name: str
    note: str
    url: str = ""


def chain(principal: Principal, revision: int, rules: Sequence[Rule]) -> list[Link]:
    """From the rule that decided to who published the revision it was decided under."""
    deciding = next((rule for rule in rules if rule.determining and rule.url), None)
    links = [Link("rule", deciding.name, deciding.place, deciding.url)] if deciding else []
    found = at_revision(revision)
    if found is None or found.published_at is None:
        return [*links, Link("revision", f"Revision {revision}", "not in this database")]
    at = timezone.localtime(found.published_at)
    links.append(
        Link(
            "revision",
            f"Revision {found.revision}",
            f"{found.digest[:8]}…{found.digest[-4:]}, published {at:%a} {at.day} {at:%b %Y, %H:%M %Z}",
            reverse("revision", args=[found.revision]),
        )
    )
    change = brought(found.revision, found.digest)
    if change is not None and drafting.sees(principal, change.tenant):
        url = reverse("change", args=[change.id])
        links.append(Link("change", change.title, f"{person(change.author)} wrote it", url))
    flag = " alone: single-operator mode, flagged" if found.flagged else ""
    links.append(Link("person", person(found.actor), f"published it{flag}"))
    return links
