"""A rule as it runs: whether it holds, which line decided, and what it says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from policies.engine.cel import Program, Variable, compile_expression, compile_together
from policies.engine.decision import Obligations, RuleRef
from policies.engine.forms import Form
from policies.engine.schema import ANSWER, EVERYWHERE, INPUT, MODEL, TOOL
from policies.engine.values import CelError, Erred
from policies.engine.wire import Checked, Node, read, walk

VARIABLES: Final[Mapping[str, Variable]] = {
    **{d.name: Variable(f"c[{i}]") for i, d in enumerate(EVERYWHERE)},
    **{d.name: Variable(f"m[{i}]") for i, d in enumerate(MODEL)},
    # no place has two of a model, an answer and a tool: each is the second environment of its own
    **{d.name: Variable(f"m[{i}]", fallible=True) for i, d in enumerate(ANSWER)},
    **{d.name: Variable(f"m[{i}]", fallible=True) for i, d in enumerate(TOOL)},
    **{d.name: Variable(f"m[{i}]") for i, d in enumerate(INPUT)},
}
Environment = tuple[Any, ...]
_MODELS: Final = frozenset(d.name for d in MODEL)
NOTHING: Final[Environment] = ()
Outcome = bool | Erred
Sweep = Callable[[Environment, Environment], tuple[Outcome, ...]]
"""The outcomes of many rules at once."""
_LOGIC: Final = {"_&&_": False, "_||_": True}


@dataclass(slots=True, eq=False)
class Expression:
    """One condition: its program, its checked form, and programs of its parts, made when they are asked for."""

    form: Form
    checked: Checked
    program: Program
    only_line: int
    parts: dict[int, Program] = field(default_factory=dict)
    shown: Any = None
    """Its atoms as `explain` shows them, kept from one trace to the next."""

    def evaluate(self, call: Environment, item: Environment) -> Any:  # noqa: ANN401  # any value of CEL
        """The value, or Erred."""
        return self.program.evaluate(call, item)

    def part(self, node: Node, call: Environment, item: Environment) -> Any:  # noqa: ANN401  # as above
        """The value of one part."""
        return self.program_of(node).evaluate(call, item)

    def program_of(self, node: Node) -> Program:
        """The program of one part."""
        if node.id not in self.parts:
            self.parts[node.id] = compile_expression(self.checked, VARIABLES, root=node)
        return self.parts[node.id]

    @property
    def of_model(self) -> bool:
        """Whether it reads a model alone, and cannot fail."""
        read = {part.name for part in walk(self.checked.root) if part.kind == "ident"}
        ours = read & VARIABLES.keys()
        return not self.program.fallible and ours <= _MODELS

    def line_of(self, node: Node) -> int:
        """The line on which a part begins."""
        offsets = [
            self.checked.positions[n.id] for n in walk(node) if n.id in self.checked.positions
        ]
        return self.form.line_at(min(offsets, default=0))

    def deciding_line(self, call: Environment, item: Environment) -> int:
        """The line of the atom that decided, else that of the condition's key."""
        if self.only_line:
            return self.only_line
        lines = {self.line_of(atom) for atom in deciding(self, self.checked.root, (call, item))}
        return lines.pop() if len(lines) == 1 else self.form.line


def expression(form: Form) -> Expression:
    """A condition compiled from its checked form. Raises NotCompilable, NotReadable."""
    checked = read(form.checked)
    lines = {form.line_at(checked.positions.get(n.id, 0)) for n in walk(checked.root)}
    only = lines.pop() if len(lines) == 1 else 0
    return Expression(form, checked, compile_expression(checked, VARIABLES), only)


def deciding(
    of: Expression, node: Node, environments: tuple[Environment, Environment]
) -> Iterator[Node]:
    """The atoms that made a part what it is: those without which it could have been different."""
    if node.kind != "call" or node.name not in (*_LOGIC, "!_", "_?_:_"):
        yield node
    elif node.name == "!_":
        yield from deciding(of, node.parts[0], environments)
    elif node.name == "_?_:_":
        test = of.part(node.parts[0], *environments)
        chosen = node.parts[0] if isinstance(test, Erred) else node.parts[1 if test else 2]
        yield from deciding(of, chosen, environments)
    else:
        values = [(part, of.part(part, *environments)) for part in node.parts]
        wins = _LOGIC[node.name]
        winner = [p for p, v in values if v is wins] or [
            p for p, v in values if isinstance(v, Erred)
        ]
        for part in winner[:1] or node.parts:
            yield from deciding(of, part, environments)


@dataclass(slots=True, eq=False)
class Rule:
    """A Permission, or an EscalationRule (`queue` names whose desk it goes to), compiled. Without a condition it always holds."""

    tenant: str
    name: str
    effect: str
    level: str
    on: str
    owner: str
    file: str
    line: int
    when: Expression | None
    message: Expression | None
    obligations: Obligations | None
    kind: str = "Permission"
    queue: tuple[str, str] = ("", "")
    refs: dict[int, RuleRef] = field(default_factory=dict)
    reads: tuple[int, ...] | None = None
    """The places of what it reads of a call, as `explain` found them."""

    @property
    def key(self) -> tuple[str, str]:
        """(tenant, name)."""
        return self.tenant, self.name

    @property
    def plain(self) -> bool:
        """Whether its outcome says all of it: it cannot fail, one line decides, and its words are always the same."""
        sure = self.when is None or (not self.when.program.fallible and self.when.only_line > 0)
        return sure and (self.message is None or self.effect == "permit" or self.message.of_model)

    @property
    def blocks(self) -> bool:
        """Whether it is a forbid that binds; an advisory one is only recorded."""
        return self.effect == "forbid" and self.level != "advisory"

    def holds(self, call: Environment, item: Environment = NOTHING) -> Outcome:
        """Whether the condition holds."""
        if self.when is None:
            return True
        # the hottest line of a decision: every rule, for every model
        try:
            return self.when.program.function(call, item) is True
        except CelError as error:
            return Erred(str(error))

    def ref(self, outcome: Outcome, call: Environment, item: Environment = NOTHING) -> RuleRef:
        """The rule with the line that decided."""
        line = self.when.deciding_line(call, item) if self.when else self.line
        if isinstance(outcome, Erred):
            return self._at(line, outcome.message)
        if line not in self.refs:
            self.refs[line] = self._at(line, "")
        return self.refs[line]

    def _at(self, line: int, error: str) -> RuleRef:
        return RuleRef(kind=self.kind, tenant=self.tenant, name=self.name, line=line, error=error)

    def says(self, outcome: Outcome, call: Environment, item: Environment = NOTHING) -> str:
        """The rule in words: its message, or a sentence with its name."""
        if isinstance(outcome, Erred):
            return (
                f'the rule "{self.name}" could not be evaluated ({outcome.message}), so it forbids'
            )
        text = self.message.evaluate(call, item) if self.message else None
        return text if isinstance(text, str) and text else f'the rule "{self.name}" forbids it'


def sweep(rules: Sequence[Rule]) -> Sweep:
    """All of them held against the same call, or the same call and model, by one function."""
    conditions = [(r.when.checked, r.when.program) if r.when else None for r in rules]
    return compile_together(conditions, VARIABLES)
