"""Admissions that go in together, in a drawn interleaving: their answers are those of one after another, in some order."""

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from random import Random
from typing import Any

from routing.calls import commands
from routing.calls.pool import LostRace
from routing.calls.together import admit_together
from tests.routing.calls.reference import Call, Money
from tests.routing.calls.reviewing import Reviewing, key_of
from tests.routing.world import decided, sealed

Drawn = tuple[commands.Admission, tuple[Any, ...]]
"""An admission, and what the reference takes for it."""


class Batching(Reviewing):
    """One step more: several callers at once."""

    def _money(self, r: Random) -> tuple[Money | None, Any]:
        raise NotImplementedError

    def _draw(self, r: Random) -> Drawn:
        call, at, key = self.world.ids.new(), self._at(r), self._key(r)
        (money, held), late, retries = self._money(r), r.random() < 0.1, r.randrange(3)
        asked = self.world.asked(
            call,
            revision=at[0],
            stop_epoch=at[1],
            deadline_seconds=-60 if late else 600,
            lost_retries=retries,
            idempotency=key_of(key),
        )
        step = commands.Admission(
            asked=asked,
            decision=decided(1),
            entry=self.world.entry("call.admitted", call),
            request=sealed("request") if r.random() < 0.9 else None,
            reservation=held,
        )
        return step, (call, at, money, key, Call("admitted", late, retries))

    async def together(self, r: Random) -> None:
        """First those that were let in, in the order in which they came; then each of the others by itself."""
        drawn = [self._draw(r) for _ in range(r.randrange(2, 7))]
        steps = [step for step, _ in drawn]
        expected = self._let_in(drawn)
        granted = await admit_together(self.db, steps)
        assert list(granted) == expected
        for step, told in drawn:
            if step.asked.call in granted:
                self._check(admit_together, granted[step.asked.call], self.model.admit(*told))
        others = [one for one in drawn if one[0].asked.call not in granted]
        for step, told in others:
            self._check(
                commands.admit, await commands.admit(self.db, step), self.model.admit(*told)
            )
        if r.random() < 0.5:
            await self._in_doubt(steps, granted)
        self.seen["together", min(len(granted), 2), bool(others)] += 1

    def _let_in(self, drawn: list[Drawn]) -> list[Any]:
        """Those against whom nothing stands, if every window that they take has room for all of them."""
        model = self.model
        free = [
            (call, money)
            for _, (call, at, money, key, _) in drawn
            if model.key_stands and at == (model.revision, model.epoch) and money and not key
        ]
        taken: Counter[int] = Counter()
        for _, money in free:
            taken.update(dict.fromkeys(money.windows, money.amount))
        tight = {w for w in taken if model.windows[w].hard and model.windows[w].left < taken[w]}
        return [call for call, money in free if not tight & {*money.windows}]

    async def _in_doubt(self, steps: list[commands.Admission], granted: Collection[Any]) -> None:
        """The whole batch once more: nobody is let in twice, and who is in is told so when asking alone."""
        with suppress(LostRace):
            assert await admit_together(self.db, steps) == {}
        for step in steps:
            if step.asked.call in granted:
                self._check(commands.admit, await commands.admit(self.db, step), "Admitted")
