"""What a load generator heard, whichever it was."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Latency(Struct, frozen=True):
    """Percentiles in milliseconds, from the request's first byte to the answer's last."""

    p50: float
    p95: float
    p99: float
    worst: float


class Heard(Struct, frozen=True):
    """The answers of a run, the uncounted warm-up included in `told`.

    `unheard_max` is how many gifts may have been taken without anybody hearing the answer: none
    for a generator that waits for all, one for each connection that was cut. `ids_path` names a
    file of 16 bytes for each donation told as paid, if the generator can tell.
    """

    told: dict[str, int]
    paid_measured: int
    seconds: float
    latency: Latency
    wrong: int
    unanswered: int
    unheard_max: int
    samples: list[str]
    cpu_s: dict[str, float]
    others_cpu_s: float
    ids_path: str | None = None

    @property
    def paid(self) -> int:
        """Answers that said the money was taken."""
        return self.told.get("201", 0)

    @property
    def paid_per_s(self) -> float:
        """Gifts a second, counting only those told as paid."""
        return round(self.paid_measured / self.seconds, 1)


def latency_of(taken_us: Sequence[int]) -> Latency:
    """The percentiles of times in microseconds (nearest rank)."""
    ordered = sorted(taken_us)

    def at(share: float) -> float:
        if not ordered:
            return 0.0
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000, 2)

    return Latency(at(0.50), at(0.95), at(0.99), at(1.0))
