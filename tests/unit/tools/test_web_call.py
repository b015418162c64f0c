"""Web tools against a real server: every way it can behave, and what is sent again."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from aivoice.core.prompt import ToolSpec
from aivoice.engine.ports import ToolOutcome
from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.guarded_http import guarded_session
from aivoice.tools.limits import InFlight, Rate
from aivoice.tools.runner import Limiter, TenantTools
from aivoice.tools.signing import new_secret
from aivoice.tools.spec import CallFacts, Permissions, parse_tool
from aivoice.tools.web_call import MAX_RESPONSE_BYTES, WebCaller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK = Guard(allowed=[Allowed.parse("127.0.0.1")])


async def ask(handler: Handler, *, side_effects: bool, guard: Guard = LOOPBACK, keys: list[str] | None = None,
              **form: Any) -> ToolOutcome:  # fmt: skip
    app = web.Application()
    app.router.add_route("*", "/t", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        return await call(runner.addresses[0][1], side_effects=side_effects, guard=guard, keys=keys or [], **form)
    finally:
        await runner.cleanup()


async def call(port: int, *, side_effects: bool, guard: Guard, keys: list[str], **form: Any) -> ToolOutcome:
    url = f"http://127.0.0.1:{port}/t"
    whole = {"name": "t", "description": "T.", "url": url, "side_effects": side_effects, "time_limit_ms": 900, **form}
    tool = parse_tool(whole, LOOPBACK)
    async with guarded_session(guard) as keep, guarded_session(guard, keep=False) as fresh:
        caller = WebCaller(keep, fresh, guard, lambda: datetime.now(UTC))
        return await caller.run(tool, {"a": "é"}, call_id="call_1", key="k1", keys=keys)


def answers(status: int, body: bytes, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return handler


async def drops(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def never(_: web.Request) -> web.Response:
    await asyncio.sleep(1.3)
    return web.Response()


BIG = json.dumps({"x": "y" * MAX_RESPONSE_BYTES}).encode()


@pytest.mark.parametrize(
    ("handler", "with_effects", "without"),
    [
        (never, "unknown", "failed"),
        (drops, "unknown", "failed"),
        (answers(500, b"oops"), "unknown", "failed"),
        (answers(503, b"{}"), "unknown", "failed"),
        (answers(200, b"no json"), "unknown", "failed"),
        (answers(200, b"[1]"), "unknown", "failed"),
        (answers(200, b"[" * 60_000), "unknown", "failed"),
        (answers(200, b"\xff"), "unknown", "failed"),
        (answers(200, BIG), "unknown", "failed"),
        (answers(200, b'{"n":"x"}'), "unknown", "failed"),
        (answers(404, b"{}"), "failed", "failed"),
        (answers(302, b"", Location="http://169.254.169.254/"), "failed", "failed"),
        (answers(409, b'{"message": "That time is taken."}'), "failed", "failed"),
        (answers(200, b'{"n":1}'), "ok", "ok"),
    ],
)
@pytest.mark.allow_leaks("aiohttp leaves a handler that hung when its server is closed")
def test_every_way_to_answer(handler: Handler, with_effects: str, without: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    for side_effects, expected in ((True, with_effects), (False, without)):
        outcome = asyncio.run(ask(handler, side_effects=side_effects, result_schema=schema))
        assert outcome.outcome == expected, outcome
        assert isinstance(json.loads(outcome.result), dict)


def test_a_packed_answer_is_not_unpacked() -> None:
    packed = answers(200, b"\x1f\x8b" + b"0" * 50, **{"Content-Encoding": "gzip"})
    assert asyncio.run(ask(packed, side_effects=True)).outcome == "unknown"


def test_a_request_is_signed_by_every_secret_and_the_key_stays_in_every_attempt() -> None:
    seen: list[tuple[dict[str, str], bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.read()))
        return web.json_response({"n": 1}, status=500 if len(seen) < 3 else 200)

    keys = [new_secret(), new_secret()]
    outcome = asyncio.run(ask(handler, side_effects=False, keys=keys))
    assert outcome == ToolOutcome("ok", '{"n":1}')
    assert len(seen) == 3
    assert {headers["Idempotency-Key"] for headers, _ in seen} == {"call_1.k1"}
    assert {headers["webhook-id"] for headers, _ in seen} == {"call_1.k1"}
    for headers, body in seen:
        for key in keys:
            whole = Webhook(key).verify(body, headers)
            assert whole == {"call_id": "call_1", "tool": "t", "arguments": {"a": "é"}, "idempotency_key": "k1"}


@pytest.mark.parametrize("handler_status", [500, 503])
def test_a_side_effect_is_asked_for_once(handler_status: int) -> None:
    seen: list[int] = []

    async def handler(_: web.Request) -> web.Response:
        seen.append(1)
        return web.Response(status=handler_status)

    assert asyncio.run(ask(handler, side_effects=True)).outcome == "unknown"
    assert seen == [1]


def test_a_connection_that_was_never_made_is_tried_again_also_for_side_effects() -> None:
    async def body() -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
        seen: list[str] = []

        async def handler(request: web.Request) -> web.Response:
            seen.append(request.headers["Idempotency-Key"])
            return web.json_response({})

        app = web.Application()
        app.router.add_post("/t", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(call(port, side_effects=True, guard=LOOPBACK, keys=[], time_limit_ms=3_000))
            await asyncio.sleep(0.05)  # the first attempt is refused by now
            await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        await runner.cleanup()
        assert task.result().outcome == "ok"
        assert seen == ["call_1.k1"]

    asyncio.run(body())


def test_an_address_that_is_no_longer_allowed_is_a_failure_that_reaches_nobody() -> None:
    outcome = asyncio.run(ask(answers(200, b"{}"), side_effects=True, guard=Guard()))
    assert outcome.outcome == "failed"
    assert json.loads(outcome.result)["why"] == "address_refused"


class Counted:
    """A tool that counts its runs, and waits for `go` in each."""

    arguments = {"type": "object", "properties": {"n": {"type": "integer"}}}  # noqa: RUF012

    def __init__(self, permissions: Permissions, rate: Rate) -> None:
        self.permissions, self.rate, self.runs, self.go = permissions, rate, 0, asyncio.Event()
        self.spec = ToolSpec("t", "T.", {"type": "object"}, True)
        self.go.set()

    async def run(self, *_: Any, **__: Any) -> ToolOutcome:
        self.runs += 1
        await self.go.wait()
        return ToolOutcome("ok", "{}")


def why(outcome: ToolOutcome) -> str:
    return str(json.loads(outcome.result).get("why", ""))


def test_what_the_definition_does_not_allow_reaches_nobody() -> None:
    async def body() -> None:
        facts = {"c1": CallFacts(), "c2": CallFacts(caller_verified=True)}
        tool = Counted(Permissions(caller_verified=True), Rate(60, 2))
        limiter = Limiter(in_flight=InFlight(most=1), clock=lambda: 0.0)
        tools = TenantTools("alpha", [tool], facts=lambda call_id: facts[call_id], limiter=limiter)
        assert why(await tools.run("none", {}, call_id="c2", key="k")) == "unknown_tool"
        assert why(await tools.run("t", {}, call_id="c1", key="k")) == "caller_not_verified"
        # What a caller or a model writes into the arguments is no permission.
        claim = {"caller_verified": True, "permissions": {"caller_verified": True}}
        assert why(await tools.run("t", claim, call_id="c1", key="k")) == "caller_not_verified"
        assert why(await tools.run("t", {"n": "x"}, call_id="c2", key="k")) == "invalid_arguments"
        assert tool.runs == 0
        tool.go.clear()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(tools.run("t", {"n": 1}, call_id="c2", key="k"))
            await asyncio.sleep(0)
            assert why(await tools.run("t", {"n": 2}, call_id="c2", key="k2")) == "too_many_at_once"
            tool.go.set()
        assert first.result().outcome == "ok"
        assert (await tools.run("t", {}, call_id="c2", key="k3")).outcome == "ok"
        assert why(await tools.run("t", {}, call_id="c2", key="k4")) == "rate_limited"
        assert tool.runs == 2

    asyncio.run(body())
