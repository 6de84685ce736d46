"""What people do with cases: claim, give back, look, approve, edit, redact, reject. Each is one statement and one commit.

The SQL function compares everything again under the call's row lock; what it refuses changed nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.log.append import append_alone
from audit.log.entry import Entry, build
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.calls.steps import Sealed
from routing.reviews import access, drafts, questions
from routing.reviews.asking import ask, of_entry, of_sealed
from routing.reviews.content import Material, Opened
from routing.reviews.models import ReviewCase
from routing.reviews.steps import ANSWERED, CLAIM, REJECTED, Decide, Verdict

LONGEST_REASON = 2_000
Check = Callable[[ReviewCase, str], Sequence[str]]
"""What an edited text misses, in words: the validators of the call's route."""


@dataclass(frozen=True, slots=True)
class Decided:
    """`closed`: the call went on or ended with it; else one more person must decide. `outcome` is the case's, once closed."""

    closed: bool
    outcome: str


def claim(principal: Principal, review: UUID) -> datetime:
    """Take a case for 15 minutes. Until when. Raises NotFound, Forbidden, Conflict where another has it, or it is closed."""
    case = _reviewed(principal, review)
    entry = _entry(principal, case, "review.claimed")
    answer, until = ask(
        questions.CLAIM, (case.id, case.call, principal.actor, CLAIM, *of_entry(entry))
    )
    match answer:
        case "claimed":
            return until  # type: ignore[no-any-return] # a timestamptz is a datetime
        case "taken":
            raise Conflict(
                "somebody else has claimed this case; it is free again when the claim lapses"
            )
        case "decided":
            raise Conflict("you have decided about this text; another person must too")
    raise Conflict("this case is closed")


def give_back(principal: Principal, review: UUID) -> None:
    """Give a claimed case back to its queue. Raises NotFound, Forbidden, Conflict where it is not claimed by this person."""
    case = _reviewed(principal, review)
    entry = _entry(principal, case, "review.returned")
    (answer,) = ask(questions.RETURN, (case.id, case.call, principal.actor, *of_entry(entry)))
    if answer != "returned":
        raise Conflict("this case is not claimed by you")


def look(principal: Principal, review: UUID) -> Opened:
    """Prompt and draft, for who has claimed the case. The view is an entry before anything is decrypted.

    Raises NotFound, Forbidden, and Conflict where it is not claimed by this person, or the content was erased.
    """
    case = _claimed(principal, review)
    data = {"fields": ["request", "answer"], "reason": f"review in {case.queue}"}
    # one statement is one transaction: the view is in the log before anything is read
    append_alone(_entry(principal, case, "content.viewed", data))
    return Material.of(case).opened()


def approve(principal: Principal, review: UUID, version: int, reason: str = "") -> Decided:
    """Let the call go on, or give the draft of this version out. Raises Conflict where another text is in force by now."""
    case = _claimed(principal, review)
    answer = None
    if case.stage in ANSWERED:
        material = Material.of(case)
        outcome = material.outcome(version)
        if outcome is None or not drafts.read(material.codec, outcome).answered:
            raise Conflict("there is no answer to approve: write one, or reject the call")
        answer = material.sealed("answer", outcome)
    return _decide(
        principal, case, _verdict(case, principal, "approved", version, reason), answer=answer
    )


def edit(principal: Principal, review: UUID, text: str, reason: str, check: Check) -> Decided:
    """Give out another text instead. It passes the route's validators, not its escalation rules. Raises InvalidRequest."""
    case = _claimed(principal, review)
    problems = check(case, text)
    if problems:
        raise InvalidRequest(f"the edited answer does not pass: {'; '.join(problems)}")
    return _rewritten(principal, case, "edited", text, reason)


def redact(
    principal: Principal, review: UUID, spans: list[tuple[int, int]], reason: str
) -> Decided:
    """Take spans (from, to; in characters of the draft) out, then approve. Raises InvalidRequest for a span outside it."""
    case = _claimed(principal, review)
    material = Material.of(case)
    outcome = material.outcome(case.version)
    if outcome is None:
        raise InvalidRequest("nothing was answered yet: there is nothing to take out")
    draft = drafts.read(material.codec, outcome)
    return _rewritten(principal, case, "redacted", drafts.redacted(draft.text, spans), reason)


