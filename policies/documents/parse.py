"""YAML to documents: a text, a file, a folder. Every error has a file, a line and a column; all are reported at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from policies.documents.document import Document, to_yaml
from policies.documents.kind import API_VERSION, Kind
from policies.documents.kinds import KINDS, shape
from policies.documents.limits import DOCUMENT_BYTES, DOCUMENTS, FILE_BYTES, FOLDER_BYTES, PROBLEMS
from policies.documents.nodes import Text, compose, scalar
from policies.documents.problems import InvalidDocuments, Problem, did_you_mean
from policies.documents.reading import Json, Reading


def parse_folder(folder: Path) -> list[Document]:
    """Every document of the `*.yaml` and `*.yml` files below a folder, hidden ones left out. Raises InvalidDocuments."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for path, content in yaml_files(folder):
        try:
            documents += parse_text(content, str(path))
        except InvalidDocuments as error:
            problems += error.problems
        if len(documents) > DOCUMENTS.most:
            told = f"has more than {DOCUMENTS.most:,} documents"
            problems.append(Problem(str(folder), 1, 1, "", told))
        if len(problems) >= PROBLEMS.most or len(documents) > DOCUMENTS.most:
            break
    raise_if([*problems, *twice(documents)])
    return documents


def yaml_files(folder: Path) -> list[tuple[Path, str]]:
    """The `*.yaml` and `*.yml` files below a folder with their texts, hidden ones left out. Raises InvalidDocuments."""
    if not folder.is_dir():
        raise InvalidDocuments([Problem(str(folder), 1, 1, "", "is not a folder")])
    found: list[tuple[Path, str]] = []
    problems: list[Problem] = []
    size = 0
    for path in sorted(p for p in folder.rglob("*") if _is_document(p, folder)):
        try:
            found.append((path, _content(path)))
        except InvalidDocuments as error:
            problems += error.problems
        else:
            size += len(found[-1][1])
        if size > FOLDER_BYTES.most:
            told = f"is larger than {FOLDER_BYTES.most:,} bytes"
            problems.append(Problem(str(folder), 1, 1, "", told))
            break
    raise_if(problems)
    return found


