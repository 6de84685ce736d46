"""PURE: what laying documents over what is published would create, change and delete."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies.documents.document import Document, Identity


@dataclass(frozen=True, slots=True)
class Difference:
    """Three lists in the order of identity. A document is changed when its body or the text that its author wrote differs."""

    created: tuple[Document, ...] = ()
    changed: tuple[Document, ...] = ()
    deleted: tuple[Identity, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.created or self.changed or self.deleted)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each, for the entry and the person who reads it."""
        return {
            "created": len(self.created),
            "changed": len(self.changed),
            "deleted": len(self.deleted),
        }

    def lines(self) -> list[str]:
        """`+ Route insurance/claims-triage`, `~ Budget …`, `- Model …`: one line each."""
        marked = [("+", d.identity) for d in self.created]
        marked += [("~", d.identity) for d in self.changed]
        marked += [("-", identity) for identity in self.deleted]
        return [f"{mark} {named(identity)}" for mark, identity in marked]


def named(identity: Identity) -> str:
    """`Route insurance/claims-triage`, `Model gpt-mini`."""
    kind, tenant, name = identity
    return f"{kind} {tenant}/{name}" if tenant else f"{kind} {name}"


def lay_over(
    published: Iterable[Document], put: Iterable[Document], delete: Iterable[Identity] = ()
) -> list[Document]:
    """Everything that would be published then, in the order of identity."""
    whole = {d.identity: d for d in published}
    whole.update({d.identity: d for d in put})
    for identity in delete:
        whole.pop(identity, None)
    return [whole[identity] for identity in sorted(whole)]


def difference(published: Iterable[Document], wanted: Iterable[Document]) -> Difference:
    """From what is published to what is wanted."""
    before: Mapping[Identity, Document] = {d.identity: d for d in published}
    after = {d.identity: d for d in wanted}
    return Difference(
        created=tuple(after[i] for i in sorted(after.keys() - before.keys())),
        changed=tuple(
            after[i] for i in sorted(after.keys() & before.keys()) if _differ(before[i], after[i])
        ),
        deleted=tuple(sorted(before.keys() - after.keys())),
    )


def _differ(before: Document, after: Document) -> bool:
    return before.body != after.body or before.source != after.source
