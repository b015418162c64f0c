"""The pure rules: signatures, rate limits, backoff, schemas, permissions, definitions."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from aivoice.tools.backoff import Backoff
from aivoice.tools.errors import AddressError, ToolShapeError
from aivoice.tools.guard import Guard
from aivoice.tools.limits import Buckets, InFlight, Rate
from aivoice.tools.schema import checkable, misfits
from aivoice.tools.signing import new_secret, signed_headers
from aivoice.tools.spec import CallFacts, Permissions, parse_tool, refusal

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def test_every_active_secret_signs_and_each_alone_is_enough() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    at = datetime.now(timezone(timedelta(hours=-5)))  # the library compares with the real clock
    headers = dict(signed_headers([new, old], message_id="evt_1", at=at, body='{"a":"é"}'))
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert Webhook(secret).verify('{"a":"é"}', headers) == {"a": "é"}
    for secret, body in ((other, '{"a":"é"}'), (new, '{"a":"e"}')):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
    assert "webhook-signature" not in signed_headers([], message_id="evt_1", at=at, body="{}")


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    buckets, rate = Buckets(), Rate(per_minute=60, burst=3)
    assert [buckets.take(("t", "x"), rate, 0.0) for _ in range(4)] == [0, 0, 0, 1.0]
    assert buckets.take(("u", "x"), rate, 0.0) == 0  # another tenant is not slowed down
    assert buckets.take(("t", "x"), rate, 1.0) == 0
    assert buckets.take(("t", "x"), rate, 0.5) > 0  # a clock that steps back gives nothing


@given(st.lists(st.floats(0, 100), max_size=80), st.integers(1, 600), st.integers(1, 20))
def test_no_more_than_burst_and_rate_together(times: list[float], per_minute: int, burst: int) -> None:
    buckets, rate = Buckets(), Rate(per_minute, burst)
    taken = sum(buckets.take(("t",), rate, now) == 0 for now in sorted(times))
    assert taken <= burst + (max(times, default=0) - min(times, default=0)) * per_minute / 60 + 1e-6


def test_buckets_are_bounded() -> None:
    buckets = Buckets(most=10)
    for number in range(100):
        buckets.take((str(number),), Rate(), 0.0)
    assert len(buckets) == 10


def test_runs_at_a_time() -> None:
    running = InFlight(most=2)
    assert [running.enter("a"), running.enter("a"), running.enter("a"), running.enter("b")] == [True, True, False, True]
    running.leave("a")
    assert running.enter("a")


def test_pauses_double_to_the_longest_and_end_at_the_end() -> None:
    rules, tries, now = Backoff(), [NOW], NOW
    while (due := rules.next(attempts=len(tries), first_at=NOW, now=now, chance=0.0)) is not None:
        now = due
        tries.append(now)
    pauses = [(b - a).total_seconds() for a, b in pairwise(tries)]
    assert pauses[:4] == [10, 20, 40, 80]
    assert max(pauses) == 4 * 3600
    assert tries[-1] == NOW + timedelta(days=3)
    assert len(tries) == 29


@given(st.integers(1, 10_000), st.floats(0, 0.999), st.integers(0, 300_000))
def test_a_pause_is_never_in_the_past_or_past_the_end(attempts: int, chance: float, seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    due = Backoff().next(attempts=attempts, first_at=NOW, now=now, chance=chance)
    assert (due is None) == (now >= NOW + timedelta(days=3))
    assert due is None or now < due <= NOW + timedelta(days=3)


PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"$ref": "#/$defs/name"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "$defs": {"name": {"type": "string", "minLength": 1, "pattern": "^(a+)+$"}},
}


def test_schemas_name_members_and_never_values() -> None:
    checked = checkable(PERSON, "parameters")
    assert misfits(checked, {"name": "x", "age": 3}) == []
    assert misfits(checked, {"name": "", "age": "secret"}) == ["age", "name"]
    assert misfits(checked, {}) == ["required"]


def test_a_pattern_is_not_run() -> None:
    begin = time.monotonic()
    assert misfits(checkable(PERSON, "parameters"), {"name": "a" * 40 + "!"}) == []
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1/x"}, {"$ref": "#"}, {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"$ref": "#/$defs/none"}, {"$dynamicRef": "#x"}, {"type": 7}, {"type": "nonsense"},
        {"$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(20)}
         | {"d20": {}}, "$ref": "#/$defs/d0"},
        {"properties": {str(n): {} for n in range(600)}},
    ],
)  # fmt: skip
def test_schemas_that_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ToolShapeError, match="parameters: "):
        checkable(schema, "parameters")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_value_gets_an_answer(value: Any) -> None:
    assert isinstance(misfits(checkable(PERSON, "p"), value), list)


@given(
    st.dictionaries(st.sampled_from(["type", "items", "$ref", "properties", "allOf", "enum", "not"]), JSON, max_size=4)
)
def test_any_schema_is_taken_or_refused(schema: dict[str, Any]) -> None:
    try:
        misfits(checkable(schema, "p"), {"a": [1]})
    except ToolShapeError:
        return


@pytest.mark.parametrize(
    ("permissions", "facts", "why"),
    [
        (Permissions(), CallFacts(), ""),
        (Permissions(caller_verified=True), CallFacts(), "caller_not_verified"),
        (Permissions(caller_verified=True), CallFacts(caller_verified=True), ""),
        (Permissions(confirmation=True), CallFacts(), "confirmation_needed"),
        (Permissions(confirmation=True), CallFacts(confirmed=True), ""),
        (Permissions(hours="open"), CallFacts(), "outside_hours"),
        (Permissions(hours="open"), CallFacts(open_now=True), ""),
        (Permissions(hours="closed"), CallFacts(open_now=True), "outside_hours"),
        (Permissions(hours="closed"), CallFacts(open_now=False), ""),
    ],
)
def test_permissions(permissions: Permissions, facts: CallFacts, why: str) -> None:
    assert refusal(permissions, facts) == why


FORM: dict[str, Any] = {"name": "book", "description": "Book.", "url": "https://example.com/t", "side_effects": True}


def test_a_definition_is_read() -> None:
    tool = parse_tool({**FORM, "parameters": PERSON, "permissions": {"hours": "open"}, "rate": {"burst": 2}}, Guard())
    assert tool.permissions.hours == "open" and tool.rate == Rate(60, 2) and tool.result is None
    assert tool.spec().parameters["properties"]["name"] == {"$ref": "#/$defs/name"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Book"}, {"name": "end_call"}, {"name": "transfer"}, {"description": ""}, {"side_effects": "maybe"},
        {"extra": 1}, {"time_limit_ms": 10}, {"parameters": {"type": "array"}}, {"result_schema": {"type": 7}},
        {"rate": {"per_minute": 0}}, {"permissions": {"root": True}}, {"description": "x" * 70_000},
    ],
)  # fmt: skip
def test_definitions_that_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ToolShapeError) as caught:
        parse_tool({**FORM, **change}, Guard())
    assert "\n" not in str(caught.value)


def test_a_definition_with_an_inner_address_is_refused() -> None:
    with pytest.raises(AddressError):
        parse_tool({**FORM, "url": "https://169.254.169.254/latest"}, Guard())
