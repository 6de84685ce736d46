"""schemathesis over the whole OpenAPI schema: no operation answers 500, whatever it is sent."""

from pathlib import Path

from tests.access.observe import fuzzed


def test_no_operation_breaks_whatever_it_is_sent(tmp_path: Path) -> None:
    told = fuzzed(tmp_path)
    assert told["broken"] == []
    assert told["operations"] >= 17
    assert told["cases"] >= 3 * told["operations"]