def _is_document(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix in (".yaml", ".yml") and path.is_file() and not hidden


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES.most:
            raise InvalidDocuments(
                [Problem(str(path), 1, 1, "", f"is larger than {FILE_BYTES.most:,} bytes")]
            )
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDocuments(
            [Problem(str(path), 1, 1, "", f"cannot be read as UTF-8: {error}")]
        ) from error


def parse_text(content: str, file: str = "<text>", first_line: int = 1) -> list[Document]:
    """The documents of a YAML text. `first_line` says where the text starts in `file`. Raises InvalidDocuments."""
    text = Text(file, content.removeprefix("\ufeff"), first_line)
    documents: list[Document] = []
    problems: list[Problem] = []
    for node in compose(text):
        found = _document(text, node)
        if isinstance(found, Document):
            documents.append(found)
        else:
            problems += found[: PROBLEMS.most]
        if len(problems) > PROBLEMS.most:
            problems[PROBLEMS.most :] = [_many(file, problems[PROBLEMS.most])]
            break
    raise_if(problems or twice(documents))
    return documents


def _many(file: str, last: Problem) -> Problem:
    return Problem(
        file, last.line, last.column, "", f"more than {PROBLEMS.most} problems; mend these first"
    )


def document_from_body(body: Mapping[str, Any], file: str = "<form>") -> Document:
    """A document from JSON, as a form or the API sends it; its YAML is written for it. Raises InvalidDocuments."""
    kind = body.get("kind")
    if (
        not isinstance(kind, str)
        or kind not in KINDS
        or not isinstance(body.get("spec"), dict)
        or not isinstance(body.get("metadata"), dict)
    ):
        raise InvalidDocuments(
            [
                Problem(
                    file,
                    1,
                    1,
                    "kind",
                    f"must be a document with kind, metadata and spec; kinds: {', '.join(KINDS)}",
                )
            ]
        )
    unknown = [k for k in body["spec"] if k not in KINDS[body["kind"]].fields] + [
        k for k in body if k not in ("apiVersion", "kind", "metadata", "spec")
    ]
    if unknown or body.get("apiVersion", API_VERSION) != API_VERSION:
        raise InvalidDocuments(
            [Problem(file, 1, 1, str(k), f'unknown field "{k}"') for k in unknown]
            or [_version(file)]
        )
    return parse_text(to_yaml(body), file)[0]


def _version(file: str) -> Problem:
    return Problem(file, 1, 1, "apiVersion", f'must be "{API_VERSION}"')


def _document(text: Text, node: yaml.Node) -> Document | list[Problem]:
    to = Reading(text)
    size = len(text.content[node.start_mark.index : node.end_mark.index].encode(errors="replace"))
    if size > DOCUMENT_BYTES.most:
        to.wrong(node, "", f"a document of {size:,} bytes; at most {DOCUMENT_BYTES.most:,}")
        return to.problems
    if not isinstance(node, yaml.MappingNode):
        to.wrong(node, "", "a document is a mapping with apiVersion, kind, metadata and spec")
        return to.problems
    head = {k.value: v for k, v in node.value if isinstance(k, yaml.ScalarNode)}
    kind = _kind(head, node, to)
    if kind is None:
        return to.problems
    body = shape(kind).read(node, "", to)
    if not to.problems:
        to.problems += _between(kind, body, to)
    if to.problems:
        return to.problems
    return _built(kind, body, to, node)


def _kind(head: Mapping[str, yaml.Node], node: yaml.Node, to: Reading) -> type[Kind] | None:
    version, kind = head.get("apiVersion"), head.get("kind")
    if not isinstance(version, yaml.ScalarNode) or scalar(version) != API_VERSION:
        to.wrong(version or node, "apiVersion", f'apiVersion must be "{API_VERSION}"')
    name = scalar(kind) if isinstance(kind, yaml.ScalarNode) else None
    if name not in KINDS:
        hint = did_you_mean(str(name), KINDS) or f"; known: {', '.join(KINDS)}"
        to.wrong(
            kind or node,
            "kind",
            f'kind "{name}" is not known{hint}' if kind else f"kind is required{hint}",
        )
        return None
    return KINDS[str(name)]


def _between(kind: type[Kind], body: dict[str, Json], to: Reading) -> Iterable[Problem]:
    for path, message in kind.check(body["spec"]):
        whole = path_of("spec", path)
        place = (
            to.positions.get(whole)
            or to.positions.get(f"spec.{path.split('.')[0].split('[')[0]}")
            or to.positions["spec"]
        )
        yield Problem(to.text.file, *place, whole, message)


def path_of(head: str, rest: str) -> str:
    """A path below another."""
    return f"{head}.{rest}" if rest else head


def _built(kind: type[Kind], body: dict[str, Json], to: Reading, node: yaml.Node) -> Document:
    start, end = node.start_mark, node.end_mark
    content = to.text.content
    # the first line of a document need not start at its first column only in flow style, where the text before is blank
    source = content[start.index - start.column : end.index].rstrip() + "\n"
    body = {
        "apiVersion": API_VERSION,
        "kind": kind.kind,
        "metadata": body["metadata"],
        "spec": body["spec"],
    }
    return Document(
        kind=kind.kind,
        tenant=body["metadata"].get("tenant", ""),
        name=body["metadata"]["name"],
        body=body,
        source=source,
        file=to.text.file,
        first_line=to.text.at(start).line,
        positions=to.positions,
        references=tuple(to.references),
        conditions=tuple(to.conditions),
    )


def twice(documents: Iterable[Document]) -> list[Problem]:
    """Documents of the same kind, tenant and name."""
    seen: dict[tuple[str, str, str], Document] = {}
    problems = []
    for document in documents:
        first = seen.setdefault(document.identity, document)
        if first is not document:
            whose = f' of tenant "{document.tenant}"' if document.tenant else ""
            message = f'{document.kind} "{document.name}"{whose} is written twice, first at {first.file}:{first.first_line}'
            problems.append(document.problem("metadata.name", message))
    return problems


def raise_if(problems: Iterable[Problem]) -> None:
    """Raises InvalidDocuments if there is any problem."""
    found = list(problems)
    if found:
        raise InvalidDocuments(found)
