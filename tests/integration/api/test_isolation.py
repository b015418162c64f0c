"""Every route with another tenant's key, another tenant's ids, nobody's key and nonsense: nothing shows, nothing
breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from tests.integration.api.plane import FILE, Plane, plane_test, problem
from tests.integration.api.test_routes import a_call

METHODS = ("get", "post", "put", "patch", "delete")
ALPHA = "/v1/tenants/alpha"
BODIES: dict[str, Any] = {
    "StatusChange": {"status": "active"},
    "NumberLabel": {},
    "Booking": {"amount": 1, "key": "k"},
    "PlanForm": {"name": "p", "period": "month", "included_s": 0, "price_per_minute": 1},
    "LimitsForm": {},
    "BundleForm": {"source": FILE.format(name="Stolen")},
    "Settings": {},
    "ToolForm": {"name": "look", "description": "Look.", "url": "https://example.com/t", "side_effects": False},
    "Trial": {},
    "ServerForm": {"url": "https://example.com/mcp"},
    "WebhookForm": {"url": "https://example.com/h", "events": ["*"]},
    "WebhookChange": {"active": False},
    "CallerForm": {"number": "+12125550147"},
    "BlockForm": {"number": "+12125550147"},
    "KeyForm": {"label": "x", "scopes": ["read"]},
    "UserForm": {"email": "x@example.com", "role": "member", "password": "a long enough pass phrase"},
    "UserChange": {"disabled": True},
    "NewTenant": {"id": "delta", "name": "Delta"},
    "OperatorKey": {"label": "x", "scopes": ["operator"]},
    "OperatorUser": {"email": "op@example.com", "password": "a long enough pass phrase"},
    "Login": {"tenant": "alpha", "email": "x@example.com", "password": "no"},
}
QUERY = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "question": "parking?", "name": "a.md"}


def operations(plane: Plane) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in plane.app.openapi()["paths"].items():
        for method in METHODS:
            if method in methods:
                yield method, path, methods[method]


def request_of(operation: dict[str, Any]) -> dict[str, Any]:
    """A body and a query that the route would take."""
    content = operation.get("requestBody", {}).get("content", {})
    given: dict[str, Any] = {}
    if "application/json" in content:
        name = content["application/json"]["schema"].get("$ref", "").rsplit("/", 1)[-1]
        given["json"] = BODIES[name]
    elif content:
        given["content"] = b"# A\n\nText.\n"
    wanted = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query" and each["required"]]
    query = {name: QUERY.get(name, 1) for name in wanted}
    return {**given, "params": query} if query else given


async def fill(plane: Plane, tenant: str) -> dict[str, str]:
    """One of everything; the ids by the name of their path parameter."""
    base = f"/v1/tenants/{tenant}"
    await a_call(plane, f"call-of-{tenant}", tenant=tenant)
    async with plane.client(tenant) as client, plane.client() as operator:
        await operator.put(f"{base}/numbers/+1212555012{len(tenant) % 10}", json={})
        await client.put(f"{base}/business", json={"source": FILE.format(name=tenant)})
        document = (await client.post(f"{base}/knowledge/documents?name=a.md", content=b"# A\n\nSecret text.\n")).json()
        await client.put(f"{base}/tools/look", json=BODIES["ToolForm"])
        hook = (await client.post(f"{base}/webhooks", json=BODIES["WebhookForm"])).json()["webhook"]
        await client.post(f"{base}/webhooks/{hook['webhook_id']}/test")
        delivery = (await client.get(f"{base}/deliveries")).json()["deliveries"][0]
        key = (await client.post(f"{base}/keys", json=BODIES["KeyForm"])).json()["key"]
        user = (await client.post(f"{base}/users", json=BODIES["UserForm"])).json()
        await client.post(f"{base}/blocked-callers", json={"number": "+12125550199"})
    async with plane.store.tenant(tenant) as scope:
        await scope.run(
            "INSERT INTO messages (tenant_id, message_id, kind, call_id, key, content, created_at, escalation) VALUES "
            "(%(tenant_id)s, %(id)s, 'message', 'c', 'k', '{}', now(), '{}')",
            {"id": f"msg_{tenant}"},
        )
    return {
        "tenant": tenant,
        "call_id": f"call-of-{tenant}",
        "document_id": document["document_ids"][0],
        "webhook_id": hook["webhook_id"],
        "delivery_id": delivery["delivery_id"],
        "message_id": f"msg_{tenant}",
        "key_id": key["key_id"],
        "user_id": user["user_id"],
        "number": "1",
        "name": "look",
    }


def filled(path: str, ids: dict[str, str], operation: dict[str, Any]) -> str:
    if path.endswith("/numbers/{number}"):
        path = path.replace("{number}", "+12125550125")
    if path.endswith("/files/{name}"):
        path = path.replace("{name}", "recording.wav")
    return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)


def rows_of(owner: psycopg.Connection[dict[str, Any]], tenant: str) -> dict[str, list[Any]]:
    """Everything that the database holds of a tenant."""
    tables = owner.execute(
        "SELECT DISTINCT table_name AS name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND column_name = 'tenant_id'"
    ).fetchall()
    return {
        table["name"]: sorted(
            str(row) for row in owner.execute(f"SELECT * FROM {table['name']} WHERE tenant_id = '{tenant}'".encode())
        )
        for table in tables
    }


@plane_test
async def test_no_route_shows_or_changes_anything_of_another_tenant(
    plane: Plane, owner: psycopg.Connection[dict[str, Any]]
) -> None:
    theirs = await fill(plane, "alpha")
    ours = await fill(plane, "bravo")
    before = rows_of(owner, "alpha")
    tried = 0
    async with plane.client("bravo") as bravo:
        for method, path, operation in operations(plane):
            given = request_of(operation)
            if "{tenant}" not in path:
                continue
            # Their tenant, by its name: as one that is not there, in every word.
            answer = await bravo.request(method, filled(path, theirs, operation), **given)
            nowhere = await bravo.request(method, filled(path, {**theirs, "tenant": "nobody"}, operation), **given)
            body = problem(answer, 404)
            assert {**body, "instance": ""} == {**problem(nowhere, 404), "instance": ""}, path
            tried += 1
            # Their things under our own name: as things that are not there.
            if re.search(r"\{(call|document|webhook|delivery|message|key|user)_id\}", path):
                answer = await bravo.request(method, filled(path, {**theirs, "tenant": "bravo"}, operation), **given)
                assert answer.status_code == 404, (method, path, answer.text)
                made_up = dict.fromkeys(theirs, "no_such_thing") | {"tenant": "bravo"}
                none = await bravo.request(method, filled(path, made_up, operation), **given)
                assert {**answer.json(), "instance": ""} == {**none.json(), "instance": ""}
    assert tried > 60
    assert rows_of(owner, "alpha") == before
    # And our own are there: the routes work, they do not merely refuse.
    async with plane.client("bravo") as bravo:
        for method, path, operation in operations(plane):
            if method == "get" and "{tenant}" in path and "mcp" not in path:
                answer = await bravo.request(
                    method, filled(path, {**ours, "number": "1"}, operation), **request_of(operation)
                )
                assert answer.status_code == 200, (path, answer.text)
                assert "alpha" not in answer.text


@plane_test
async def test_whoever_shows_no_key_gets_in_nowhere(plane: Plane) -> None:
    ids = await fill(plane, "alpha")
    async with plane.client("") as nobody:
        for method, path, operation in operations(plane):
            if path in ("/health", "/ready") or (method, path) == ("post", "/v1/sessions"):
                continue
            answer = await nobody.request(method, filled(path, ids, operation), **request_of(operation))
            assert answer.status_code in (401, 429), (method, path)
            problem(answer, answer.status_code)


@plane_test
async def test_a_key_may_do_what_its_scopes_say_and_no_more(plane: Plane) -> None:
    ids = await fill(plane, "alpha")
    async with plane.client("alpha read") as reader:
        for method, path, operation in operations(plane):
            if "{tenant}" not in path or path.endswith(("/lookup", "/callers/calls")):  # these read, by POST
                continue
            answer = await reader.request(method, filled(path, ids, operation), **request_of(operation))
            if method != "get":
                assert answer.status_code == 403, (method, path, answer.text)


NONSENSE = ("%00", "..", "%2e%2e%2fetc", "a" * 90, "'; DROP TABLE calls; --", "%ed%a0%80", "-1", "🙂")


@plane_test
async def test_nonsense_gets_a_clear_problem_everywhere(plane: Plane) -> None:
    await fill(plane, "alpha")
    async with plane.client() as operator:
        for method, path, operation in operations(plane):
            for nonsense in NONSENSE:
                if "{" not in path:
                    continue
                wrong = dict.fromkeys(re.findall(r"\{(\w+)\}", path), nonsense) | {"tenant": "alpha"}
                answer = await operator.request(method, filled(path, wrong, operation), **request_of(operation))
                assert answer.status_code < 500 or "mcp" in path, (method, path, nonsense, answer.text)
                if answer.status_code >= 400:
                    problem(answer, answer.status_code)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b'"x"', "application/json"),
        (b'{"source": "\\ud800"}', "application/json"),
        (b'{"source": "name: x\\u0000"}', "application/json"),
        (b"[" * 20_000, "application/json"),
        (b"source=1", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/json"),
        (b"", ""),
        (json.dumps({"source": "x" * (26 * 1024 * 1024)}).encode(), "application/json"),
    ],
)
def test_bodies_that_are_none(body: bytes, kind: str, urls: Any, tmp_path: Any) -> None:
    @plane_test
    async def held(plane: Plane) -> None:
        async with plane.client("alpha") as alpha:
            answer = await alpha.put(f"{ALPHA}/business", content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500, answer.text
            problem(answer, answer.status_code)
            assert isinstance(answer, httpx2.Response)

    held(urls=urls, tmp_path=tmp_path)
