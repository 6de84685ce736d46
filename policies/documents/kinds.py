"""The registry: every kind of document by its name."""

from collections.abc import Mapping
from typing import Final

from policies.documents.accounts import Model, Provider
from policies.documents.groups import Group, Tag
from policies.documents.identity import Organisation, RoleGrant, Tenant
from policies.documents.kind import API_VERSION, Kind, metadata
from policies.documents.money import Budget, Notification, RateLimit
from policies.documents.reading import Json
from policies.documents.routes import DataSource, Route, Tool, Validator
from policies.documents.rules import (
    EscalationRule,
    Lifting,
    Permission,
    PolicyTest,
    ReviewQueue,
    UseCase,
)

KINDS: Final[Mapping[str, type[Kind]]] = {
    kind.kind: kind
    for kind in (
        Organisation, RoleGrant, Provider, Model, Tenant, UseCase, Permission, Route, Budget,
        RateLimit, EscalationRule, ReviewQueue, Validator, Tool, DataSource, Lifting, PolicyTest, Notification,
    )
}  # fmt: skip


def shape(kind: type[Kind]) -> Group:
    """The whole document of a kind as a group of fields."""
    return Group(
        {
            "apiVersion": Tag(API_VERSION),
            "kind": Tag(kind.kind),
            "metadata": metadata(tenanted=kind.tenanted),
            "spec": Group(kind.fields, required=True),
        }
    )


def json_schema(kind: str) -> dict[str, Json]:
    """JSON Schema (draft 7) of a kind, for editors. Raises KeyError."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": kind,
        **shape(KINDS[kind]).schema(),
    }


def combined_schema() -> dict[str, Json]:
    """JSON Schema of a document of any kind, for editors that check a whole folder."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A Mandate document",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": name}}}, "then": shape(kind).schema()}
            for name, kind in KINDS.items()
        ],
    }
