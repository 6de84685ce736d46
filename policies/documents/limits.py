"""Every limit of documents and conditions, each with its figure and why: no document can stall a parse, a check or a decision.

A document beyond one of them is refused at its file, line and column when it is read or checked, so that what is published is
within all of them. `reference` makes the table of them. The unit of cost is defined in `policies.engine.cost`.
"""

from typing import Final, NamedTuple


class Limit(NamedTuple):
    """One limit: what it counts, the most there may be, and why that much."""

    what: str
    most: int
    why: str


FOLDER_BYTES: Final = Limit(
    "bytes of all files of a folder",
    64 * 1024 * 1024,
    "read into memory as a whole; ten thousand documents of 6 KiB",
)
FILE_BYTES: Final = Limit(
    "bytes of one file", 4 * 1024 * 1024, "one file may hold a whole bundle of usual size"
)
DOCUMENT_BYTES: Final = Limit(
    "bytes of one document",
    256 * 1024,
    "the largest sensible one is a table of rules; a form shows it, a difference compares it",
)
DOCUMENTS: Final = Limit(
    "documents of a bundle", 10_000, "publishing writes, checks and compiles all of them"
)
NODES: Final = Limit(
    "values in one text", 200_000, "each takes about 10 µs and 1 KiB while it is read"
)
LEVELS: Final = Limit(
    "levels of nesting in a document", 32, "nothing of ours is deeper than 12; a reader recurses"
)
DIGITS: Final = Limit(
    "digits of a number", 40, "the longest amount has 19; Python is slow with very long ones"
)
ITEMS: Final = Limit(
    "items of a list, entries of a mapping", 2_000, "the largest are the teams of a tenant"
)
WORDS: Final = Limit(
    "words in a list that conditions read",
    128,
    "regions, capabilities, data classes; what a comprehension goes through costs as much",
)
PROBLEMS: Final = Limit(
    "problems of one text", 200, "more is nothing a person reads, and each looks for a near word"
)
CONDITION_TEXT: Final = Limit(
    "characters of a condition", 4_000, "longer ones are several rules; the checker takes 100,000"
)
CONDITION_PARTS: Final = Limit("parts of a condition", 400, "compiling takes about 10 µs for each")
CONDITION_LEVELS: Final = Limit(
    "levels of nesting in a condition",
    40,
    "the checker takes 32, macros add some; Python compiles at most 200 brackets in one another",
)
COMPREHENSIONS: Final = Limit(
    "comprehensions in one another", 2, "a third makes the cost cubic, and nobody can read it"
)
LITERALS: Final = Limit(
    "items of a list or map written in a condition", 256, "longer ones are a label or a lookup"
)
PATTERN: Final = Limit(
    "characters of a regular expression", 200, "matching takes text times pattern at worst"
)
CONDITION_COST: Final = Limit(
    "cost of one condition",
    200_000,
    "10 to 20 ms, as the longest that one condition may hold up a worker's loop",
)
DECISION_COST: Final = Limit(
    "cost of all conditions that one call may need",
    1_000_000,
    "50 to 100 ms; a thousand usual rules on each of ten models",
)
TABLE_COST: Final = Limit(
    "cost of all rows of one model's rules",
    4_000_000,
    "some five hundred rows that each search the largest input twice; they run once, in a worker",
)
ANSWER_VALUES: Final = Limit(
    "values in an answer that is read as JSON",
    8_192,
    "what a comprehension over it may go through; an answer with more is read as text only",
)

ALL: Final = (
    FOLDER_BYTES, FILE_BYTES, DOCUMENT_BYTES, DOCUMENTS, NODES, LEVELS, DIGITS, ITEMS, WORDS, PROBLEMS,
    CONDITION_TEXT, CONDITION_PARTS, CONDITION_LEVELS, COMPREHENSIONS, LITERALS, PATTERN,
    CONDITION_COST, DECISION_COST, TABLE_COST, ANSWER_VALUES,
)  # fmt: skip


def reference() -> str:
    """The table of all limits, in Markdown."""
    rows = [f"| {one.what} | {one.most:,} | {one.why} |" for one in ALL]
    return "\n".join(["| what | at most | why |", "| --- | --- | --- |", *rows, ""])
