"""``aivoice tenant``: businesses by command."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from aivoice.cli.asking import Data, Json, Key, Server, Tenant, Yes, show_plan, show_table, with_plane
from aivoice.cli.output import console, print_json

if TYPE_CHECKING:
    from aivoice.cli.plane import ControlPlane

tenant_app = typer.Typer(
    help="Businesses: apply their files, look at versions, numbers, calls and bills.", no_args_is_help=True
)


@tenant_app.command("list")
def list_tenants(data: Data = None, server: Server = "", key: Key = "", as_json: Json = False) -> None:
    """Every business, with its numbers' owner and the version in force."""

    async def work(plane: ControlPlane) -> None:
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            page = await plane.ask("GET", "/v1/tenants", params={"limit": 200, "after": after})
            found += page["tenants"]
            after = page["next"]
        show_table(found, ("id", "name", "status", "version", "zone"), as_json=as_json)

    with_plane(work, data, server, key, quiet=as_json)


@tenant_app.command("apply")
def apply_file(
    file: Annotated[Path, typer.Argument(help="A business file (YAML).")],
    tenant: Annotated[str, typer.Option(help="The tenant's id. Default: the name of the file's folder.")] = "",
    note: Annotated[str, typer.Option(help="Why, for the list of versions.")] = "",
    plan_only: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    yes: Yes = False,
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Show what a business file would change for callers, then change it, as a new version."""
    from aivoice.hosting.opening import tenant_id_of
    from aivoice.tenants.bundle import read_bundle

    bundle = read_bundle(file)
    name = tenant or tenant_id_of(file)
    base = f"/v1/tenants/{name}"
    body = {"source": bundle.source, "documents": dict(bundle.documents), "file_name": bundle.file_name, "note": note}

    async def work(plane: ControlPlane) -> None:
        await _made(plane, name, bundle.source)
        planned = await plane.ask("PUT", f"{base}/business", params={"dry_run": "true"}, json=body)
        if not as_json:
            show_plan(name, planned["lines"])
        if plan_only:
            if as_json:
                print_json(planned)
            return
        asking = planned["changes"] and not yes and not as_json and sys.stdin.isatty()
        if asking and not await asyncio.to_thread(typer.confirm, "Change it?", default=True):
            return
        applied = await plane.ask("PUT", f"{base}/business", json=body)
        numbers = await _ready(plane, name, file)
        if as_json:
            print_json({"tenant": name, "numbers": numbers, **applied})
            return
        version = applied["version"]["number"]
        said = (
            f"{name}: version {version} is in force" if applied["made"] else f"{name}: version {version} stays in force"
        )
        console().print(Text.assemble((said, "bold green"), f"; it answers at {', '.join(numbers) or 'no number yet'}"))

    with_plane(work, data, server, key, quiet=as_json)


async def _made(plane: ControlPlane, name: str, source: str) -> None:
    """The tenant is made where there is none, if this is the operator of this machine."""
    if plane.installation is None:
        return
    page = await plane.ask("GET", "/v1/tenants", params={"after": name[:-1], "limit": 50})
    if all(row["id"] != name for row in page["tenants"]):
        response = await plane.client.get(f"/v1/tenants/{name}")
        if response.status_code == 404:
            await plane.ask("POST", "/v1/tenants", json={"id": name, "name": name})


async def _ready(plane: ControlPlane, name: str, file: Path) -> list[str]:
    """On the operator's own machine: a number where there is none, and the service beside the file. The numbers."""
    from aivoice.hosting.opening import attach_services, give_number

    rows = (await plane.ask("GET", f"/v1/tenants/{name}/numbers"))["numbers"]
    numbers = [str(row["e164"]) for row in rows]
    if plane.installation is not None:
        phone = await attach_services(plane.installation, name, file)
        if not numbers:
            numbers = [await give_number(plane.installation.store, name, phone, datetime.now(UTC))]
    return numbers


@tenant_app.command("versions")
def list_versions(tenant: Tenant, data: Data = None, server: Server = "", key: Key = "", as_json: Json = False) -> None:
    """Every version of the business file, the newest first."""

    async def work(plane: ControlPlane) -> None:
        page = await plane.ask("GET", f"/v1/tenants/{tenant}/versions", params={"limit": 200})
        show_table(page["versions"], ("number", "created_at", "author", "note", "restores"), as_json=as_json)

    with_plane(work, data, server, key, quiet=as_json)


@tenant_app.command("diff")
def diff_versions(
    tenant: Tenant,
    old: Annotated[int, typer.Argument(help="A version's number; 0: nothing.")],
    new: Annotated[int, typer.Argument(help="The other one's.")],
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """What callers notice between two versions."""

    async def work(plane: ControlPlane) -> None:
        found = await plane.ask("GET", f"/v1/tenants/{tenant}/versions/{new}/diff", params={"earlier": old})
        if as_json:
            print_json(found)
        else:
            show_plan(tenant, found["lines"])

    with_plane(work, data, server, key, quiet=as_json)


@tenant_app.command("rollback")
def roll_back(
    tenant: Tenant,
    number: Annotated[int, typer.Argument(help="The version to go back to.")],
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Put a new version in force that equals an earlier one."""

    async def work(plane: ControlPlane) -> None:
        done = await plane.ask("POST", f"/v1/tenants/{tenant}/versions/{number}/rollback")
        if as_json:
            print_json(done)
        else:
            show_plan(tenant, done["lines"])
            console().print(Text(f"version {done['version']['number']} is in force", style="bold green"))

    with_plane(work, data, server, key, quiet=as_json)


@tenant_app.command("number")
def give(
    tenant: Tenant,
    number: Annotated[str, typer.Argument(help="With its country: +12125550147.")],
    release: Annotated[bool, typer.Option("--release", help="Take it away instead.")] = False,
    data: Data = None,
    server: Server = "",
    key: Key = "",
) -> None:
    """Give a business a number, or take it away."""

    async def work(plane: ControlPlane) -> None:
        path = f"/v1/tenants/{tenant}/numbers/{number}"
        await (plane.send("DELETE", path) if release else plane.send("PUT", path, json={}))
        console().print("released" if release else f"{tenant} answers at {number}")

    with_plane(work, data, server, key)


@tenant_app.command("status")
def change_status(
    tenant: Tenant,
    status: Annotated[str, typer.Argument(help="active, suspended or closed.")],
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    data: Data = None,
    server: Server = "",
    key: Key = "",
) -> None:
    """Suspend, resume or close a business. Calls that are running go on."""

    async def work(plane: ControlPlane) -> None:
        body = {"status": status, "reason": reason}
        changed = await plane.ask("PUT", f"/v1/tenants/{tenant}/status", json=body)
        console().print(f"{tenant} is {changed['status']}")

    with_plane(work, data, server, key)


@tenant_app.command("calls")
def list_calls(
    tenant: Tenant,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """The newest calls."""

    async def work(plane: ControlPlane) -> None:
        page = await plane.ask("GET", f"/v1/tenants/{tenant}/calls", params={"limit": limit})
        columns = ("call_id", "started_at", "number", "caller", "why", "action", "reason", "seconds", "turns")
        show_table(page["calls"], columns, as_json=as_json)

    with_plane(work, data, server, key, quiet=as_json)


@tenant_app.command("billing")
def show_billing(tenant: Tenant, data: Data = None, server: Server = "", key: Key = "", as_json: Json = False) -> None:
    """Credit, plan, limits, and what is used of them."""

    async def work(plane: ControlPlane) -> None:
        found = await plane.ask("GET", f"/v1/tenants/{tenant}/billing")
        if as_json:
            print_json(found)
            return
        unit = 1_000_000
        rows = [
            ("credit", f"{found['credit'] / unit:.2f} {found['currency']} ({found['held'] / unit:.2f} held)"),
            ("plan", f"{found['plan']['name']}: {found['plan']['price_per_minute'] / unit:.3f} a minute"),
            ("included", f"{found['included_s'] // 60} minutes left"),
            ("today", f"{found['today_s'] // 60} minutes"),
            ("calls now", str(found["open_calls"])),
        ]
        show_table([{"what": name, "is": text} for name, text in rows], ("what", "is"), as_json=False)

    with_plane(work, data, server, key, quiet=as_json)


@tenant_app.command("top-up")
def top_up(
    tenant: Tenant,
    amount: Annotated[float, typer.Argument(help="In the tenant's currency: 25.00")],
    payment: Annotated[str, typer.Option(help="The payment's own name; the same again books nothing.")],
    data: Data = None,
    server: Server = "",
    key: Key = "",
) -> None:
    """Book a payment of the business."""

    async def work(plane: ControlPlane) -> None:
        body = {"amount": round(amount * 1_000_000), "key": payment}
        await plane.send("POST", f"/v1/tenants/{tenant}/billing/top-up", json=body)
        console().print(f"{amount:.2f} booked for {tenant}")

    with_plane(work, data, server, key)


@tenant_app.command("key")
def make_key(
    tenant: Tenant,
    label: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="read, write, calls, admin. Default: read.")] = None,
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Make an API key of the business. It is shown this once."""

    async def work(plane: ControlPlane) -> None:
        made = await plane.ask("POST", f"/v1/tenants/{tenant}/keys", json={"label": label, "scopes": scope or ["read"]})
        if as_json:
            print_json(made)
        else:
            console().print(made["token"])

    with_plane(work, data, server, key, quiet=True)


@tenant_app.command("export")
def export(
    tenant: Tenant,
    file: Annotated[Path, typer.Argument(help="Where to write it (JSON lines).")],
    data: Data = None,
    server: Server = "",
    key: Key = "",
) -> None:
    """Everything that is kept of a business."""

    async def work(plane: ControlPlane) -> None:
        response = await plane.send("GET", f"/v1/tenants/{tenant}/export")
        await asyncio.to_thread(file.write_bytes, response.content)
        console().print(f"{len(response.content.splitlines())} rows in {file}")

    with_plane(work, data, server, key)


@tenant_app.command("erase")
def erase(tenant: Tenant, yes: Yes = False, data: Data = None, server: Server = "", key: Key = "") -> None:
    """Close a business and erase all of it but the ledger."""
    if not yes and not typer.confirm(f"Erase {tenant} for good?"):
        return

    async def work(plane: ControlPlane) -> None:
        await plane.send("DELETE", f"/v1/tenants/{tenant}")
        console().print(f"{tenant} is erased")

    with_plane(work, data, server, key)
