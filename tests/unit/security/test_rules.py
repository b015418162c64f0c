"""Who may what, and how often."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.errors import InputError
from aivoice.security.errors import ForbiddenError, RateLimitedError
from aivoice.security.permissions import ROLES, SCOPES, Principal, check_grant, check_scopes, of_scopes, require
from aivoice.security.rate import Rate, RateLimiter
from aivoice.store import NotFoundError

# ---------------------------------------------------------------- who may what


def test_roles_contain_one_another_and_only_the_operator_has_the_platform() -> None:
    order = [ROLES[role] for role in ("read-only", "member", "owner", "operator")]
    assert all(less < more for less, more in pairwise(order))
    for name, permissions in (*ROLES.items(), *SCOPES.items()):
        assert any(each.startswith("platform.") for each in permissions) == (name == "operator")
    assert not any(each.endswith((".write", ".erase", ".manage", ".place")) for each in ROLES["read-only"])


@given(st.lists(st.sampled_from([*SCOPES, "future"])), st.sampled_from(["alpha", None]))
def test_another_tenants_is_unknown_whatever_one_may(scopes: list[str], home: str | None) -> None:
    principal = Principal("key", "k", home, of_scopes(scopes))
    if home == "alpha":
        with pytest.raises(NotFoundError):
            require(principal, "calls.read", "bravo")
        with pytest.raises(ForbiddenError):
            require(principal, "platform.read")
    if "calls.read" in principal.permissions:
        require(principal, "calls.read", "alpha")
    else:
        with pytest.raises(ForbiddenError):
            require(principal, "calls.read", "alpha")


def test_nobody_gives_more_than_they_have() -> None:
    member = Principal("user", "u", "alpha", ROLES["member"])
    check_grant(member, ROLES["read-only"])
    check_grant(member, of_scopes(["write", "calls"]))
    with pytest.raises(ForbiddenError):
        check_grant(member, ROLES["owner"])
    with pytest.raises(ForbiddenError):
        check_grant(Principal("key", "k", "alpha", of_scopes(["admin"])), of_scopes(["operator"]))


def test_scopes_of_a_key() -> None:
    assert check_scopes(["write", "read", "read"], "alpha") == ("read", "write")
    assert check_scopes(["operator"], None) == ("operator",)
    for given_, home in ((["operator"], "alpha"), ([], "alpha"), (["all"], "alpha")):
        with pytest.raises(InputError):
            check_scopes(given_, home)


# ---------------------------------------------------------------- how often


@given(
    st.integers(1, 20),
    st.sampled_from([0.1, 1.0, 7.0]),
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 3)), max_size=60),
)
def test_in_no_stretch_of_time_is_more_allowed_than_burst_and_rate(
    burst: int, per_s: float, asked: list[tuple[float, int]]
) -> None:
    limiter = RateLimiter(Rate(burst, per_s))
    taken: list[tuple[float, int]] = []
    now = 100.0
    for pause, cost in asked:
        now += pause
        wait = limiter.take("a", now, cost)
        if wait == 0:
            taken.append((now, cost))
        elif wait != float("inf"):
            assert limiter.take(f"b {len(taken)}", now) == 0  # nobody else waits
            now += wait
            assert limiter.take("a", now + 1e-6, cost) == 0  # what it said is true
            taken.append((now, cost))
    for first, (began, _) in enumerate(taken):
        for last in range(first, len(taken)):
            allowed = burst + per_s * (taken[last][0] - began)
            assert sum(cost for _, cost in taken[first : last + 1]) <= allowed + 0.01


def test_a_flood_of_new_names_is_held_in_bounded_memory_and_frees_nobody() -> None:
    limiter = RateLimiter(Rate(2, 0.001), keys=100)
    for _ in range(2):
        assert limiter.take("guessed", 0.0) == 0
    allowed = sum(limiter.take(f"new {number}", 1.0) == 0 for number in range(10_000))
    assert len(limiter) <= 100
    assert allowed <= 100 + 2
    with pytest.raises(RateLimitedError) as caught:
        limiter.require("guessed", 2.0)
    assert 900 < caught.value.retry_after_s < 1_000
    assert caught.value.retryable
    limiter.forget("guessed")
    limiter.require("guessed", 2.0)


def test_full_buckets_are_forgotten() -> None:
    limiter = RateLimiter(Rate(1, 1.0))
    for number in range(1_000):
        limiter.take(str(number), float(number * 10))
    assert len(limiter) < 10
    assert limiter.take("x", 0.0, cost=2) == float("inf")
    with pytest.raises(ValueError, match="rate"):
        Rate(0, 1.0)
