"""The facts of a decision in words: the rows of the call page."""

from collections.abc import Iterable

from msgspec import UNSET

from audit.ui.words import count, share
from policies.engine.facts import Facts, RequestFacts


def facts_rows(facts: Facts | None) -> list[dict[str, str]]:
    """Names and values; what is empty is left out. Nothing where no facts are known."""
    if facts is None:
        return []
    asked = facts.request
    most = asked.output_tokens_asked
    out = f"at most {count(most)} out" if most else "no limit out"
    rows = [
        ("tenant, team", f"{facts.tenant} / {facts.team}"),
        ("key", facts.key.id),
        ("user", f"committed {facts.user.ref[:12]}…" if facts.user.ref else "not named"),
        ("route", facts.route),
        ("data classes", ", ".join(asked.data_classes) or "none but the use case's"),
        ("tokens", f"at most {count(asked.input_tokens_max)} in, {out}"),
        ("tools", _partly(asked.tools, asked.tools_committed) or "none"),
        (
            "labels",
            _partly(
                [f"{k}={v}{_given(asked, k)}" for k, v in asked.labels.items()],
                asked.labels_committed,
            ),
        ),
        ("dialect", f"{asked.dialect}, {'streamed' if asked.stream else 'not streamed'}"),
        (
            "run",
            f"committed {facts.run.id[:12]}…, {facts.run.calls} calls before"
            if facts.run.id
            else "",
        ),
        (
            "budgets",
            ", ".join(f"{b.name} {share(b.share_used_permille, 1000)}" for b in facts.budgets),
        ),
        ("stops on", ", ".join(s.name or "everything" for s in facts.stops)),
        ("breakers open", ", ".join(facts.breakers_open)),
        ("clamped to", f"{count(facts.clamp)} tokens out" if facts.clamp else ""),
        ("shadow run of", "" if facts.shadow is UNSET else f"call_{facts.shadow.of}"),
        ("now", facts.now),
    ]
    return [{"name": name, "value": value} for name, value in rows if value]


def _partly(plain: Iterable[str], committed: str) -> str:
    """What rules name in the clear, and that there is more."""
    more = [f"others committed {committed[:12]}…"] if committed else []
    return ", ".join([*plain, *more])


def _given(asked: RequestFacts, name: str) -> str:
    given = asked.labels_given
    return " (given, not sent)" if given is not UNSET and name in given else ""
