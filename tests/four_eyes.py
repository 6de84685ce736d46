"""Four-eyes mode for a while, in an installation that others use too: entered by the command line, left by a change request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

Manage = Callable[..., object]
Ask = Callable[[str], httpx2.Client]
_GRANTS = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {name: second-approver}
spec: {member: finn@acme.example, roles: [approver]}
---
apiVersion: mandate/v1
kind: RoleGrant
metadata: {name: third-approver}
spec: {member: rui@acme.example, roles: [approver]}
"""


@contextmanager
def four_eyes(manage: Manage, ask: Ask, folder: Path) -> Iterator[None]:
    """Finn and Rui may approve too, and nobody publishes alone; then all is as it was. `ask("admin")` is a client of the API."""
    manage("policy", "export", str(folder / "was"))
    before = (folder / "was" / "Organisation" / "acme.yaml").read_text(encoding="utf-8")
    now = folder / "now"
    now.mkdir()
    (now / "grants.yaml").write_text(_GRANTS, encoding="utf-8")
    manage("policy", "apply", str(now))
    text = before.replace("single-operator", "four-eyes")
    assert text != before
    text = text.replace("required: true", "required: false")
    (now / "organisation.yaml").write_text(text, encoding="utf-8")
    # another test may have left it to the console
    manage("policy", "apply", str(now), "--take")
    try:
        yield
    finally:
        _leave(ask, before)


def _leave(ask: Ask, before: str) -> None:
    with ask("admin") as ada, ask("approver") as cleo, ask("finance") as finn:
        made = done(
            ada.post("/change-requests/", json={"title": "As before", "documents": before}), 201
        )
        one = f"/change-requests/{made['id']}/"
        for name in ("second-approver", "third-approver"):
            away = f"{one}edits/RoleGrant/{name}/"
            done(ada.put(away, json={"deletes": True}, headers={"If-Match": "*"}))
        assert done(ada.post(f"{one}submit/"))["state"] == "approval"
        assert approved(cleo, one)["state"] == "approval"
        assert approved(finn, one)["state"] == "published"


def approved(api: httpx2.Client, change: str) -> Any:
    """The change request (`/change-requests/<id>/`) after a yes to what it is now."""
    found = done(api.get(change))
    read = {name: found[name] for name in ("base", "digest", "replay")}
    return done(api.post(f"{change}approve/", json=read))


def done(answer: httpx2.Response, status: int = 200) -> Any:
    """Its JSON, after the status that is expected."""
    assert answer.status_code == status, answer.text
    return answer.json()
