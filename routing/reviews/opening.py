"""From a hold of the policy engine to the case that is opened for it, under the terms of its queue. Pure."""

from typing import Protocol
from uuid import UUID

from policies.engine.bundle import Bundle
from policies.engine.decision import Hold
from policies.engine.telling import unquoted
from routing.reviews.steps import Opening, Stage, Terms


class Asked(Protocol):
    """The call that is held: what it asked for, as admission (`steps.Asked`) or a worker (`Peeked`) knows it."""

    @property
    def call(self) -> UUID:
        """Its id."""

    @property
    def tenant(self) -> str:
        """Whose it is."""

    @property
    def team(self) -> str:
        """Which team's."""

    @property
    def key(self) -> str:
        """The API key's id."""

    @property
    def route(self) -> str:
        """What it asked for."""


def opening(bundle: Bundle, hold: Hold, stage: Stage, asked: Asked, review: UUID) -> Opening:
    """The case for a held call, with the terms that its queue has in this bundle."""
    queue = bundle.documents["ReviewQueue", hold.queue_tenant, hold.queue]
    terms = Terms.of(queue.spec)
    return Opening(
        review=review,
        call=asked.call,
        revision=bundle.revision,
        stage=stage,
        tenant=asked.tenant,
        team=asked.team,
        key=asked.key,
        route=asked.route,
        queue=hold.queue,
        queue_tenant=hold.queue_tenant,
        message=hold.message,
        rules=unquoted(hold.rules),
        due=terms.due,
        approvals=terms.approvals,
        on_overdue=terms.on_overdue,
        escalate_to=terms.escalate_to,
    )
