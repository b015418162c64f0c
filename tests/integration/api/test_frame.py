"""What holds for every route: who is let in before anything is read, cursors, moments, and failures that nobody
expected."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.api.plane import FILE, Plane, plane_test, problem
from tests.integration.api.test_isolation import fill, filled, operations, request_of
from tests.integration.api.test_routes import a_call

from aivoice.api.control.guard import Guard
from aivoice.security.rate import Rate, RateLimiter

ALPHA = "/v1/tenants/alpha"
FAR = ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "2026-12-01T00:00:00")
"""Moments that the database would keep and Python not read back, and one without its zone."""


# ---------------------------------------------------------------- before anything is read


@plane_test
async def test_nothing_is_read_of_whoever_shows_no_key(plane: Plane) -> None:
    """Else anybody could make the process parse 25 MB of brackets: seconds in which it answers nobody."""
    ids = await fill(plane, "alpha")

    def never() -> Any:
        raise AssertionError("the body was read")

    for method, path, operation in operations(plane):
        if "requestBody" not in operation or path == "/v1/sessions":
            continue
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        async def receive() -> Any:
            never()

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method.upper(),
            "scheme": "http", "path": filled(path, ids, operation), "raw_path": b"", "query_string": b"",
            "root_path": "", "headers": [(b"content-type", b"application/json"), (b"content-length", b"26000000")]
            if path.endswith("/business") else [(b"content-type", b"application/json")],
            "client": ("203.0.113.7", 1), "server": ("plane", 80),
        }  # fmt: skip
        await plane.app(scope, receive, send)  # type: ignore[arg-type]
        assert sent[0]["status"] in (401, 413, 429), (method, path)


@plane_test
async def test_a_login_is_small(plane: Plane) -> None:
    async with plane.client("") as nobody:
        big = {"tenant": "alpha", "email": "a@example.com", "password": "x" * 20_000}
        problem(await nobody.post("/v1/sessions", json=big), 413, "too_large")
        problem(await nobody.post("/v1/sessions", content=b"email=a"), 415, "wrong_content_type")


@plane_test
async def test_a_body_that_is_not_json_is_a_415_everywhere(plane: Plane) -> None:
    ids = await fill(plane, "alpha")
    tried = 0
    async with plane.client() as operator:
        for method, path, operation in operations(plane):
            if "application/json" not in operation.get("requestBody", {}).get("content", {}):
                continue
            for kind in ("application/x-www-form-urlencoded", "text/plain", "text/xml", ""):
                answer = await operator.request(
                    method, filled(path, ids, operation), content=b"a=1", headers={"Content-Type": kind} if kind else {}
                )
                problem(answer, 415, "wrong_content_type")
                tried += 1
    assert tried > 60


@plane_test
async def test_a_body_too_large_is_refused_however_it_comes(plane: Plane) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1024 * 1024

    async with plane.client("alpha") as alpha:
        kind = {"Content-Type": "application/json"}
        problem(await alpha.post(f"{ALPHA}/keys", content=pieces(), headers=kind), 413, "too_large")
        problem(await alpha.post(f"{ALPHA}/keys", content=b"x" * 2_000_000, headers=kind), 413, "too_large")


@plane_test
async def test_a_tenant_has_a_share_however_many_keys_it_makes(plane: Plane) -> None:
    object.__setattr__(plane.control, "shares", RateLimiter(Rate(4, 0.001)))
    async with plane.client("alpha") as one, plane.client("alpha read") as two, plane.client("bravo") as bravo:
        answers = [await client.get(f"{ALPHA}/webhooks") for client in (one, two, one, two, one)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
        assert (await bravo.get("/v1/tenants/bravo/webhooks")).status_code == 200


# ---------------------------------------------------------------- cursors and moments

BAD_CURSORS = (
    "xyz",
    "%00",
    "eyJ",
    "WzFd",
    "WzEsMSwyXQ",
    "WzEsIngiLCJcdWQ4MDAiXQ",
    "WzEsIngiLCJcdTAwMDAiXQ",
    "WzIsIngiLCJ4Il0",
)
"""The last four: numbers for texts, half of a surrogate pair, a NUL, another version."""


@plane_test
async def test_a_cursor_that_is_none_is_a_clear_400_in_every_list(plane: Plane) -> None:
    ids = await fill(plane, "alpha")
    tried = set[str]()
    async with plane.client() as operator:
        for method, path, operation in operations(plane):
            names = [each["name"] for each in operation.get("parameters", ())]
            if (
                "after" not in names or path == "/v1/tenants" or path.endswith("/versions")
            ):  # ids and numbers, as they are
                continue
            given = request_of(operation)
            for cursor in BAD_CURSORS:
                query = "&".join(f"{name}={value}" for name, value in given.get("params", {}).items())
                url = f"{filled(path, ids, operation)}?{query}&after={cursor}"
                answer = await operator.request(method, url, json=given.get("json"))
                body = problem(answer, 400)
                assert body["code"] in ("bad_cursor", "cursor_invalid"), (path, cursor, body)
            tried.add(path)
    assert len(tried) >= 8


@plane_test
async def test_lists_give_each_row_once_while_others_come(plane: Plane) -> None:
    await fill(plane, "alpha")
    async with plane.client("alpha") as alpha, plane.client() as operator:
        hook = (await alpha.get(f"{ALPHA}/webhooks")).json()["webhooks"][0]["webhook_id"]

        async def grow(number: int) -> None:
            await alpha.post(f"{ALPHA}/webhooks/{hook}/test")
            await alpha.post(f"{ALPHA}/knowledge/documents?name=a{number}.md", content=f"# {number}\n\nT.\n".encode())
            await alpha.put(f"{ALPHA}/business", json={"source": FILE.format(name=f"V{number}")})
            await operator.post("/v1/tenants", json={"id": f"a{number}", "name": "A"})

        for number in range(4):
            await grow(number)
        lists = {
            f"{ALPHA}/deliveries": ("deliveries", "delivery_id"),
            f"{ALPHA}/knowledge/documents": ("documents", "document_id"),
            f"{ALPHA}/versions": ("versions", "number"),
            f"{ALPHA}/audit": ("entries", "entry_id"),
            "/v1/tenants": ("tenants", "id"),
        }
        for number, (path, (member, identity)) in enumerate(lists.items()):
            before = [row[identity] for row in (await operator.get(f"{path}?limit=200")).json()[member]]
            seen, after = list[Any](), ""
            while True:
                page = (await operator.get(path, params={"limit": 2, **({"after": after} if after else {})})).json()
                seen += [row[identity] for row in page[member]]
                if page["next"] is None:
                    break
                after = page["next"]
                if len(seen) == 2:
                    await grow(10 + number)
            assert len(seen) == len(set(seen)), path
            assert [each for each in seen if each in set(before)] == before, path


@plane_test
async def test_a_moment_needs_its_zone_and_a_year_that_can_be_read_back(plane: Plane) -> None:
    key = {"label": "x", "scopes": ["read"]}
    plan = {"name": "p", "period": "month", "included_s": 0, "price_per_minute": 999}
    async with plane.client() as operator:
        for moment in FAR:
            problem(await operator.post(f"{ALPHA}/keys", json={**key, "expires_at": moment}), 422)
            problem(await operator.post("/v1/keys", json={**key, "expires_at": moment}), 422)
            problem(await operator.put(f"{ALPHA}/billing/plan", json={**plan, "effective_from": moment}), 422)
            blocked = {"number": "+12125550147", "until": moment}
            problem(await operator.post(f"{ALPHA}/blocked-callers", json=blocked), 422)
            problem(await operator.get(f"{ALPHA}/calls", params={"since": moment}), 422)
            for path in ("usage", "billing/statement", "billing/lines"):
                span = {"since": "2026-11-01T00:00:00Z", "until": moment}
                problem(await operator.get(f"{ALPHA}/{path}", params=span), 422)
        assert (await operator.get(f"{ALPHA}/blocked-callers")).json() == {"blocked": []}
        assert (await operator.get(f"{ALPHA}/billing")).json()["plan"]["price_per_minute"] != 999


# ---------------------------------------------------------------- what nobody expected


@plane_test
async def test_an_unexpected_failure_is_found_by_its_id_and_tells_nothing(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: Any) -> Any:
        raise RuntimeError("the caller said 4111 1111 1111 1111")

    object.__setattr__(plane.control, "keys", type("Broken", (), {"all": fails})())
    async with plane.client("alpha") as alpha:
        answer = await alpha.get(f"{ALPHA}/keys?secret=4111")
    body = problem(answer, 500, "internal")
    assert "4111" not in answer.text.replace(body["instance"], "")
    line = next(record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert answer.headers["x-request-id"] in line
    assert "GET /v1/tenants/{tenant}/keys failed: RuntimeError at test_frame.py:" in line
    assert "4111" not in caplog.text


def test_an_answer_that_has_begun_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    sent = list[Any]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("words")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(Guard(app, most=10, others={})(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"]
    assert "words" not in caplog.text
    assert "(no route)" in caplog.text


# ---------------------------------------------------------------- the document


@plane_test
async def test_every_answer_has_a_schema(plane: Plane) -> None:
    for method, path, operation in operations(plane):
        good = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        assert good, (method, path)
        for status, answer in good.items():
            if status != "204" and not path.endswith(("/files/{name}", "/export")):
                assert answer["content"]["application/json"]["schema"], (method, path, status)


@plane_test
async def test_calls_of_one_caller(plane: Plane) -> None:
    for number in range(3):
        await a_call(plane, f"c{number}", minute=number)
    async with plane.client("alpha read") as alpha, plane.client("bravo") as bravo:
        asked: dict[str, Any] = {"json": {"number": "(212) 555-0147"}}
        first = (await alpha.post(f"{ALPHA}/callers/calls?limit=2", **asked)).json()
        second = (await alpha.post(f"{ALPHA}/callers/calls?limit=2&after={first['next']}", **asked)).json()
        assert [call["call_id"] for call in first["calls"] + second["calls"]] == ["c2", "c1", "c0"]
        other = await alpha.post(f"{ALPHA}/callers/calls", json={"number": "+12125550148"})
        assert other.json() == {"calls": [], "next": None}
        assert (await bravo.post("/v1/tenants/bravo/callers/calls", **asked)).json()["calls"] == []


@plane_test
async def test_an_address_with_a_slash_too_much_is_not_there(plane: Plane) -> None:
    async with plane.client("alpha") as alpha:
        problem(await alpha.get(f"{ALPHA}/calls/"), 404)
        problem(await alpha.get("/nowhere"), 404, "not_found")
        refused = await alpha.request("PATCH", f"{ALPHA}/billing")
        problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"]
        assert json.loads((await alpha.get("/openapi.json")).content)["info"]["title"]
