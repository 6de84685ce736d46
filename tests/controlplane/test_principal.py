"""A principal is written down for a job and comes back as it was."""

import json

from controlplane.kernel.principal import Principal


def test_what_is_stored_comes_back() -> None:
    cleo = Principal(
        kind="member",
        id="cleo@acme.example",
        name="Cleo",
        roles={"": frozenset({"auditor"}), "retail": frozenset({"finance", "approver"})},
        teams=frozenset({("retail", "support"), ("insurance", "claims")}),
    )
    stored = json.loads(json.dumps(cleo.stored()))
    assert stored["roles"]["retail"] == ["approver", "finance"]
    assert stored["teams"] == [["insurance", "claims"], ["retail", "support"]]
    assert Principal.recalled(stored) == cleo
