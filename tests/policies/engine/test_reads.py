"""What rules read of a caller's words stays plain, the rest is committed or absent; and no decision can tell which."""

from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine import wire
from policies.engine.bundle import Bundle
from policies.engine.check import check_text
from policies.engine.decide import decide
from policies.engine.facts import Facts
from policies.engine.forms import Form
from policies.engine.reads import NOTHING, Reads, mentions, project, reads_of, undecidable
from tests.policies.engine import small


def commit(domain: str, value: bytes) -> str:
    return sha256(domain.encode() + value).hexdigest()


def read(text: str) -> Reads:
    form = check_text("call", "bool", text)
    assert isinstance(form, Form), form
    return reads_of(wire.read(form.checked))


def labels(*names: str) -> Reads:
    return Reads(labels=frozenset(names))


def tools(*names: str) -> Reads:
    return Reads(tools=frozenset(names))


EVERY_LABEL, EVERY_TOOL = Reads(every_label=True), Reads(every_tool=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", NOTHING),
        ("team.name == 'labels' && key.labels.x == 'tools'", NOTHING),
        ("tenant.labels.exists(k, k == 'x')", NOTHING),
        ("request.labels['case'] == 'x'", labels("case")),
        ("request.labels.case == 'x'", labels("case")),
        ("has(request.labels.case)", labels("case")),
        ("'case' in request.labels", labels("case")),
        ("'case' in request.labels && request.labels.kind == 'a'", labels("case", "kind")),
        ("team.name == 'x' ? request.labels.a == '1' : 'b' in request.labels", labels("a", "b")),
        ("['x'].exists(x, request.labels.a == x)", labels("a")),
        # a name that is found while deciding could be any
        ("request.labels[team.name] == 'x'", EVERY_LABEL),
        ("team.name in request.labels", EVERY_LABEL),
        ("request.labels.exists(k, k == 'case')", EVERY_LABEL),
        ("request.labels.all(k, request.labels[k] != 'x')", EVERY_LABEL),
        ("size(request.labels) > 2", EVERY_LABEL),
        ("request.labels == {'a': 'b'}", EVERY_LABEL),
        ("dyn(request.labels).a == 'b'", EVERY_LABEL),
        ("key.labels == request.labels", EVERY_LABEL),
        ("'wire' in request.tools", tools("wire")),
        ("!('wire' in request.tools) && 'pay' in request.tools", tools("wire", "pay")),
        ("team.name in request.tools", EVERY_TOOL),
        ("request.tools.exists(t, t == 'wire')", EVERY_TOOL),
        ("request.tools[0] == 'wire'", EVERY_TOOL),
        ("size(request.tools) > 0", EVERY_TOOL),
        ("request.tools == ['wire']", EVERY_TOOL),
        ("'wire' in request.tools && size(request.labels) > 0", tools("wire") | EVERY_LABEL),
    ],
)
def test_what_a_condition_reads(text: str, expected: Reads) -> None:
    assert read(text) == expected
    assert expected == NOTHING or mentions(text)


def permit(when: str, tenant: str = "", **spec: Any) -> str:
    return small.permission(f"p{abs(hash(when))}", tenant, effect="permit", when=when, **spec)


def test_a_bundle_reads_what_its_documents_name_each_tenant_for_itself() -> None:
    bundle = small.bundle(
        small.model("m"),
        small.route("r", "m"),
        permit("request.labels.ours == 'x'"),
        permit("request.labels.theirs == 'x'", "b"),
        small.permission("said", "a", effect="forbid", when="false", message="request.labels.word"),
        small.budget("scoped", scope={"labels": {"project": "x"}}),
        small.budget("own", "b", scope={"labels": {"secret": "x"}}),
    )
    assert bundle.scope("a").reads == labels("ours", "project", "word")
    assert bundle.scope("b").reads == labels("ours", "project", "theirs", "secret")
    assert bundle.scope("nobody").reads == labels("ours", "project")


def asked(**request: Any) -> Facts:
    return small.call(request)


def test_only_what_is_read_is_plain() -> None:
    whole = asked(
        labels={"case": "A", "note": "canary", "canary": "B"}, tools=("wire", "canary", "pay")
    ).request
    found = project(whole, labels("case") | tools("pay"), commit)
    assert (found.labels, found.tools) == ({"case": "A"}, ("pay",))
    rest = b'{"canary":"B","note":"canary"}'
    assert found.labels_committed == sha256(b"labels" + rest).hexdigest()
    assert found.tools_committed == sha256(b'tools["wire","canary"]').hexdigest()
    assert b"canary" not in msgspec.json.encode(found)


def test_where_nothing_is_left_nothing_is_committed() -> None:
    whole = asked(labels={"case": "A"}, tools=("wire",)).request
    assert project(whole, EVERY_LABEL | EVERY_TOOL, commit) == whole
    bare = asked().request
    assert project(bare, NOTHING, commit) == bare


WHENS = (
    "request.labels.a == '1'", "'b' in request.labels", "has(request.labels.c) && request.labels['c'] == '2'",
    "!('x' in request.tools)", "'y' in request.tools || request.labels.a == '2'",
    "request.labels.exists(k, k == 'd')", "request.tools.all(t, t != 'z')", "size(request.tools) > 1",
)  # fmt: skip
NAMES, WORDS = st.sampled_from("abcdef"), st.sampled_from("123")


@cache
def ruled(permits: str, forbids: str) -> Bundle:
    return small.bundle(
        small.model("m"),
        small.route("r", "m"),
        small.permission("one", effect="permit", when=permits),
        small.permission("two", effect="forbid", when=forbids),
        small.budget("scoped", scope={"labels": {"e": "1"}}, limit="5"),
    )


@settings(max_examples=200)
@given(
    st.sampled_from(WHENS),
    st.sampled_from(WHENS),
    st.dictionaries(NAMES, WORDS),
    st.lists(st.sampled_from("wxyz"), unique=True),
)
def test_no_decision_can_tell_whether_the_rest_is_there_committed_or_absent(
    permits: str, forbids: str, given_labels: dict[str, str], given_tools: list[str]
) -> None:
    bundle = ruled(permits, forbids)
    whole = asked(labels=given_labels, tools=tuple(given_tools))
    committed = project(whole.request, bundle.scope("a").reads, commit)
    absent = msgspec.structs.replace(committed, labels_committed="", tools_committed="")
    expected = decide(bundle, whole)
    for request in (committed, absent):
        found = decide(bundle, msgspec.structs.replace(whole, request=request))
        assert found == expected
        assert found.digest == expected.digest


def test_what_another_policy_would_have_to_know() -> None:
    then = labels("case") | tools("pay")
    whole = asked(labels={"case": "A", "note": "x"}, tools=("pay", "wire")).request
    recorded = project(whole, then, commit)
    assert undecidable(recorded, then, then) == []
    assert undecidable(recorded, then, NOTHING) == []
    assert undecidable(recorded, then, labels("case", "note") | tools("wire")) == ["note", "wire"]
    assert undecidable(recorded, then, EVERY_LABEL | EVERY_TOOL) == ["every label", "every tool"]


def test_where_nothing_was_committed_every_policy_can_decide() -> None:
    recorded = project(asked(labels={"case": "A"}).request, labels("case"), commit)
    assert undecidable(recorded, labels("case"), EVERY_LABEL | EVERY_TOOL | labels("note")) == []
