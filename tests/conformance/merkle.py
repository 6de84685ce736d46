"""RFC 6962 proofs laid out as in transparency-dev/merkle: `inclusion/**/*.json` and `consistency/**/*.json`."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.merkle.proof import BadProof, verify_consistency, verify_inclusion


def run(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each case's name and what is wrong with our answer; nothing wrong is an empty string."""
    for suite, check in (("inclusion", _inclusion), ("consistency", _consistency)):
        for path in sorted((folder / suite).rglob("*.json")):
            case = json.loads(path.read_text(encoding="utf-8"))
            yield str(path.relative_to(folder)), _outcome(case, check)


def _outcome(case: dict[str, Any], check: Any) -> str:
    try:
        check(case)
    except BadProof as error:
        return "" if case["wantErr"] else f"refused: {error}"
    return "accepted, but must be refused" if case["wantErr"] else ""


def _inclusion(case: dict[str, Any]) -> None:
    verify_inclusion(
        case["leafIdx"],
        case["treeSize"],
        _bytes(case["leafHash"]),
        _path(case),
        _bytes(case["root"]),
    )


def _consistency(case: dict[str, Any]) -> None:
    verify_consistency(
        case["size1"], case["size2"], _path(case), _bytes(case["root1"]), _bytes(case["root2"])
    )


def _path(case: dict[str, Any]) -> list[bytes]:
    return [_bytes(value) for value in case["proof"] or []]


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")
