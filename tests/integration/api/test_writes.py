"""Writes: against a version, sent twice, sent by many at once, and each in the audit log."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from aiohttp import web
from tests.integration.api.plane import FILE, Plane, plane_test, problem
from tests.integration.api.test_isolation import fill, filled, operations, request_of

ALPHA = "/v1/tenants/alpha"


@plane_test
async def test_a_repeated_change_of_a_version_gets_its_first_answer(plane: Plane) -> None:
    """Whoever lost the first answer sends the same again, with the If-Match that is not true any more."""
    async with plane.client("alpha") as alpha:
        first = await alpha.put(f"{ALPHA}/business", json={"source": FILE.format(name="One")})
        headers = {"If-Match": first.headers["etag"], "Idempotency-Key": "k"}
        answers = [
            await alpha.put(f"{ALPHA}/business", json={"source": FILE.format(name="Two")}, headers=headers)
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        assert answers[0].headers["etag"] == answers[1].headers["etag"]
        assert answers[1].headers["idempotent-replayed"] == "true"
        stale = await alpha.post(f"{ALPHA}/versions/1/rollback", headers={"If-Match": first.headers["etag"]})
        problem(stale, 412, "version_conflict")
        back = await alpha.post(
            f"{ALPHA}/versions/1/rollback", headers={"If-Match": f'"x", {answers[0].headers["etag"]}'}
        )
        assert back.json()["version"]["number"] == 3


@plane_test
async def test_a_change_of_whatever_is_there_needs_something_there(plane: Plane) -> None:
    async with plane.client("alpha") as alpha:
        body = {"source": FILE.format(name="One")}
        problem(await alpha.put(f"{ALPHA}/business", json=body, headers={"If-Match": "*"}), 412, "version_conflict")
        await alpha.put(f"{ALPHA}/business", json=body)
        again = {"source": FILE.format(name="Two")}
        assert (await alpha.put(f"{ALPHA}/business", json=again, headers={"If-Match": "*"})).status_code == 200


@plane_test
async def test_of_many_who_change_one_version_at_once_one_does(plane: Plane) -> None:
    async with plane.client("alpha") as alpha:
        first = await alpha.put(f"{ALPHA}/business", json={"source": FILE.format(name="One")})
        headers = {"If-Match": first.headers["etag"]}
        answers = await asyncio.gather(
            *(
                alpha.put(f"{ALPHA}/business", json={"source": FILE.format(name=f"N{number}")}, headers=headers)
                for number in range(6)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
        assert len((await alpha.get(f"{ALPHA}/versions")).json()["versions"]) == 2


@plane_test
async def test_a_key_that_is_used_at_once_by_many_does_it_once(plane: Plane) -> None:
    person = {"email": "ann@example.com", "role": "member", "password": "a long enough pass phrase"}
    async with plane.client("alpha") as alpha:
        answers = await asyncio.gather(
            *(alpha.post(f"{ALPHA}/users", json=person, headers={"Idempotency-Key": "k"}) for _ in range(6))
        )
        assert {answer.status_code for answer in answers} <= {201, 409}
        made = [answer.json()["user_id"] for answer in answers if answer.status_code == 201]
        for answer in answers:
            if answer.status_code == 409:
                problem(answer, 409, "idempotency_busy")
        assert len(set(made)) == 1
        later = await alpha.post(f"{ALPHA}/users", json=person, headers={"Idempotency-Key": "k"})
        assert (later.status_code, later.json()["user_id"]) == (201, made[0])


@plane_test
async def test_a_tool_that_is_tried_gets_the_key(plane: Plane) -> None:
    keys = list[str]()

    async def answer(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_post("/t", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/t"
    async with plane.client("alpha") as alpha:
        await alpha.put(
            f"{ALPHA}/tools/look", json={"name": "look", "description": "Look.", "url": url, "side_effects": False}
        )
        for _ in range(2):
            tried = await alpha.post(f"{ALPHA}/tools/look/try", json={}, headers={"Idempotency-Key": "mine"})
            assert tried.json()["outcome"] == "ok"
        await alpha.post(f"{ALPHA}/tools/look/try", json={})
    await runner.cleanup()
    assert keys[0] == keys[1] != keys[2]
    assert "mine" in keys[0]


# ---------------------------------------------------------------- the audit log

READS_BY_POST = ("/callers/lookup", "/callers/calls")


@plane_test
async def test_every_write_that_is_done_is_in_the_log(plane: Plane, owner: psycopg.Connection[dict[str, Any]]) -> None:
    ids = await fill(plane, "alpha")

    def logged(request_id: str) -> bool:
        found = owner.execute(
            "SELECT 1 FROM audit_log WHERE request_id = %(id)s "
            "UNION ALL SELECT 1 FROM operator.audit_log WHERE request_id = %(id)s",
            {"id": request_id},
        )
        return found.fetchone() is not None

    def turn(item: tuple[str, str, dict[str, Any]]) -> tuple[bool, bool]:
        """What ends things comes last, the tenant at the very end."""
        return item[0] == "delete", item[1] == "/v1/tenants/{tenant}" or item[1].endswith("/status")

    done = set[str]()
    async with plane.client() as operator:
        for method, path, operation in sorted(operations(plane), key=turn):
            if (
                method == "get"
                or path.endswith(READS_BY_POST)
                or "mcp-servers" in path
                or path.startswith("/v1/sessions")
            ):
                continue
            answer = await operator.request(method, filled(path, ids, operation), **request_of(operation))
            if answer.is_success:
                assert logged(answer.headers["x-request-id"]), (method, path)
                done.add(f"{method} {path}")
    assert len(done) > 35, sorted(done)


@plane_test
async def test_sessions_are_in_the_log_and_a_key_has_none_to_end(plane: Plane) -> None:
    person = {"email": "ann@example.com", "role": "owner", "password": "a long enough pass phrase"}
    async with plane.client("alpha") as alpha, plane.client("") as nobody:
        await alpha.post(f"{ALPHA}/users", json=person)
        login = {"tenant": "alpha", "email": person["email"], "password": person["password"]}
        plane.tokens["ann"] = (await nobody.post("/v1/sessions", json=login)).json()["token"]
        async with plane.client("ann") as ann:
            await ann.delete("/v1/sessions/current")
        problem(await alpha.delete("/v1/sessions/current"), 409, "no_session")
        log = [entry["action"] for entry in (await alpha.get(f"{ALPHA}/audit")).json()["entries"]]
    assert log[:3] == ["session.ended", "session.created", "user.created"] or set(log[:3]) == {
        "session.ended", "session.created", "user.created",
    }  # fmt: skip
