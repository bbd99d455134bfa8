"""The guard before the till: who may give now, who must show some work first, who must wait.

It stands between a form without mistakes and the writing down of a gift, so whatever it refuses
has changed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from almoner.donations.breaker import Breaker
from almoner.donations.challenge import Challenges, Puzzle
from almoner.donations.errors import ChallengeNeeded, TakingABreak
from almoner.donations.gift import Care, Gift
from almoner.donations.levels import Level
from almoner.donations.limits import GiveLimits
from almoner.payments.attempt import AttemptState
from almoner.payments.declines import OF_THE_CARD
from almoner.payments.outcome import Outcome
from almoner.platform.addresses import neighbourhood_of, network_of
from almoner.platform.clock import now_ms
from almoner.platform.ids import Tokens
from almoner.platform.limits import Count, Limiter, Verdict, policy_headers

_PAID: Final = frozenset({AttemptState.SUBMITTED, AttemptState.AUTHORIZED})


class Caller(Struct, frozen=True):
    """Who asks, as far as it is known.

    `name` is the donation that the request's key or form makes. `form_issued_ms` is when its form
    was opened, None without one. `solution` is the work that it shows. `trapped` says that it
    filled in what no person sees. `ours` is one of our own services.
    """

    name: str
    address: str
    form_issued_ms: int | None = None
    solution: str | None = None
    trapped: bool = False
    ours: bool = False


class Pass(Struct, frozen=True):
    """The guard lets a gift through, and says how it is to be treated."""

    verdict: Verdict
    care: Care


class Guard:
    """Limits by several dimensions, the proof of work, and the level of the charity."""

    def __init__(
        self,
        limiter: Limiter,
        limits: GiveLimits,
        breaker: Breaker,
        challenges: Challenges,
        emails: Tokens,
    ) -> None:
        """`emails` turns a mail address into something that nobody can turn back."""
        self._limiter = limiter
        self._limits = limits
        self._breaker = breaker
        self._challenges = challenges
        self._emails = emails

    async def admit(self, caller: Caller, gift: Gift) -> Pass:
        """Let a gift through.

        Raises ChallengeNeeded, TakingABreak or TooMany; none of them has counted the gift.
        """
        level = await self._breaker.level(gift.charity.charity_id)
        if not caller.ours:
            await self._ask_for_work(caller, level)
        counts = self._counts(caller, gift, level)
        who = "ours" if caller.ours else network_of(caller.address)
        verdict = await self._limiter.take(who, caller.name, counts)
        return Pass(verdict, self._care(caller, gift, level))

    async def puzzle(self, address: str, charity_id: int | None) -> Puzzle:
        """A puzzle for whoever asks, hard enough for this charity. Raises TooMany."""
        level = Level.NORMAL if charity_id is None else await self._breaker.level(charity_id)
        await self._count_puzzle(address)
        return self._challenges.set(max(level, Level.CHALLENGE))

    async def standing(self, address: str) -> dict[str, str]:
        """The headers that tell a caller how its limits stand, without counting."""
        counts = [Count(rule, network_of(address)) for rule in self._limits.address]
        return (await self._limiter.look(network_of(address), counts)).headers()

    def policy(self) -> dict[str, str]:
        """The header that tells the limits alone."""
        return policy_headers(self._limits.address)

    def _care(self, caller: Caller, gift: Gift, level: Level) -> Care:
        async def learn(outcome: Outcome) -> None:
            """Our own troubles and the gateway's say nothing of a caller."""
            if outcome.state in _PAID:
                self._breaker.note(gift.charity.charity_id, paid=True)
            elif outcome.state is AttemptState.DECLINED and outcome.decline_code in OF_THE_CARD:
                self._breaker.note(gift.charity.charity_id, paid=False)
                if not caller.ours:
                    await self._limiter.failed(network_of(caller.address))

        return Care(
            uniform_declines=level >= Level.CHALLENGE,
            check_harder=level >= Level.STRICT,
            learn=learn,
        )

    async def _ask_for_work(self, caller: Caller, level: Level) -> None:
        needed = max(level, Level.CHALLENGE) if self._is_hasty(caller) else level
        if needed is Level.NORMAL:
            return
        if await self._challenges.solved(caller.solution, caller.name, needed):
            return
        await self._count_puzzle(caller.address)
        if level is Level.PAUSED and caller.form_issued_ms is None:
            raise TakingABreak
        puzzle = self._challenges.set(needed)
        raise ChallengeNeeded(puzzle.challenge)

    def _is_hasty(self, caller: Caller) -> bool:
        """Whether it behaves as no person does: quicker than a hand, or in the trap."""
        issued_ms = caller.form_issued_ms
        young = issued_ms is not None and now_ms() - issued_ms < self._limits.form_age_min_ms
        return caller.trapped or young

    async def _count_puzzle(self, address: str) -> None:
        """Puzzles are cheap for us, but nobody needs hundreds."""
        who = network_of(address)
        await self._limiter.take(who, None, [Count(self._limits.puzzle, who)])

    def _counts(self, caller: Caller, gift: Gift, level: Level) -> Sequence[Count]:
        limits, charity = self._limits, str(gift.charity.charity_id)
        counts = [
            Count(limits.email, self._emails.sign(gift.email_normalised)),
            Count(limits.charity, charity),
        ]
        if fingerprint := gift.instrument.card_fingerprint:
            counts.append(Count(limits.card, self._emails.sign(fingerprint)))
        if level is Level.PAUSED:
            counts.append(Count(limits.charity_on_break, charity))
        if caller.ours:
            return counts
        who, around = network_of(caller.address), neighbourhood_of(caller.address)
        counts += [Count(rule, who) for rule in limits.address]
        counts += [Count(rule, around) for rule in limits.neighbourhood]
        if level >= Level.STRICT:
            counts += [Count(rule, who) for rule in limits.address_strict]
        return counts
