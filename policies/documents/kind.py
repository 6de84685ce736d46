"""What every kind of document has in common."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from policies.documents.fields import EMAIL, NAME, Choice, Day, Field, Words, filled
from policies.documents.groups import Group, MapOf
from policies.documents.reading import Json

API_VERSION: Final = "mandate/v1"
Told = tuple[str, str]
"""A path below `spec` and what to say about it."""


class Kind:
    """One kind of document: its fields, what must hold between them, and which of it is not executed yet."""

    kind: ClassVar[str]
    tenanted: ClassVar[bool] = True
    """Whether `metadata.tenant` may be set."""
    executed: ClassVar[bool] = True
    fields: ClassVar[Mapping[str, Field]]

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:  # noqa: ARG003  # for subclasses
        """What is wrong between the fields of a spec that is right field by field."""
        yield from ()

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:  # noqa: ARG003  # for subclasses
        """Values that are parsed but whose executor is not built."""
        yield from ()

    @classmethod
    def filled(cls, spec: Mapping[str, Json]) -> dict[str, Json]:
        """The spec with every default written out."""
        return filled(cls.fields, spec)


def metadata(*, tenanted: bool) -> Group:
    """The group `metadata` of a kind."""
    fields: dict[str, Field] = {"name": name(required=True)}
    if tenanted:
        fields["tenant"] = name()
    return Group(
        fields
        | {
            "labels": labels(),
            "owner": Words(".{1,254}", "a member or a team"),
            "origin": Choice("git", "console"),
            "description": Words(r"[\s\S]{1,2000}", "text of at most 2,000 characters"),
        },
        required=True,
    )


def name(*, required: bool = False) -> Words:
    """A name as documents have it."""
    return Words(NAME, "a name of letters, digits, '.', '_' and '-', at most 63", required=required)


def email(*, required: bool = False) -> Words:
    """An e-mail address; it names a person, who may be invited later."""
    return Words(EMAIL, "an e-mail address", required=required)


def labels() -> MapOf:
    """Free labels: text to text."""
    return MapOf(Words(r"[\s\S]{0,512}", "text of at most 512 characters"), name())


def day(*, required: bool = False) -> Day:
    """A calendar day."""
    return Day(required=required)
