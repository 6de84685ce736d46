"""What the check takes for a failure."""

from tests.focus.__main__ import verdict

PASSED = "✅ InvoiceId-C-003-C: PASS  (violations=0)\n✅ A-C-001-M: PASS  (1.0ms)\n"
ONE_OF_TWO = "❌ InvoiceId-C-004-C: FAIL  (violations=23, msg=x)\n"


def test_an_alternative_is_excused_only_where_its_rule_holds() -> None:
    assert verdict(PASSED + ONE_OF_TWO) == (2, [])
    assert verdict(ONE_OF_TWO) == (0, ["InvoiceId-C-004-C"])
    assert verdict(PASSED + "❌ B-C-001-M: FAIL  (violations=1)\n") == (2, ["B-C-001-M"])
