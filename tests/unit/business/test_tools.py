"""Tools over HTTP: every way an endpoint can behave has its outcome, and a side effect is never guessed at."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aivoice.business.load import load_business
from aivoice.business.local_service import ServiceError, local_service
from aivoice.business.model import Business, Tool
from aivoice.business.tool_app import tool_app
from aivoice.business.tool_http import MAX_RESPONSE_BYTES, ToolError, post_tool
from aivoice.business.tools import BusinessTools
from aivoice.engine.ports import ToolOutcome

EXAMPLES = Path(__file__).parents[3] / "examples"
SUNDAY = dt.datetime(2026, 11, 22, 20, 0)  # noqa: DTZ001 - the business's wall clock
Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def ask(endpoint: Endpoint, *, side_effects: bool, limit_ms: int = 1_000) -> ToolOutcome:
    app = web.Application()
    app.router.add_post("/t", endpoint)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            return await post_tool(
                session, f"http://127.0.0.1:{port}/t", tool="t", arguments={"a": 1}, call_id="c1", key="k1",
                side_effects=side_effects, time_limit_ms=limit_ms,
            )  # fmt: skip
    finally:
        await runner.cleanup()


def answers(status: int, body: bytes, **headers: str) -> Endpoint:
    async def endpoint(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return endpoint


async def hangs(_: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def drops(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def test_the_request_is_one_json_object_with_its_key() -> None:
    seen: list[tuple[dict[str, Any], str]] = []

    async def endpoint(request: web.Request) -> web.Response:
        seen.append((await request.json(), request.headers["Idempotency-Key"]))
        return web.json_response({"status": "ok", "n": 1})

    outcome = asyncio.run(ask(endpoint, side_effects=True))
    assert outcome.outcome == "ok"
    assert json.loads(outcome.result) == {"status": "ok", "n": 1}
    assert seen == [({"call_id": "c1", "tool": "t", "arguments": {"a": 1}, "idempotency_key": "k1"}, "k1")]


BIG = json.dumps({"x": "y" * MAX_RESPONSE_BYTES}).encode()


@pytest.mark.parametrize(
    ("endpoint", "with_effects", "without", "code"),
    [
        pytest.param(
            hangs,
            "unknown",
            "error",
            "tool_timeout",
            marks=pytest.mark.allow_leaks("aiohttp leaves a handler that hung when its server is closed"),
        ),
        (drops, "unknown", "error", "tool_failed"),
        (answers(500, b"oops"), "unknown", "error", "tool_failed"),
        (answers(200, b"no json"), "unknown", "error", "tool_failed"),
        (answers(200, b"[1]"), "unknown", "error", "tool_failed"),
        (answers(200, b"[" * 60_000), "unknown", "error", "tool_failed"),
        (answers(200, b"\xff"), "unknown", "error", "tool_failed"),
        (answers(200, BIG), "unknown", "error", "tool_failed"),
        (answers(404, b"{}"), "error", "error", "tool_failed"),
        (answers(302, b"", Location="http://127.0.0.1:1/"), "error", "error", "tool_failed"),
        (answers(409, b'{"message": "That time is taken."}'), "failed", "failed", ""),
        (answers(200, b'{"status": "ok"}'), "ok", "ok", ""),
    ],
)
def test_every_way_to_answer(endpoint: Endpoint, with_effects: str, without: str, code: str) -> None:
    for side_effects, expected in ((True, with_effects), (False, without)):
        if expected == "error":
            with pytest.raises(ToolError) as caught:
                asyncio.run(ask(endpoint, side_effects=side_effects, limit_ms=300))
            assert caught.value.code == code
            assert str(caught.value).startswith("tool t: ")
        else:
            assert asyncio.run(ask(endpoint, side_effects=side_effects, limit_ms=300)).outcome == expected


def test_an_endpoint_that_is_not_there_is_an_error_also_for_side_effects() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            for url in (f"http://127.0.0.1:{port}/t", "http://nowhere.invalid/t"):
                with pytest.raises(ToolError) as caught:
                    await post_tool(
                        session, url, tool="t", arguments={}, call_id="c", key="k", side_effects=True, time_limit_ms=900
                    )
                assert caught.value.code == "tool_unreachable"

    asyncio.run(run())


def example(name: str) -> Business:
    return load_business(EXAMPLES / name / "business.yaml")


async def with_tools(name: str, body: Callable[[BusinessTools], Awaitable[None]]) -> None:
    business = example(name)
    async with local_service(business, lambda: SUNDAY) as url, aiohttp.ClientSession() as session:
        await body(BusinessTools(business, session, service_url=url))


async def call(tools: BusinessTools, name: str, key: str = "k", /, **arguments: Any) -> dict[str, Any]:
    outcome = await tools.run(name, arguments, call_id="c", key=key)
    return {"outcome": outcome.outcome, **json.loads(outcome.result)}


BOOKING: Mapping[str, Any] = {
    "reason": "cleaning", "date": "2026-11-24", "time": "08:30", "name": "Anna Bell", "phone": "5550100142",
}  # fmt: skip


def test_the_dentist_books_once_refuses_twice_and_cancels() -> None:
    async def body(tools: BusinessTools) -> None:
        free = await call(tools, "check_availability", date="2026-11-24")
        assert free["available"] is True
        assert "08:30" in free["slots"]
        booked = await call(tools, "book_appointment", "one", **BOOKING)
        assert (booked["outcome"], booked["status"]) == ("ok", "ok")
        assert await call(tools, "book_appointment", "one", **BOOKING) == booked
        other = await call(tools, "book_appointment", "two", **BOOKING)
        assert other["status"] == "taken"
        assert "08:30" not in other["slots"]
        assert "08:30" not in (await call(tools, "check_availability", date="2026-11-24"))["slots"]
        gone = await call(tools, "cancel_appointment", phone="+1 (555) 010-0142", date="2026-11-24")
        assert gone["reference"] == booked["reference"]
        assert "08:30" in (await call(tools, "check_availability", date="2026-11-24"))["slots"]
        again = await call(tools, "cancel_appointment", "later", phone="5550100142", date="2026-11-24")
        assert again["status"] == "not_found"

    asyncio.run(with_tools("northside-dental", body))


def test_the_dentist_says_why_not() -> None:
    async def body(tools: BusinessTools) -> None:
        closed = await call(tools, "check_availability", date="2026-11-26")
        assert closed["available"] is False
        assert [slot[:10] for slot in closed["slots"]] == ["2026-11-30", "2026-12-01", "2026-12-02"]
        wish = await call(tools, "check_availability", date="2026-11-24", time="15:00")
        assert wish["available"] is False
        assert wish["slots"][0] == "14:30"
        for date, time, why in (
            ("2026-11-26", "09:00", "closed"), ("2026-11-20", "09:00", "passed"), ("2027-11-24", "09:00", "six months"),
            ("2026-11-24", "09:10", "half hour"), ("2026-11-24", "23:00", "half hour"),
        ):  # fmt: skip
            refused = await call(tools, "book_appointment", date + time, **{**BOOKING, "date": date, "time": time})
            assert refused["status"] == "taken"
            assert why in refused["message"], refused

    asyncio.run(with_tools("northside-dental", body))


def test_the_plumber_squeezes_an_emergency_in() -> None:
    visit = {
        "problem": "leaking tap", "urgency": "this week", "address": "12 Elm Street", "date": "2026-11-24",
        "window": "morning", "name": "Bo Li", "phone": "5550100199",
    }  # fmt: skip

    async def body(tools: BusinessTools) -> None:
        seen: list[str] = []
        for key in ("a", "b", "c"):
            seen.append((await call(tools, "book_visit", key, **visit))["status"])
        assert seen[-1] == "taken"
        urgent = await call(tools, "book_visit", "now", **{**visit, "urgency": "emergency"})
        assert urgent["status"] == "ok"
        assert urgent["reference"].startswith("HP-")
        day = await call(tools, "check_availability", date="2026-11-24")
        assert "morning" not in day["windows"]
        assert (await call(tools, "check_availability", date="2026-11-22"))["alternatives"]
        for _ in seen:
            await call(tools, "cancel_visit", f"x{len(seen)}", phone="5550100199")

    asyncio.run(with_tools("harbour-plumbing", body))


def test_wrong_arguments_and_unknown_tools_never_leave_the_house() -> None:
    async def body(tools: BusinessTools) -> None:
        for arguments in ({}, {**BOOKING, "reason": "haircut"}, {**BOOKING, "name": 5}, {**BOOKING, "phone": None}):
            refused = await call(tools, "book_appointment", **arguments)
            assert (refused["outcome"], refused["why"]) == ("failed", "invalid_arguments")
            assert "Anna" not in json.dumps(refused)
        assert (await call(tools, "no_such_tool"))["why"] == "unknown_tool"
        late = await call(tools, "check_availability", date="soon")
        assert (late["outcome"], late["why"]) == ("failed", "tool_failed")

    asyncio.run(with_tools("northside-dental", body))


def test_without_the_service_a_tool_fails_in_words() -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            tools = BusinessTools(example("northside-dental"), session)
            assert (await call(tools, "check_availability", date="2026-11-24"))["why"] == "tool_unreachable"

    asyncio.run(run())


def test_a_message_is_kept_once_and_only_when_it_was_taken() -> None:
    taken: list[str] = []
    broken = True

    async def sink(call_id: str, arguments: Mapping[str, Any]) -> None:
        if broken:
            raise OSError
        taken.append(arguments["message"])

    message = {"name": "Anna", "phone": "555", "message": "Call back"}

    async def run() -> None:
        nonlocal broken
        async with aiohttp.ClientSession() as session:
            tools = BusinessTools(
                Business("X", Path("x"), tools=example("northside-dental").tools), session, on_message=sink
            )
            with pytest.raises(OSError):
                await call(tools, "take_message", **message)
            broken = False
            assert (await call(tools, "take_message", **message))["outcome"] == "ok"
            assert (await call(tools, "take_message", **message))["outcome"] == "ok"
            assert (await call(tools, "take_message", "other", **message))["outcome"] == "ok"
        assert taken == ["Call back", "Call back"]

    asyncio.run(run())


@pytest.mark.parametrize("code", ["1/0", "x = 1", "def create_app(business, clock): return 5", "def create_app(: pass"])
def test_a_service_that_cannot_start_is_one_line(tmp_path: Path, code: str) -> None:
    service = tmp_path / "service.py"
    service.write_text(code)

    async def run() -> None:
        with pytest.raises(ServiceError, match=r"service\.py"):
            async with local_service(Business("X", tmp_path / "b.yaml", service=service)):
                pass

    asyncio.run(run())


def test_a_business_without_service_needs_none() -> None:
    async def run() -> None:
        async with local_service(Business("X", Path("b.yaml"))) as url:
            assert url == ""

    asyncio.run(run())


def test_tools_are_their_specs() -> None:
    tool = Tool("a", "b", {"type": "object"}, True, "https://example.com", ("c",), 7)
    assert tool.spec().time_limit_ms == 7
    assert tool.spec().side_effects


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json", "Origin": "http://evil.example"}, 403),
    ],
)
def test_no_web_page_can_book(headers: dict[str, str], status: int) -> None:
    """A page in the owner's browser may send text/plain anywhere without being asked, and lies about nothing else."""
    booked: list[str] = []

    def book(arguments: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        booked.append(key)
        return {"status": "ok"}

    async def scenario() -> int:
        runner = web.AppRunner(tool_app({"book": book}, frozenset({"book"})))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with aiohttp.ClientSession() as session:
                url = f"http://127.0.0.1:{runner.addresses[0][1]}/book"
                body = json.dumps({"arguments": {}, "idempotency_key": "k"})
                async with session.post(url, data=body, headers=headers) as answer:
                    return answer.status
        finally:
            await runner.cleanup()

    assert asyncio.run(scenario()) == status
    assert bool(booked) == (status == 200)
