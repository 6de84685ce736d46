"""What a person's text misses: the validators of the call's route, asked as its worker asks them of a model's answer."""

from policies.bundles.snapshot import bundle_at
from policies.decisions.models import Decision
from policies.engine import facts
from routing.reviews.models import ReviewCase
from routing.validation.registry import failures


def problems(case: ReviewCase, text: str) -> list[str]:
    """In words; empty where the text passes. Decided as the call was last: its facts and its bundle."""
    record = Decision.objects.filter(call=case.call, stage="request").order_by("-no").first()
    if record is None:
        return []
    bundle = bundle_at(record.revision)
    found = failures(bundle, facts.decode(bytes(record.facts)), text)
    return [f"{one.validator}: {one.problem}" for one in found]
