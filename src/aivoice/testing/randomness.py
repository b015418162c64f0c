"""Seeded chance, as data: random streams derived by name, and latency distributions."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass


def derive(seed: int | str, *names: int | str) -> random.Random:
    """A random stream of its own for `names` under `seed`: adding a stream never changes another one."""
    text = "\x1f".join(str(part) for part in (seed, *names))
    return random.Random(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))


@dataclass(frozen=True, slots=True)
class Constant:
    """Always `ms`."""

    ms: float


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything from `low` to `high` ms."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Median `median` ms, spread `sigma` (of the logarithm), at most `cap` ms: as networks and models behave."""

    median: float
    sigma: float
    cap: float = 30_000.0


Latency = Constant | Uniform | LogNormal

AT_ONCE = Constant(0)


def seconds(latency: Latency, rng: random.Random) -> float:
    """One draw, in seconds, ≥ 0."""
    match latency:
        case Constant(ms):
            drawn = ms
        case Uniform(low, high):
            drawn = rng.uniform(low, high)
        case LogNormal(median, sigma, cap):
            drawn = min(cap, median * math.exp(rng.gauss(0.0, sigma)))
    return max(0.0, drawn) / 1000.0
