"""The tools of a tenant's context, run as a call runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from tests.integration.store.exchange import KEYRING
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.hosting.tenant_tools import open_workshop
from aivoice.security.keyring import Sealer
from aivoice.store import Store
from aivoice.tenants.bundle import Bundle, check_bundle
from aivoice.tenants.settings import parse_settings
from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.messages import messages
from aivoice.tools.outgoing import deliveries
from aivoice.tools.registry import put_tool
from aivoice.tools.spec import CallFacts
from aivoice.tools.webhooks import TOOLS, rotate_secret

FILE = """\
name: Corner
email: desk@example.com
tools:
  - name: book
    description: Book.
    side_effects: true
    endpoint: {url}/book
    parameters:
      type: object
      properties: {{name: {{type: string}}}}
"""


@store_test
async def test_files_registered_and_built_in_tools_run_and_what_they_did_is_told(store: Store) -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, await request.json()))
        return web.json_response({"reference": "R1"})

    app = web.Application()
    app.router.add_post("/{tool}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    guard = Guard(allowed=[Allowed.parse(url.removeprefix("http://"))])
    await new_tenant(store, "alpha")
    form = {"name": "look", "description": "Look.", "url": f"{url}/look", "side_effects": False,
            "permissions": {"hours": "open"}}  # fmt: skip
    async with store.tenant("alpha") as scope:
        await put_tool(scope, form, guard, now=NOW)
        await rotate_secret(scope, Sealer(KEYRING), TOOLS, now=NOW)
    facts: dict[str, CallFacts] = {"c1": CallFacts(open_now=True), "c2": CallFacts(open_now=False)}
    business = check_bundle(Bundle(FILE.format(url=url))).business
    settings = parse_settings({"messages": {"escalate_minutes": 30, "late_emails": ["owner@example.com"]}})
    async with open_workshop(store, Sealer(KEYRING), guard, facts=facts.__getitem__, now=lambda: NOW) as shop:
        seen, tools = await shop.tools_of("alpha", business, settings)
        assert [tool.name for tool in seen.tools] == ["book", "look", "take_message", "request_callback"]
        booked = await tools.run("book", {"name": "Anna, card 4111 1111 1111 1111"}, call_id="c1", key="k1")
        assert (booked.outcome, json.loads(booked.result)["reference"]) == ("ok", "R1")
        assert (await tools.run("look", {}, call_id="c1", key="k2")).outcome == "ok"
        assert json.loads((await tools.run("look", {}, call_id="c2", key="k3")).result)["why"] == "outside_hours"
        left = {"name": "Anna", "phone": "+12125550147", "message": "My card is 4111 1111 1111 1111."}
        assert (await tools.run("take_message", left, call_id="c1", key="k4")).outcome == "ok"
    await runner.cleanup()
    assert [path for path, _ in asked] == ["/book", "/look"]
    assert "4111 1111" in json.dumps(asked[0][1])  # whoever books may need it; what is kept has it not
    async with store.tenant("alpha") as scope:
        (kept,) = await messages(scope)
        sent = [(each.kind, each.event, each.target) for each in await deliveries(scope)]
        bodies = await scope.all("SELECT body FROM deliveries WHERE tenant_id = %(tenant_id)s")
    assert "4111" not in json.dumps(kept.content)
    assert sorted(sent) == [("email", "message.taken", "desk@example.com"), ("email", "tool.done", "desk@example.com")]
    assert "4111" not in json.dumps(bodies)
    assert "R1" in json.dumps(bodies)
