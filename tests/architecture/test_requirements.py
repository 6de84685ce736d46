"""The pinned packages: hashes everywhere, the same versions for use and for development, no host names."""

import re

import pytest

from tests.architecture.source import ROOT

PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")))


def test_development_is_use_and_more_in_the_same_versions() -> None:
    base, dev = pins("base"), pins("dev")
    assert len(base) > 60
    assert {name: dev.get(name) for name in base} == base
    aws = pins("aws")
    assert {name: dev.get(name) for name in aws} == aws
    assert "boto3" in aws.keys() - base.keys()


@pytest.mark.parametrize("name", ["base", "dev", "aws"])
def test_every_pin_has_hashes_and_nothing_names_a_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text)
    pinned = [block for block in blocks if PIN.match(block)]
    assert len(pinned) == len(pins(name))
    assert [block.split("\n", 1)[0] for block in pinned if "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert "--index-url" not in text


def test_what_is_asked_for_is_pinned() -> None:
    dev = pins("dev")
    for name in ("base", "dev"):
        for line in (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines():
            package = re.split(r"[\[<>=]", line.strip())[0].lower()
            if package and not package.startswith(("-", "#")):
                assert package in dev, package
