"""What each part of the API does, over a real database."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from tests.integration.api.plane import FILE, Plane, plane_test, problem
from tests.integration.store.running import NOW

from aivoice.api.control import chores
from aivoice.api.control.chores import sweep_all
from aivoice.billing import Leases
from aivoice.engine.disk import PlainFile
from aivoice.security.call_crypto import SealedFile, new_call_keys
from aivoice.security.rate import Rate, RateLimiter
from aivoice.tenants.callers import remember
from aivoice.tenants.erasure import KEPT
from aivoice.tenants.records import Segment, close_record, open_record
from aivoice.traces.sealed import NAMES, RECORDING

ALPHA = "/v1/tenants/alpha"


async def a_call(plane: Plane, call_id: str = "c1", *, tenant: str = "alpha", minute: int = 0) -> None:
    """A call of a minute, recorded and billed."""
    at, texts = NOW + timedelta(minutes=minute), plane.control.texts
    leases = Leases()
    async with plane.store.tenant(tenant) as scope:
        await leases.admit(scope, call_id, at, holder="p")
        await open_record(
            scope, texts, call_id, number="+15550100001", caller="+12125550147", why="usual", action="answer",
            version=1, process="p", now=at,
        )  # fmt: skip
        keys = await new_call_keys(scope, plane.control.sealer, call_id, ["journal", "recording"], at)
        await leases.settle(scope, call_id, 60, at)
        await close_record(
            scope, texts, call_id, reason="agent_ended", seconds=60, turns=2, transferred="", now=at,
            segments=[Segment("agent", 0, 900, "Hello."), Segment("caller", 1_000, 2_000, "Hello, a question.")],
        )  # fmt: skip
        await remember(scope, texts, "+12125550147", "Asked a question.", call_id=call_id, now=at)
    folder = plane.control.calls / tenant / call_id
    folder.mkdir(parents=True)
    sealed = SealedFile(PlainFile(folder / NAMES[RECORDING]), keys[RECORDING], RECORDING)
    sealed.write(bytes(44) + b"\1\2\3\4" * 100)
    sealed.close()


@plane_test
async def test_the_operator_makes_a_tenant_gives_it_a_number_and_suspends_it(plane: Plane) -> None:
    async with plane.client() as operator:
        made = await operator.post("/v1/tenants", json={"id": "charlie", "name": "Charlie's", "zone": "Europe/Berlin"})
        assert (made.status_code, made.headers["location"]) == (201, "/v1/tenants/charlie")
        problem(await operator.post("/v1/tenants", json={"id": "charlie", "name": "Again"}), 409, "tenant_exists")
        problem(await operator.post("/v1/tenants", json={"id": "No Name", "name": "x"}), 400, "tenant_id_invalid")
        assert (await operator.put("/v1/tenants/charlie/numbers/+12125550123", json={})).status_code == 201
        assert (await operator.put("/v1/tenants/charlie/numbers/+12125550123", json={})).status_code == 200
        problem(await operator.put(f"{ALPHA}/numbers/+12125550123", json={}), 409, "number_taken")
        problem(await operator.put(f"{ALPHA}/numbers/12", json={}), 400, "number_invalid")
        page = (await operator.get("/v1/tenants?limit=2")).json()
        assert [row["id"] for row in page["tenants"]] == ["alpha", "bravo"]
        following = (await operator.get(f"/v1/tenants?limit=2&after={page['next']}")).json()
        assert ([row["id"] for row in following["tenants"]], following["next"]) == (["charlie"], None)
        changed = await operator.put("/v1/tenants/charlie/status", json={"status": "suspended", "reason": "unpaid"})
        assert changed.json()["status"] == "suspended"
        await operator.put("/v1/tenants/charlie/status", json={"status": "closed"})
        problem(await operator.put("/v1/tenants/charlie/status", json={"status": "active"}), 409, "tenant_closed")
        assert (await operator.put(f"{ALPHA}/numbers/+12125550123", json={})).status_code == 201
        log = (await operator.get("/v1/audit")).json()["entries"]
    assert {"tenant.created", "tenant.suspended", "number.assigned"} <= {entry["action"] for entry in log}
    async with plane.client("alpha") as alpha:
        problem(await alpha.get("/v1/tenants"), 403, "forbidden")
        problem(await alpha.put(f"{ALPHA}/status", json={"status": "active"}), 403, "forbidden")
        assert [row["e164"] for row in (await alpha.get(f"{ALPHA}/numbers")).json()["numbers"]] == ["+12125550123"]


@plane_test
async def test_a_business_file_is_planned_applied_compared_and_rolled_back(plane: Plane) -> None:
    async with plane.client("alpha") as alpha:
        problem(await alpha.get(f"{ALPHA}/business"), 404, "version_unknown")
        bad = problem(await alpha.put(f"{ALPHA}/business", json={"source": "name: x\nprices: 3\nhours: never\n"}), 400)
        assert {error["line"] for error in bad["errors"]} == {2, 3}
        dry = (await alpha.put(f"{ALPHA}/business?dry_run=true", json={"source": FILE.format(name="One")})).json()
        assert dry["made"] is False
        assert any("Cleaning" in line for line in dry["lines"])
        first = await alpha.put(f"{ALPHA}/business", json={"source": FILE.format(name="One"), "note": "begin"})
        assert first.json()["version"]["number"] == 1
        dearer = FILE.format(name="One").replace("110", "120")
        second = await alpha.put(
            f"{ALPHA}/business", json={"source": dearer}, headers={"If-Match": first.headers["etag"]}
        )
        assert second.json()["lines"][0] == "~ prices, Cleaning: $110 → $120"
        assert len(second.json()["changes"]) == 1
        stale = await alpha.put(
            f"{ALPHA}/business", json={"source": FILE.format(name="X")}, headers={"If-Match": first.headers["etag"]}
        )
        problem(stale, 412, "version_conflict")
        shown = await alpha.get(f"{ALPHA}/business")
        assert (shown.headers["etag"], shown.json()["source"]) == (second.headers["etag"], dearer)
        assert (await alpha.get(f"{ALPHA}/versions/2/diff?earlier=1")).json()["lines"] == second.json()["lines"]
        back = await alpha.post(f"{ALPHA}/versions/1/rollback")
        assert back.json()["version"]["restores"] == 1
        assert [row["number"] for row in (await alpha.get(f"{ALPHA}/versions?limit=2")).json()["versions"]] == [3, 2]
        problem(await alpha.get(f"{ALPHA}/versions/9"), 404, "version_unknown")
    async with plane.client("alpha read") as reader:
        problem(await reader.put(f"{ALPHA}/business", json={"source": dearer}), 403, "forbidden")


@plane_test
async def test_a_write_that_is_sent_twice_is_done_once(plane: Plane) -> None:
    body = {"source": FILE.format(name="One")}
    async with plane.client("alpha") as alpha:
        answers = [await alpha.put(f"{ALPHA}/business", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["idempotent-replayed"] == "true"
        assert len((await alpha.get(f"{ALPHA}/versions")).json()["versions"]) == 1
        other = await alpha.put(f"{ALPHA}/business", json={"source": "name: y\n"}, headers={"Idempotency-Key": "k1"})
        problem(other, 422, "idempotency_mismatch")
    async with plane.client("bravo") as bravo:  # a key is its tenant's own
        same = await bravo.put("/v1/tenants/bravo/business", json=body, headers={"Idempotency-Key": "k1"})
        assert same.json()["version"]["number"] == 1


@plane_test
async def test_knowledge_is_taken_in_and_asked(plane: Plane) -> None:
    async with plane.client("alpha") as alpha:
        text = b"# Parking\n\nYou can park behind the building for free.\n\n# Payment\n\nWe take cards and cash.\n"
        made = await alpha.post(f"{ALPHA}/knowledge/documents?name=visit.md", content=text)
        document = made.json()["document_ids"][0]
        assert made.status_code == 201
        found = (await alpha.get(f"{ALPHA}/knowledge/ask", params={"question": "Where can I park?"})).json()
        assert "park behind the building" in found["passages"][0]["text"]
        assert found["milliseconds"] > 0
        assert (await alpha.get(f"{ALPHA}/knowledge/documents")).json()["documents"][0]["name"] == "visit.md"
        assert len((await alpha.get(f"{ALPHA}/knowledge/documents/{document}")).json()["passages"]) == 2
        problem(await alpha.post(f"{ALPHA}/knowledge/documents?name=empty.md", content=b""), 422, "document_empty")
        problem(await alpha.post(f"{ALPHA}/knowledge/documents?name=x.exe", content=b"MZ"), 415)
        big = await alpha.post(f"{ALPHA}/knowledge/documents?name=big.md", content=b"x" * (21 * 1024 * 1024))
        problem(big, 413, "too_large")
        assert (await alpha.delete(f"{ALPHA}/knowledge/documents/{document}")).status_code == 204
        problem(await alpha.get(f"{ALPHA}/knowledge/documents/{document}"), 404)


@plane_test
async def test_tools_and_webhooks(plane: Plane) -> None:
    tool = {"name": "look", "description": "Look.", "url": "https://example.com/t", "side_effects": False}
    async with plane.client("alpha") as alpha:
        assert (await alpha.put(f"{ALPHA}/tools/look", json=tool)).status_code == 200
        assert (await alpha.get(f"{ALPHA}/tools/look")).json()["url"] == "https://example.com/t"
        inside = {**tool, "url": "http://169.254.169.254/"}
        problem(await alpha.put(f"{ALPHA}/tools/look", json=inside), 422, "address_refused")
        tried = await alpha.post(f"{ALPHA}/tools/look/try", json={"arguments": {}})
        assert tried.json()["outcome"] in ("failed", "unknown")  # nobody answers there
        assert (await alpha.delete(f"{ALPHA}/tools/look")).status_code == 204
        problem(await alpha.delete(f"{ALPHA}/tools/look"), 404)
        hook = (await alpha.post(f"{ALPHA}/webhooks", json={"url": "https://example.com/h", "events": ["*"]})).json()
        assert hook["secret"].startswith("whsec_")
        path = f"{ALPHA}/webhooks/{hook['webhook']['webhook_id']}"
        assert "secret" not in (await alpha.get(path)).text
        assert (await alpha.post(f"{path}/rotate")).json()["secret"] != hook["secret"]
        assert (await alpha.patch(path, json={"active": False})).json()["active"] is False
        assert (await alpha.post(f"{path}/test")).status_code == 202
        sent = (await alpha.get(f"{ALPHA}/deliveries?state=waiting")).json()["deliveries"]
        assert [each["event"] for each in sent] == ["webhook.test"]
        assert (await alpha.post(f"{ALPHA}/deliveries/{sent[0]['delivery_id']}/replay")).status_code == 202
        assert (await alpha.post(f"{ALPHA}/deliveries/replay-dead")).json() == {"replayed": 0}
        assert (await alpha.delete(path)).status_code == 204
        problem(await alpha.post(f"{ALPHA}/webhooks", json={"url": "https://example.com/", "events": ["no"]}), 422)


@plane_test
async def test_calls_are_listed_heard_and_erased(plane: Plane) -> None:
    for number in range(5):
        await a_call(plane, f"c{number}", minute=number)
    async with plane.client("alpha") as alpha:
        first = (await alpha.get(f"{ALPHA}/calls?limit=2")).json()
        await a_call(plane, "newer", minute=9)  # what comes meanwhile moves nothing
        second = (await alpha.get(f"{ALPHA}/calls?limit=3&after={first['next']}")).json()
        assert [c["call_id"] for c in first["calls"] + second["calls"]] == ["c4", "c3", "c2", "c1", "c0"]
        assert second["next"] is None
        assert first["calls"][0]["caller"] == "+12125550147"
        assert (await alpha.get(f"{ALPHA}/calls?number=%2B15550100002")).json()["calls"] == []
        until = (NOW + timedelta(minutes=2)).isoformat()
        assert len((await alpha.get(f"{ALPHA}/calls", params={"until": until})).json()["calls"]) == 2
        shown = (await alpha.get(f"{ALPHA}/calls/c1")).json()
        assert shown["money"]["revenue"] == 0
        assert shown["money"]["usage"][0]["quantity"] == 60
        said = (await alpha.get(f"{ALPHA}/calls/c1/transcript")).json()["segments"]
        assert [segment["text"] for segment in said] == ["Hello.", "Hello, a question."]
        assert (await alpha.get(f"{ALPHA}/calls/c1/usage")).json()["events"][0]["specversion"] == "1.0"
        heard = await alpha.get(f"{ALPHA}/calls/c1/files/recording.wav")
        assert heard.content[44:] == b"\1\2\3\4" * 100
        assert (await alpha.delete(f"{ALPHA}/calls/c1")).status_code == 204
        problem(await alpha.get(f"{ALPHA}/calls/c1/files/recording.wav"), 404, "call_unknown")
        assert (await alpha.get(f"{ALPHA}/calls/c1/transcript")).json()["segments"] == []
        assert (await alpha.get(f"{ALPHA}/calls/c1")).json()["call"]["caller"] == ""
        assert not (plane.control.calls / "alpha" / "c1").exists()
        known = (await alpha.post(f"{ALPHA}/callers/lookup", json={"number": "(212) 555-0147"})).json()
        assert (known["calls"], known["summary"]) == (6, "Asked a question.")
        gone = (await alpha.post(f"{ALPHA}/callers/erase", json={"number": "+12125550147"})).json()["calls"]
        assert gone == ["c0", "c2", "c3", "c4", "newer"]
        problem(await alpha.post(f"{ALPHA}/callers/lookup", json={"number": "+12125550147"}), 404, "caller_unknown")
        problem(await alpha.get(f"{ALPHA}/calls?after=xyz"), 400, "bad_cursor")
    async with plane.client("bravo") as bravo:
        assert (await bravo.get("/v1/tenants/bravo/calls")).json()["calls"] == []
        problem(await bravo.post("/v1/tenants/bravo/callers/lookup", json={"number": "+12125550147"}), 404)


@plane_test
async def test_callers_are_blocked(plane: Plane) -> None:
    async with plane.client("alpha") as alpha:
        assert (await alpha.post(f"{ALPHA}/blocked-callers", json={"number": "212 555 0147"})).status_code == 204
        assert [row["number"] for row in (await alpha.get(f"{ALPHA}/blocked-callers")).json()["blocked"]] == [
            "+12125550147"
        ]
        assert (await alpha.post(f"{ALPHA}/blocked-callers/remove", json={"number": "+12125550147"})).status_code == 204
        problem(await alpha.post(f"{ALPHA}/blocked-callers/remove", json={"number": "+12125550147"}), 404)


@plane_test
async def test_money(plane: Plane) -> None:
    span = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    async with plane.client() as operator:
        paid = {"amount": 5_000_000, "key": "invoice 1"}
        for _ in range(2):
            assert (await operator.post(f"{ALPHA}/billing/top-up", json=paid)).status_code == 204
        problem(await operator.post(f"{ALPHA}/billing/top-up", json={**paid, "amount": 1}), 409, "key_used")
        plan = {"name": "pro", "period": "month", "included_s": 0, "price_per_minute": 200_000}
        assert (await operator.put(f"{ALPHA}/billing/plan", json=plan)).status_code == 204
        assert (await operator.put(f"{ALPHA}/billing/limits", json={"calls": 3})).status_code == 204
        problem(await operator.post("/v1/tenants/nobody/billing/top-up", json=paid), 404, "tenant_unknown")
    await a_call(plane)
    async with plane.client("alpha") as alpha:
        standing = (await alpha.get(f"{ALPHA}/billing")).json()
        assert (standing["credit"], standing["plan"]["name"], standing["limits"]["calls"]) == (104_800_000, "pro", 3)
        whole = (await alpha.get(f"{ALPHA}/billing/statement", params=span)).json()
        assert whole["closing"] == 104_800_000
        listed = (await alpha.get(f"{ALPHA}/billing/lines", params=span)).json()["lines"]
        assert sorted(line["kind"] for line in listed) == ["opening", "settlement", "top_up"]
        assert (await alpha.get(f"{ALPHA}/usage", params=span)).json()["revenue"] == 200_000
        problem(await alpha.post(f"{ALPHA}/billing/top-up", json=paid), 403, "forbidden")
        problem(await alpha.get(f"{ALPHA}/usage", params={**span, "until": "2026-10-01T00:00:00Z"}), 422)
        problem(await alpha.get(f"{ALPHA}/usage", params={**span, "until": "2026-12-01T00:00:00"}), 422)


@plane_test
async def test_keys_people_and_sessions(plane: Plane) -> None:
    async with plane.client("alpha") as alpha:
        made = (await alpha.post(f"{ALPHA}/keys", json={"label": "site", "scopes": ["read"]})).json()
        plane.tokens["new"] = made["token"]
        assert made["token"] not in (await alpha.get(f"{ALPHA}/keys")).text
        async with plane.client("new") as new:
            assert (await new.get("/v1/me")).json()["tenant"] == "alpha"
            assert (await new.get(f"{ALPHA}/webhooks")).status_code == 200
            problem(await new.post(f"{ALPHA}/keys", json={"label": "x", "scopes": ["admin"]}), 403)
            rotated = await alpha.post(f"{ALPHA}/keys/{made['key']['key_id']}/rotate?overlap_s=60")
            assert rotated.status_code == 201
            assert (await alpha.delete(f"{ALPHA}/keys/{made['key']['key_id']}")).status_code == 204
            problem(await new.get(f"{ALPHA}/webhooks"), 401, "key_invalid")
        person = {"email": "Ann@example.com", "role": "member", "password": "a long enough pass phrase"}
        user = (await alpha.post(f"{ALPHA}/users", json=person)).json()
        assert user["email"] == "ann@example.com"
        problem(await alpha.post(f"{ALPHA}/users", json={**person, "password": "short"}), 400)
    async with plane.client("") as nobody:
        problem(await nobody.get(f"{ALPHA}/webhooks"), 401, "unauthenticated")
        login = {"tenant": "alpha", "email": "ann@example.com", "password": person["password"]}
        for wrong in ({**login, "password": "no"}, {**login, "tenant": "bravo"}, {**login, "tenant": "nobody"}):
            problem(await nobody.post("/v1/sessions", json=wrong), 401, "login_failed")
        session = (await nobody.post("/v1/sessions", json=login)).json()
        plane.tokens["ann"] = session["token"]
    async with plane.client("ann") as ann:
        assert (await ann.get(f"{ALPHA}/calls")).status_code == 200
        problem(await ann.get(f"{ALPHA}/keys"), 403, "forbidden")
        problem(await ann.get("/v1/tenants/bravo/calls"), 404, "tenant_unknown")
        assert (await ann.delete("/v1/sessions/current")).status_code == 204
        problem(await ann.get(f"{ALPHA}/calls"), 401, "session_invalid")
    async with plane.client("alpha") as alpha:
        log = (await alpha.get(f"{ALPHA}/audit")).json()["entries"]
    assert {"key.created", "key.revoked", "user.created"} <= {entry["action"] for entry in log}
    assert person["password"] not in json.dumps(log)


@plane_test
async def test_data_goes_out_whole_and_is_erased(plane: Plane, owner: psycopg.Connection[dict[str, object]]) -> None:
    await a_call(plane)
    async with plane.client("alpha") as alpha:
        await alpha.put(f"{ALPHA}/business", json={"source": FILE.format(name="One")})
        await alpha.post(f"{ALPHA}/knowledge/documents?name=a.md", content=b"# A\n\nText about it.\n")
        await alpha.post(f"{ALPHA}/webhooks", json={"url": "https://example.com/h", "events": ["*"]})
        rows = [json.loads(line) for line in (await alpha.get(f"{ALPHA}/export")).text.splitlines()]
    assert {"business_versions", "documents", "webhooks", "transactions", "calls"} <= {row["table"] for row in rows}
    call = next(row for row in rows if row["table"] == "calls")
    assert call["transcript"][1]["text"] == "Hello, a question."
    async with plane.client() as operator:
        assert (await operator.delete(ALPHA)).status_code == 204
        assert (await operator.delete(ALPHA)).status_code == 204
        assert (await operator.get(ALPHA)).json()["name"] == "erased"
    tables = owner.execute(
        "SELECT DISTINCT table_name AS name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND column_name = 'tenant_id'"
    ).fetchall()
    for table in tables:
        left = owner.execute(f"SELECT count(*) AS n FROM {table['name']} WHERE tenant_id = 'alpha'".encode()).fetchone()
        assert left is not None
        assert left["n"] == 0 or table["name"] in KEPT, table["name"]
    assert not await asyncio.to_thread((plane.control.calls / "alpha").exists)


@plane_test
async def test_what_is_older_than_its_tenant_keeps_it_goes(plane: Plane) -> None:
    await a_call(plane, "old", minute=-60 * 24 * 40)
    await a_call(plane, "new")
    assert await sweep_all(plane.control) > 0
    async with plane.client("alpha") as alpha:
        problem(await alpha.get(f"{ALPHA}/calls/old/files/recording.wav"), 404, "file_missing")
        assert len((await alpha.get(f"{ALPHA}/calls/old/transcript")).json()["segments"]) == 2  # 90 days
        assert (await alpha.get(f"{ALPHA}/calls/new/files/recording.wav")).status_code == 200
        await alpha.put(f"{ALPHA}/settings", json={"keep": {"recordings": 0, "transcripts": 0, "callers": 0}})
    assert await sweep_all(plane.control) > 0
    async with plane.client("alpha") as alpha:
        assert (await alpha.get(f"{ALPHA}/calls/old/transcript")).json()["segments"] == []
        assert len((await alpha.get(f"{ALPHA}/calls")).json()["calls"]) == 2
    assert not await asyncio.to_thread((plane.control.calls / "alpha" / "old").exists)


@plane_test
async def test_whoever_asks_too_often_is_told_when_to_come_back(plane: Plane) -> None:
    object.__setattr__(plane.control, "limiter", RateLimiter(Rate(3, 0.001)))
    async with plane.client("alpha") as alpha, plane.client("bravo") as bravo:
        answers = [await alpha.get(f"{ALPHA}/webhooks") for _ in range(4)]
        assert (await bravo.get("/v1/tenants/bravo/webhooks")).status_code == 200  # a limit of their own
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    problem(answers[3], 429, "rate_limited")
    assert int(answers[3].headers["retry-after"]) > 60


@plane_test
async def test_files_of_a_call_that_outlived_its_erased_tenant_go_with_the_next_sweep(plane: Plane) -> None:
    async with plane.client() as operator:
        assert (await operator.delete(ALPHA)).status_code == 204
    async with plane.store.tenant("alpha") as scope:
        await new_call_keys(scope, plane.control.sealer, "late", ["journal"], NOW)
    file = plane.control.calls / "alpha" / "late" / NAMES["journal"]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"sealed")
    assert await sweep_all(plane.control) > 0
    assert not await asyncio.to_thread(file.exists)


@plane_test
async def test_a_sweep_leaves_the_files_of_a_call_that_begins_meanwhile(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_call(plane, "old", minute=-60 * 24 * 40)
    listed, begun = chores._files_of_calls, plane.control.calls / "alpha" / "begun" / "journal"  # pyright: ignore[reportPrivateUsage]

    def list_then_begin(folder: Path) -> list[tuple[str, list[str]]]:
        found = listed(folder)
        begun.parent.mkdir()
        begun.write_bytes(b"sealed")
        return found

    monkeypatch.setattr(chores, "_files_of_calls", list_then_begin)
    assert await sweep_all(plane.control) > 0
    assert not await asyncio.to_thread((plane.control.calls / "alpha" / "old").exists)
    assert await asyncio.to_thread(begun.exists)
