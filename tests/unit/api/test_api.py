"""The HTTP interface over a desk with quick, fake calls: what each request gets, good or bad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from tests.unit.api.quick import OFFER, SDP, QuickCall, QuickFactory, Setup, api_test, ended, problem, running, until

from aivoice.api.desk import CallDesk
from aivoice.api.directory import BusinessInfo
from aivoice.api.hub import BACKLOG, CallHub
from aivoice.api.serving import serve_http
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.errors import InputError


@api_test
async def test_a_call_is_answered_listed_and_ended(setup: Setup) -> None:
    response = await setup.dial()
    assert response.status == 201
    assert response.content_type == "application/sdp"
    assert await response.text() == "v=0 answer"
    location = response.headers["Location"]
    listed = await (await setup.client.get("/calls")).json()
    assert [call["id"] for call in listed["calls"]] == [location.removeprefix("/calls/")]
    assert listed["calls"][0]["business_name"] == "Dental"
    assert (await setup.client.delete(location)).status == 200
    await ended(setup, location.removeprefix("/calls/"))
    shown = await (await setup.client.get(location)).json()
    assert (shown["state"], shown["reason"]) == ("ended", "caller_hung_up")
    await problem(await setup.client.delete(location), 404, "call_ended")
    assert setup.factory.calls[0].hang_ups == 1


@api_test
async def test_what_is_no_offer_is_refused_with_the_reason(setup: Setup) -> None:
    post = setup.client.post
    wrong_type = await post("/calls", json={})
    await problem(wrong_type, 415, "wrong_content_type")
    assert wrong_type.headers["Accept-Post"] == "application/sdp"
    await problem(await post("/calls", data="hello", headers=SDP), 400, "sdp_invalid")
    await problem(await post("/calls", data=b"", headers=SDP), 400, "sdp_invalid")
    await problem(await post("/calls", data=b"v=0\xff", headers=SDP), 400, "sdp_invalid")
    await problem(await post("/calls", data="v=0\r\nm=video 9\r\n", headers=SDP), 400, "sdp_invalid")
    await problem(await post("/calls", data=OFFER + "a=x\r\n" * 20_000, headers=SDP), 413, "too_large")
    await problem(await post("/calls?business=bank", data=OFFER, headers=SDP), 400, "business_unknown")
    setup.factory.error = InputError("The offer has no fingerprint.", code="sdp_invalid")
    await problem(await setup.dial(), 400, "sdp_invalid")
    setup.factory.error = RuntimeError("secret internals")
    body = await problem(await setup.dial(), 500, "internal")
    assert "secret" not in json.dumps(body)
    assert setup.desk.taken == 0


@api_test
async def test_unknown_calls_paths_and_methods(setup: Setup) -> None:
    client = setup.client
    for path in ("/calls/nobody", "/calls/nobody/events", "/calls/..%2f..%2fetc"):
        await problem(await client.get(path), 404, "call_unknown")
    await problem(await client.get("/calls/nobody/trace.json"), 404, "file_missing")
    await problem(await client.get("/calls/nobody/passwd"), 404, "file_unknown")
    await problem(await client.get("/nothing"), 404, "not_found")
    await problem(await client.get("/web/secret.py"), 404, "not_found")
    await problem(await client.delete("/calls/nobody"), 404, "call_unknown")
    patch = await client.patch("/calls/nobody", data="a=candidate", headers=SDP)
    await problem(patch, 405, "method_not_allowed")
    assert patch.headers["Allow"] == "DELETE, GET, HEAD"


@api_test
async def test_one_business_does_not_take_more_lines_than_its_file_says(setup: Setup) -> None:
    async def dial(business: str) -> ClientResponse:
        return await setup.client.post(f"/calls?business={business}", data=OFFER, headers=SDP)

    first = await dial("plumber")
    assert first.status == 201
    assert "All 1 lines" in (await problem(await dial("plumber"), 503, "at_capacity"))["detail"]
    assert (await dial("dental")).status == 201
    await setup.client.delete(first.headers["Location"])
    await ended(setup, first.headers["Location"].rsplit("/", 1)[-1])
    assert (await dial("plumber")).status == 201


@api_test
async def test_a_key_press_nested_beyond_reason_is_refused(setup: Setup) -> None:
    location = (await setup.dial()).headers["Location"]
    answer = await setup.client.post(
        f"{location}/dtmf", data="[" * 60_000, headers={"Content-Type": "application/json"}
    )
    await problem(answer, 400, "bad_json")


@api_test
async def test_beyond_the_cap_calls_are_refused_however_many_come_at_once(setup: Setup) -> None:
    setup.factory.gate = asyncio.Event()
    dials = [asyncio.ensure_future(setup.dial()) for _ in range(6)]
    done, waiting = await asyncio.wait(dials, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 4:
        done, waiting = await asyncio.wait(dials, timeout=0.05)
    for dial in done:
        body = await problem(dial.result(), 503, "at_capacity")
        assert "busy" in body["detail"]
        assert int(dial.result().headers["Retry-After"]) > 0
    setup.factory.gate.set()
    answered = [await dial for dial in waiting]
    assert [response.status for response in answered] == [201, 201]
    first = answered[0].headers["Location"]
    await setup.client.delete(first)
    await ended(setup, first.removeprefix("/calls/"))
    setup.factory.gate = None
    assert (await setup.dial()).status == 201


@api_test
async def test_a_client_that_vanishes_while_dialling_gives_its_line_back(setup: Setup) -> None:
    setup.factory.gate = asyncio.Event()
    dial = asyncio.ensure_future(setup.dial())
    await until(lambda: setup.desk.taken)
    dial.cancel()
    setup.factory.gate.set()
    await until(lambda: not setup.desk.taken or setup.factory.calls)
    assert setup.desk.taken == len(setup.factory.calls)  # refused before, or a call like any other


@api_test
async def test_a_call_that_fails_inside_ends_as_a_call(setup: Setup) -> None:
    location = (await setup.dial()).headers["Location"]
    setup.factory.calls[0].crash = True
    setup.factory.calls[0].end("x")
    await ended(setup, location.removeprefix("/calls/"))
    shown = await (await setup.client.get(location)).json()
    assert shown["reason"] == "failed"
    assert setup.desk.taken == 0


@api_test
async def test_keys(setup: Setup) -> None:
    location = (await setup.dial()).headers["Location"]
    press = setup.client.post
    for digit in "0*#":
        assert (await press(f"{location}/dtmf", json={"digit": digit})).status == 204
    assert setup.factory.calls[0].keys == ["0", "*", "#"]
    for bad in ({"digit": "12"}, {"digit": 1}, {"digit": ""}, {}, [], [0]):
        await problem(await press(f"{location}/dtmf", json=bad), 400, "bad_digit")
    await problem(
        await press(f"{location}/dtmf", data="{", headers={"Content-Type": "application/json"}), 400, "bad_json"
    )
    await problem(await press(f"{location}/dtmf", data="0"), 415, "wrong_content_type")
    await problem(await press("/calls/nobody/dtmf", json={"digit": "0"}), 404, "call_unknown")


async def read_events(response: ClientResponse) -> AsyncGenerator[list[dict[str, Any]], None]:
    async for line in response.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


@api_test
async def test_live_events_begin_with_all_there_is_and_end_with_the_call(setup: Setup) -> None:
    location = (await setup.dial()).headers["Location"]
    call = setup.factory.calls[0]
    call.hub.publish(0, e.MediaUp())
    call.hub.publish(1, c.TurnEnded(1, "When are you open?", "complete"))
    response = await setup.client.get(f"{location}/events")
    assert response.content_type == "text/event-stream"
    events = read_events(response)
    snapshot = await anext(events)
    assert [change["entry"]["text"] for change in snapshot if change.get("entry", {}).get("kind") == "caller"] == [
        "When are you open?"
    ]
    call.hub.publish(2, c.Finish("caller_hung_up"))
    assert {"op": "end", "reason": "caller_hung_up"} in await anext(events)
    call.end("caller_hung_up")
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert call.hub.readers == 0
    again = await setup.client.get(f"{location}/events", headers={"Last-Event-ID": "2"})
    assert again.status == 204


def test_a_slow_reader_is_dropped_and_the_call_goes_on() -> None:
    async def run() -> None:
        hub = CallHub()
        slow, quick = hub.read(60), hub.read(60)
        await anext(slow)
        await anext(quick)
        for number in range(BACKLOG + 10):
            hub.publish(number, e.Dtmf("1"))
            assert len(await anext(quick)) == 1
        assert hub.readers == 1
        rest = [changes async for changes in slow]
        assert len(rest) == BACKLOG
        await quick.aclose()
        assert hub.readers == 0
        fresh = hub.read(60)
        assert len(await anext(fresh)) == BACKLOG + 10 + 1
        await fresh.aclose()

    asyncio.run(run())


def test_a_quiet_stream_beats() -> None:
    async def run() -> None:
        hub = CallHub()
        reader = hub.read(0.01)
        await anext(reader)
        assert await anext(reader) == []
        hub.publish(0, e.Dtmf("1"))
        assert len(await anext(reader)) == 1
        await reader.aclose()

    asyncio.run(run())


@api_test
async def test_files_are_given_when_the_call_has_ended_and_can_be_sought_in(setup: Setup) -> None:
    location = (await setup.dial()).headers["Location"]
    await problem(await setup.client.get(f"{location}/recording.wav"), 409, "call_live")
    await setup.client.delete(location)
    await ended(setup, location.removeprefix("/calls/"))
    whole = await setup.client.get(f"{location}/recording.wav")
    assert (whole.content_type, len(await whole.read())) == ("audio/wav", 100)
    part = await setup.client.get(f"{location}/recording.wav", headers={"Range": "bytes=10-19"})
    assert (part.status, await part.read()) == (206, bytes(range(10, 20)))
    await problem(await setup.client.get(f"{location}/waterfall.svg"), 404, "file_missing")


@api_test
async def test_the_page_and_its_parts(setup: Setup) -> None:
    page = await setup.client.get("/")
    assert page.content_type == "text/html"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for part in ("style.css", "app.js", "call.js", "view.js", "icon.svg"):
        assert f"/web/{part}" in await page.text() or part in {"call.js", "view.js"}
        assert (await setup.client.get(f"/web/{part}")).status == 200
    assert await (await setup.client.get("/businesses")).json() == [
        {"id": "dental", "name": "Dental", "greeting": "Hello"},
        {"id": "plumber", "name": "Plumber", "greeting": ""},
    ]
    assert await (await setup.client.get("/health")).json() == {
        "status": "ok",
        "calls": 0,
        "capacity": 2,
        "providers": [],
    }


def test_a_loopback_server_answers_to_its_own_names_only(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, hosts=frozenset({"127.0.0.1", "localhost", "[::1]"})) as setup:
            get = setup.client.get
            assert (await get("/health")).status == 200
            assert (await get("/health", headers={"Host": "localhost:80"})).status == 200
            assert (await get("/health", headers={"Host": "[::1]:80"})).status == 200
            await problem(await get("/health", headers={"Host": "evil.example:80"}), 421, "wrong_host")

    asyncio.run(run())


def test_shutting_down_ends_calls_and_readers(tmp_path: Path) -> None:
    async def run() -> list[QuickCall]:
        async with running(tmp_path) as setup:
            location = (await setup.dial()).headers["Location"]
            response = await setup.client.get(f"{location}/events")
            assert response.status == 200
            return setup.factory.calls

    (call,) = asyncio.run(run())
    assert call.hang_ups == 1


def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as setup:
            async with serve_http(setup.desk, "127.0.0.1", 0) as url:
                port = int(url.rsplit(":", 1)[1])
                with pytest.raises(InputError, match=f"Port {port} on 127.0.0.1 is in use: .* --port"):
                    async with serve_http(setup.desk, "127.0.0.1", port):
                        pass
            with pytest.raises(InputError, match=r"Cannot listen on no\.such\.host\.invalid"):
                async with serve_http(setup.desk, "no.such.host.invalid", 8000):
                    pass

    asyncio.run(run())


def test_without_a_business_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No business is loaded"):
        CallDesk(QuickFactory(), [], capacity=1, directory=tmp_path, now=lambda: datetime.now(UTC))


def test_what_is_no_http_is_one_line_without_its_bytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        desk = CallDesk(
            QuickFactory(), [BusinessInfo("a", "A")], capacity=1, directory=tmp_path, now=lambda: datetime.now(UTC)
        )
        async with desk, serve_http(desk, "127.0.0.1", 0) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
            writer.write(b"GET / HTTP/1.1\r\nCookie: my-secret\x01\x02\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()

    with caplog.at_level("INFO"):
        asyncio.run(scenario())
    assert "a malformed request was refused" in caplog.text
    assert "my-secret" not in caplog.text
    assert "Traceback" not in caplog.text
