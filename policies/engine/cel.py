"""Checked CEL to Python: one expression becomes one function, compiled once when a bundle is loaded.

Where the checker proved the types, native operators are used; where it could not, the functions of `functions`.
`&&` and `||` keep CEL's rule that a side which decides absorbs an error on the other; where the left cannot fail,
Python's own do the same. No name and no text of a document ever becomes part of the code: variables are slots,
constants are numbered.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from policies.engine import functions
from policies.engine.functions import FUNCTIONS
from policies.engine.values import CelError, Erred, TypeName, Value
from policies.engine.wire import DYN, CelType, Checked, Node

_PLAIN: Final = frozenset(
    {("bool",), ("int",), ("string",), ("bytes",), ("timestamp",), ("duration",)}
)
_NATIVE_ORDER: Final = frozenset(
    {("int",), ("string",), ("double",), ("timestamp",), ("duration",)}
)
_ORDER: Final = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_TEXT: Final = {
    "_+_": "{0} + {1}",
    "contains": "{1} in {0}",
    "startsWith": "{0}.startswith({1})",
    "endsWith": "{0}.endswith({1})",
}
_TYPES: Final = frozenset({
    "bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type",
    "google.protobuf.Timestamp", "google.protobuf.Duration",
})  # fmt: skip
_SAFE_CALLS: Final = frozenset({"size", "type", "dyn", "_==_", "_!=_"})


class NotCompilable(ValueError):
    """The expression uses something the engine does not have, or is too deep."""


class Variable(NamedTuple):
    """Where a variable is read from, as code over the function's parameters, for example `c[3]`.

    `fallible`: its value may not be known, and reading it raises CelError.
    """

    code: str
    fallible: bool = False


class Code(NamedTuple):
    """A Python expression, and whether it can raise CelError."""

    text: str
    fallible: bool


class Program(NamedTuple):
    """A compiled expression. `function` takes the environments by position; it raises CelError only where `fallible`."""

    function: Callable[..., Value]
    fallible: bool

    def evaluate(self, *environments: Any) -> Value:  # noqa: ANN401  # whatever the variables read from
        """The value, or Erred."""
        try:
            return self.function(*environments)
        except CelError as error:
            return Erred(str(error))


def compile_expression(
    checked: Checked,
    variables: Mapping[str, Variable],
    parameters: str = "c, m",
    root: Node | None = None,
) -> Program:
    """The whole expression, or the part below `root`, as a program. Raises NotCompilable."""
    writer = _Writer(checked, variables)
    try:
        code = writer.write(root or checked.root, {})
        namespace = {"_" + k: v for k, v in _HELPERS.items()} | writer.constants
        made = eval(compile(f"lambda {parameters}: {code.text}", "<condition>", "eval"), namespace)  # noqa: S307  # our own text
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise NotCompilable("the condition is nested too deeply") from error
    except IndexError as error:
        raise NotCompilable("a part of the condition is missing") from error
    return Program(made, code.fallible)


def held(function: Callable[..., Value], *environments: Any) -> bool | Erred:  # noqa: ANN401  # as above
    """Whether a condition that may fail holds."""
    try:
        return function(*environments) is True
    except CelError as error:
        return Erred(str(error))


def compile_together(
    conditions: Sequence[tuple[Checked, Program] | None], variables: Mapping[str, Variable]
) -> Callable[[Any, Any], tuple[bool | Erred, ...]]:
    """One function for the outcomes of many conditions that are booleans, in their order; None always holds.

    It reads each variable once, and calls nothing where a condition cannot fail.
    """
    constants: dict[str, Any] = {"_held": held}
    once = {
        n: Variable(re.sub(r"\[(\d+)\]", r"\1", v.code), v.fallible) for n, v in variables.items()
    }
    texts = [_one_of_many(one, once, constants) for one in conditions]
    body = f"({''.join(text + ', ' for text in texts)})"
    used = sorted({v.code for v in once.values()} & set(re.findall(r"\b[cm]\d+\b", body)))
    reads = ", ".join(f"{name[0]}[{name[1:]}]" for name in used)
    namespace = {"_" + k: v for k, v in _HELPERS.items()} | constants
    try:
        text = f"lambda c, m: (lambda {', '.join(used)}: {body})({reads})"
        made: Callable[[Any, Any], tuple[bool | Erred, ...]] = eval(  # noqa: S307  # our own text
            compile(text, "<conditions>", "eval"), namespace
        )
    except (SyntaxError, RecursionError, MemoryError):
        programs = [one and one[1].function for one in conditions]
        return lambda c, m: tuple([p is None or held(p, c, m) for p in programs])
    return made


def _one_of_many(
    one: tuple[Checked, Program] | None,
    variables: Mapping[str, Variable],
    constants: dict[str, Any],
) -> str:
    if one is None:
        return "True"
    checked, program = one
    writer = _Writer(checked, variables, constants)
    if program.fallible:
        return f"_held({writer.constant(program.function)}, c, m)"
    return writer.write(checked.root, {}).text


_HELPERS: Final[Mapping[str, Any]] = {
    "fail": functions.fail,
    "field": functions.field,
    "has": functions.has,
    "both": functions.both,
    "either": functions.either,
    "exists": functions.exists,
    "every": functions.every,
    "once": functions.once,
    "items": functions.items,
    "entries": functions.entries,
    "condition": functions.condition,
}

Scope = Mapping[str, str]


@dataclass(slots=True)
class _Writer:
    checked: Checked
    variables: Mapping[str, Variable]
    constants: dict[str, Any] = field(default_factory=dict)
    depth: int = 0

    def write(self, node: Node, scope: Scope) -> Code:
        code: Code = getattr(self, f"_{node.kind}")(node, scope)
        return code

    def constant(self, value: Any) -> str:  # noqa: ANN401  # any value of CEL
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def failing(self, message: str) -> Code:
        """A part that is an error whenever it is reached; the checker leaves none, an unchecked expression may."""
        return Code(f"_fail({self.constant(message)})", fallible=True)

    def type_of(self, node: Node) -> CelType:
        return self.checked.type_of(node)

    def _const(self, node: Node, _scope: Scope) -> Code:
        return Code(self.constant(node.value), fallible=False)

    def _ident(self, node: Node, scope: Scope) -> Code:
        if node.name in scope:
            return Code(scope[node.name], fallible=False)
        name = node.name.removeprefix(".")
        if name in self.variables:
            return Code(*self.variables[name])
        if name in _TYPES:
            return Code(self.constant(TypeName(name)), fallible=False)
        return self.failing(f'undeclared reference to "{name}"')

    def _select(self, node: Node, scope: Scope) -> Code:
        return Code(
            f"_field({self.write(node.parts[0], scope).text}, {self.constant(node.name)})",
            fallible=True,
        )

    def _test(self, node: Node, scope: Scope) -> Code:
        operand = self.write(node.parts[0], scope)
        if self.type_of(node.parts[0])[0] == "map":
            return Code(f"({self.constant(node.name)} in {operand.text})", operand.fallible)
        return Code(f"_has({operand.text}, {self.constant(node.name)})", fallible=True)

    def _list(self, node: Node, scope: Scope) -> Code:
        if node.parts and all(p.kind == "const" for p in node.parts):
            return Code(self.constant(tuple(p.value for p in node.parts)), fallible=False)
        parts = [self.write(p, scope) for p in node.parts]
        return Code(f"({''.join(p.text + ', ' for p in parts)})", any(p.fallible for p in parts))

    def _map(self, node: Node, scope: Scope) -> Code:
        return Code(
            f"_entries({', '.join(self.write(p, scope).text for p in node.parts)})", fallible=True
        )

    def _struct(self, node: Node, _scope: Scope) -> Code:
        raise NotCompilable(f'messages like "{node.name}" are not part of the language here')

    def _call(self, node: Node, scope: Scope) -> Code:
        special = _SPECIAL.get(node.name)
        if special:
            return special(self, node, scope)
        parts = [self.write(p, scope) for p in node.parts]
        native = self._native(node, parts)
        if native:
            return Code(native, any(p.fallible for p in parts))
        if node.name not in FUNCTIONS:
            return self.failing(f"no such overload: {node.name}")
        safe = node.name in _SAFE_CALLS and (
            node.name != "size" or self.type_of(node.parts[0]) != DYN
        )
        call = f"{self.constant(FUNCTIONS[node.name])}({', '.join(p.text for p in parts)})"
        return Code(call, not safe or any(p.fallible for p in parts))

    def _native(self, node: Node, parts: list[Code]) -> str:
        types = [self.type_of(p) for p in node.parts]
        same = len(set(types)) == 1
        if (
            node.name in ("_==_", "_!=_")
            and same
            and (types[0] in _PLAIN or types[0] == ("double",))
        ):
            return f"({parts[0].text} {node.name[1:3]} {parts[1].text})"
        if node.name in _ORDER and same and types[0] in _NATIVE_ORDER:
            return f"({parts[0].text} {_ORDER[node.name]} {parts[1].text})"
        if node.name == "@in" and _hashed_alike(types):
            return f"({parts[0].text} in {parts[1].text})"
        if node.name in _TEXT and types == [("string",), ("string",)]:
            return "(" + _TEXT[node.name].format(parts[0].text, parts[1].text) + ")"
        return f"len({parts[0].text})" if node.name == "size" and types[0] != DYN else ""

    def truth(self, node: Node, scope: Scope) -> Code:
        """A part that must be a boolean."""
        code = self.write(node, scope)
        return (
            code
            if self.type_of(node) == ("bool",)
            else Code(f"_condition({code.text})", fallible=True)
        )

    def logic(self, node: Node, scope: Scope) -> Code:
        """`&&` and `||`."""
        word, helper = ("and", "_both") if node.name == "_&&_" else ("or", "_either")
        left, right = self.truth(node.parts[0], scope), self.truth(node.parts[1], scope)
        if not left.fallible:
            return Code(f"({left.text} {word} {right.text})", right.fallible)
        if not right.fallible:
            return Code(f"({right.text} {word} {left.text})", fallible=True)
        return Code(f"{helper}(lambda: {left.text}, lambda: {right.text})", fallible=True)

    def opposite(self, node: Node, scope: Scope) -> Code:
        """`!`."""
        code = self.truth(node.parts[0], scope)
        return Code(f"(not {code.text})", code.fallible)

    def choice(self, node: Node, scope: Scope) -> Code:
        """`?:`."""
        test = self.truth(node.parts[0], scope)
        yes, no = self.write(node.parts[1], scope), self.write(node.parts[2], scope)
        return Code(
            f"({yes.text} if {test.text} else {no.text})",
            test.fallible or yes.fallible or no.fallible,
        )

    def _fold(self, node: Node, scope: Scope) -> Code:
        macro = _macro(node)
        source = self.write(node.parts[0], scope)
        known = self.type_of(node.parts[0])[0]
        items = (
            Code(source.text, source.fallible)
            if known == "list"
            else Code(f"_items({source.text})", known == "dyn" or source.fallible)
        )
        self.depth += 1
        name = f"x{self.depth}"
        inner = {**scope, node.names[0]: name}
        if macro.kind in _QUANTIFIERS:
            return self._quantifier(node, macro, items, (name, inner))
        value = self.write(macro.value, inner) if macro.value else Code(name, fallible=False)
        test = self.truth(macro.test, inner) if macro.test else Code("", fallible=False)
        clause = f" if {test.text}" if macro.test else ""
        return Code(
            f"tuple([{value.text} for {name} in {items.text}{clause}])",
            items.fallible or value.fallible or test.fallible,
        )

    def _quantifier(
        self, node: Node, macro: "_Macro", items: Code, bound: tuple[str, Scope]
    ) -> Code:
        name, inner = bound
        if macro.test is None:
            raise NotCompilable("this comprehension is not part of the language here")
        quick = self._set_test(node, macro, items)
        if quick:
            return Code(quick, items.fallible)
        test = self.truth(macro.test, inner)
        helper, native = _QUANTIFIERS[macro.kind]
        if test.fallible or not native:
            return Code(
                f"{helper}({items.text}, lambda {name}: {test.text})",
                items.fallible or test.fallible,
            )
        return Code(f"{native}([{test.text} for {name} in {items.text}])", items.fallible)

    def _set_test(self, node: Node, macro: "_Macro", items: Code) -> str:
        """`exists(x, x == k)`, `exists(x, x in [k…])` and `all(x, x in [k…])` over texts, as sets do them."""
        test = macro.test
        if (
            test is None
            or test.kind != "call"
            or self.type_of(node.parts[0]) != ("list", ("string",))
        ):
            return ""
        left, right = (*test.parts, test, test)[:2]
        if left.kind != "ident" or left.name != node.names[0]:
            return ""
        if macro.kind == "exists" and test.name == "_==_" and right.kind == "const":
            return f"({self.constant(right.value)} in {items.text})"
        if (
            test.name != "@in"
            or right.kind != "list"
            or any(p.kind != "const" for p in right.parts)
        ):
            return ""
        values = self.constant(frozenset(p.value for p in right.parts))
        return {
            "exists": f"(not {values}.isdisjoint({items.text}))",
            "all": f"{values}.issuperset({items.text})",
        }.get(macro.kind, "")


_SPECIAL: Final[Mapping[str, Callable[[_Writer, Node, Scope], Code]]] = {
    "_&&_": _Writer.logic,
    "_||_": _Writer.logic,
    "!_": _Writer.opposite,
    "_?_:_": _Writer.choice,
}
_QUANTIFIERS: Final = {
    "exists": ("_exists", "any"),
    "all": ("_every", "all"),
    "exists_one": ("_once", ""),
}


class _Macro(NamedTuple):
    kind: str
    test: Node | None = None
    value: Node | None = None


def _macro(node: Node) -> _Macro:
    """The macro a fold was expanded from. Raises NotCompilable for any other."""
    start, step, accumulator = node.parts[1], node.parts[3], node.names[1]
    if node.names[2]:
        raise NotCompilable("comprehensions over two variables are not part of the language here")
    if step.kind == "call" and _is(step.parts[0], accumulator):
        if step.name in ("_||_", "_&&_"):
            return _Macro("exists" if step.name == "_||_" else "all", step.parts[1])
        if step.name == "_+_" and step.parts[1].kind == "list":
            return _Macro("map", None, step.parts[1].parts[0])
    if step.kind == "call" and step.name == "_?_:_" and _is(step.parts[2], accumulator):
        test, then = step.parts[:2]
        if start.kind == "const":
            return _Macro("exists_one", test)
        return _Macro("map", test, then.parts[1].parts[0])
    raise NotCompilable("this comprehension is not part of the language here")


def _hashed_alike(types: list[CelType]) -> bool:
    """Whether Python's `in` is CEL's: an item in a list of its own type, or a text in a map of texts."""
    item, container = types
    if container[:2] == ("map", ("string",)):
        return item == ("string",)
    return item in _PLAIN and container == ("list", item)


def _is(node: Node, name: str) -> bool:
    return node.kind == "ident" and node.name == name