def redact_words(principal: Principal, review: UUID, words: Sequence[str], reason: str) -> Decided:
    """The same by words: each is taken out wherever it stands. Raises InvalidRequest for one that stands nowhere."""
    case = _claimed(principal, review)
    material = Material.of(case)
    outcome = material.outcome(case.version)
    text = drafts.read(material.codec, outcome).text if outcome is not None else ""
    return redact(principal, review, drafts.spans_of(text, words), reason)


def reject(principal: Principal, review: UUID, reason: str) -> Decided:
    """Turn the call down. The reason is required, and the caller reads it. Raises InvalidRequest without one."""
    case = _claimed(principal, review)
    if not reason.strip():
        raise InvalidRequest("say why: the caller reads it")
    answer = None
    if case.stage != "sample":
        try:
            material = Material.of(case)
            refusal = material.refusal(
                f"a reviewer turned this call down: {reason.strip()}", REJECTED
            )
            answer = material.sealed("answer", refusal)
        except Conflict:  # erased: it ends without words
            answer = None
    wanted = _verdict(case, principal, "rejected", case.version, reason)
    return _decide(principal, case, wanted, answer=answer)


def _rewritten(
    principal: Principal, case: ReviewCase, verdict: Verdict, text: str, reason: str
) -> Decided:
    if case.stage == "sample":
        raise Conflict("this call was delivered already: say what you found, or approve it")
    material = Material.of(case)
    outcome = material.edited(text)
    return _decide(
        principal,
        case,
        _verdict(case, principal, verdict, case.version, reason),
        draft=material.sealed("draft", outcome, case.version + 1),
        answer=material.sealed("answer", outcome),
    )


def _decide(
    principal: Principal,
    case: ReviewCase,
    wanted: Decide,
    *,
    draft: Sealed | None = None,
    answer: Sealed | None = None,
) -> Decided:
    ends = "failed" if wanted.verdict == "rejected" else "completed"
    code = REJECTED if wanted.verdict == "rejected" else ""
    said = {"version": wanted.version + (draft is not None), "reason": wanted.reason}
    entry = _entry(principal, case, f"review.{wanted.verdict}", said)
    released = _entry(principal, case, "call.released")
    end = _entry(principal, case, f"call.{ends}", {"code": code})
    params = (
        *wanted.row(),
        *of_sealed(draft),
        *of_sealed(answer),
        *of_entry(entry),
        *of_entry(released),
        *of_entry(end),
    )
    word, outcome = ask(questions.DECIDE, params)
    if word in {"counted", "closed"}:
        return Decided(word == "closed", str(outcome))
    raise Conflict(_REFUSED[str(word)])


_REFUSED = {
    "over": "this case was closed before; look at how",
    "unclaimed": "your claim has lapsed, or another person has the case; claim it again",
    "version": "somebody changed the answer meanwhile; read it, and decide again",
    "decided": "you have decided about this text; another person must too",
}


def _verdict(
    case: ReviewCase, principal: Principal, verdict: Verdict, version: int, reason: str
) -> Decide:
    if len(reason) > LONGEST_REASON:
        raise InvalidRequest(
            f"the reason has {len(reason)} characters; at most {LONGEST_REASON} fit"
        )
    return Decide(
        review=case.id,
        call=case.call,
        version=version,
        actor=principal.actor,
        verdict=verdict,
        reason=reason.strip(),
    )


def _reviewed(principal: Principal, review: UUID) -> ReviewCase:
    found = published()
    case = access.get(principal, found, review)
    access.require_review(principal, found, case)
    return case


def _claimed(principal: Principal, review: UUID) -> ReviewCase:
    """INVARIANT: content is shown to, and decided by, who has the case. The decision's own statement asks again."""
    case = _reviewed(principal, review)
    if case.closed_at is not None:
        raise Conflict(_REFUSED["over"])
    access.require_claim(principal, case)
    return case


def _entry(
    principal: Principal, case: ReviewCase, kind: str, data: Mapping[str, object] | None = None
) -> Entry:
    return build(
        kind,
        id=new_id(),
        at=case.read_at or mandate_now(),
        actor=principal.actor,
        tenant=case.tenant,
        call=case.call,
        subject=f"review:{case.id.hex}",
        data={"queue": case.queue, **(data or {})},
    )
