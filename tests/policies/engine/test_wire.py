"""The checked form of an expression, read without protobuf: every kind of node, and bytes that are none."""

from contextlib import suppress

import pytest
from cel_expr_python import cel as native
from hypothesis import given
from hypothesis import strategies as st

from policies.engine.cel import NotCompilable, Variable, compile_expression
from policies.engine.values import UInt
from policies.engine.wire import Checked, Node, NotReadable, read, walk

T = native.Type
ENVIRONMENT = native.NewEnv(
    variables={"i": T.INT, "l": T.List(T.STRING), "m": T.Map(T.STRING, T.INT), "t": T.TIMESTAMP}
)


def bytes_of(text: str) -> bytes:
    return bytes(ENVIRONMENT.compile(text).serialize())


def checked(text: str) -> Checked:
    return read(bytes_of(text))


def shape(node: Node) -> str:
    """A node in one line."""
    inner = ", ".join(map(shape, node.parts))
    word = node.name or (repr(node.value) if node.kind == "const" else "")
    return f"{node.kind} {word}".strip() + (f"({inner})" if inner else "")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("null", "const None"),
        ("true", "const True"),
        ("-7", "const -7"),
        ("-9223372036854775808", "const -9223372036854775808"),
        ("7u", "const 7"),
        ("1.5", "const 1.5"),
        ("'é'", "const 'é'"),
        ("b'\\xff'", "const b'\\xff'"),
        ("i", "ident i"),
        ("m.x", "select x(ident m)"),
        ("has(m.x)", "test x(ident m)"),
        ("i + 1", "call _+_(ident i, const 1)"),
        ("l.size()", "call size(ident l)"),
        ("i > 0 ? i : -i", "call _?_:_(call _>_(ident i, const 0), ident i, call -_(ident i))"),
        ("[i, 2]", "list(ident i, const 2)"),
        ("{'a': i}", "map(const 'a', ident i)"),
    ],
)
def test_every_kind_of_node(text: str, tree: str) -> None:
    assert shape(checked(text).root) == tree


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("true", ("bool",)),
        ("i", ("int",)),
        ("7u", ("uint",)),
        ("1.5", ("double",)),
        ("'a'", ("string",)),
        ("b'a'", ("bytes",)),
        ("t", ("timestamp",)),
        ("t - t", ("duration",)),
        ("l", ("list", ("string",))),
        ("[l]", ("list", ("list", ("string",)))),
        ("m", ("map", ("string",), ("int",))),
        ("null", ("null",)),
        ("type(i)", ("type",)),
        ("dyn(i)", ("dyn",)),
    ],
)
def test_the_type_of_the_root(text: str, kind: tuple[object, ...]) -> None:
    found = checked(text)
    assert found.type_of(found.root) == kind
    assert found.type_of(Node("const", 10**6)) == ("dyn",)


def test_an_unsigned_constant_is_one() -> None:
    assert type(checked("7u").root.value) is UInt


def test_a_macro_is_a_fold_with_the_names_it_binds() -> None:
    root = checked("l.exists(x, x == 'a')").root
    assert (root.kind, root.names[0]) == ("fold", "x")
    assert shape(root.parts[0]) == "ident l"
    assert any(n.name == "_==_" for n in walk(root))


def test_positions_are_counted_in_code_points() -> None:
    found = checked("'🦊é' == 'x' && i > 1")
    starts = {n.name: found.positions[n.id] for n in walk(found.root) if n.kind == "ident"}
    assert starts == {"i": 15}


SAMPLE = bytes_of(
    "l.exists(x, m[x] > 1 ? x.startsWith('a') : has(m.y)) || [1.5, 2.0] == [] || t == t"
)


VARIABLES = {name: Variable(f"c[{i}]") for i, name in enumerate("ilmt")}


@pytest.mark.parametrize("flip", [1, 8, 64, 255])
def test_a_form_with_any_byte_flipped_is_compiled_or_refused_by_name(flip: int) -> None:
    refused = 0
    for at in range(len(SAMPLE)):
        broken = bytearray(SAMPLE)
        broken[at] ^= flip
        try:
            compile_expression(read(bytes(broken)), VARIABLES, "c")
        except (NotReadable, NotCompilable):
            refused += 1
    assert 0 < refused < len(SAMPLE)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(NotReadable):
        assert isinstance(read(data).root, Node)


@given(st.integers(0, len(SAMPLE) - 1))
def test_a_cut_form_never_reads_as_the_whole_one(length: int) -> None:
    try:
        found = read(SAMPLE[:length])
    except NotReadable:
        return
    assert (found.root, found.types, found.positions) != (
        read(SAMPLE).root,
        read(SAMPLE).types,
        read(SAMPLE).positions,
    )
