"""Nobody damages a log on purpose but an admin, in a demo, where PostgreSQL is ours; else nothing is opened."""

from collections.abc import Callable

import pytest

from audit.log import demonstration
from controlplane import tampering
from controlplane.kernel.errors import MandateError
from controlplane.kernel.principal import Principal
from tests.policies.people import ADA, CLEO

pytestmark = pytest.mark.django_db
NOWHERE = "postgresql://postgres@127.0.0.1:9/mandate"
DEMO, NO_DEMO = "SELECT true", "SELECT false"


def told(action: Callable[[], object]) -> str:
    """Why it is refused; what it gives where it is not."""
    try:
        return str(action())
    except MandateError as error:
        return error.message


@pytest.mark.parametrize(
    ("superuser", "asked", "who", "said"),
    [
        (NOWHERE, DEMO, ADA, NOWHERE),
        (NOWHERE, NO_DEMO, ADA, "only a demo's log can be damaged on purpose"),
        ("", DEMO, ADA, "only a demo's log can be damaged on purpose"),
        (NOWHERE, DEMO, CLEO, "this is for an admin of the organisation; Cleo is none"),
    ],
)
def test_only_an_admin_of_a_demo_of_our_own_damages_its_log(
    monkeypatch: pytest.MonkeyPatch, superuser: str, asked: str, who: Principal, said: str
) -> None:
    facts = {"database_superuser_url": superuser} if superuser else {}
    monkeypatch.setattr(tampering.env, "services", lambda: facts)
    monkeypatch.setattr(demonstration, "_IS_DEMO", asked)
    assert told(lambda: tampering._allowed(who)) == said
    offered = tampering.OFFERED if said == NOWHERE else ""
    assert tampering.standing(who, "/log/state/") == offered
    assert tampering.standing(who, "/spend/") == ""
