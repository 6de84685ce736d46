"""`policy import --from litellm FILE`: another product's configuration as documents, and what of it does not carry over."""

from pathlib import Path

from controlplane.kernel.errors import InvalidRequest
from policies.documents.parse import document_from_body
from policies.folders.litellm.convert import converted, listing
from policies.management.work import Work
from policies.order.lock import mandate_now

LEFT = "NOT-CARRIED-OVER.txt"


def bring(work: Work) -> None:
    """Documents to DIR or to standard output; the list beside them or to standard error. Raises InvalidRequest."""
    file: Path = work.options["file"]
    out: Path | None = work.options["out"]
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f'"{file}" cannot be read: {error}') from error
    day = mandate_now().date().isoformat()
    found = converted(content, str(file), work.options["owner"], day)
    documents = [document_from_body(body) for body in found.documents]
    left = listing(found.left, str(file))
    if out is None:
        work.say("---\n".join(document.source for document in documents).rstrip())
        work.complain(left.rstrip())
    else:
        for document in documents:
            path = out.joinpath(document.kind, f"{document.name}.yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(document.source, encoding="utf-8")
        (out / LEFT).write_text(left, encoding="utf-8")
        work.say(f"{len(documents)} documents written to {out}")
        work.say(f"{len(found.left)} things did not carry over, or not whole: {out / LEFT}")
    work.say_json(
        {
            "documents": [d.body for d in documents],
            "left": [{"line": one.line, "path": one.path, "why": one.why} for one in found.left],
        }
    )
