"""What goes through the pipes: one line of JSON each way."""

import msgspec

from policies.documents.problems import Problem
from policies.engine.forms import CheckedForms, Form


class Source(msgspec.Struct, frozen=True, array_like=True):
    """The text of one document, and what its problems call the file."""

    file: str
    text: str


class Documents(msgspec.Struct, frozen=True, tag="documents"):
    """Check every condition of these documents."""

    sources: tuple[Source, ...]


class OneCondition(msgspec.Struct, frozen=True, tag="condition"):
    """Check one text: what it may read (`place`) and what it must give (`result`)."""

    place: str
    result: str
    text: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The forms of documents, the form of one condition, or what is wrong."""

    forms: CheckedForms | None = None
    form: Form | None = None
    problems: tuple[Problem, ...] = ()


Question = Documents | OneCondition
ENCODER = msgspec.json.Encoder()
QUESTIONS: msgspec.json.Decoder[Question] = msgspec.json.Decoder(Question)
ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
