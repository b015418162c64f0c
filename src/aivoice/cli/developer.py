"""``aivoice tool``, ``aivoice knowledge``, ``aivoice api``: for developers at a business."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.text import Text

from aivoice.cli.asking import Data, Json, Key, Server, with_plane
from aivoice.cli.output import console, print_json
from aivoice.errors import InputError

if TYPE_CHECKING:
    from aivoice.cli.plane import ControlPlane

tool_app = typer.Typer(help="Tools that a business registered.", no_args_is_help=True)
knowledge_app = typer.Typer(help="Documents of a business, and what they answer.", no_args_is_help=True)


@tool_app.command("try")
def try_tool(
    name: Annotated[str, typer.Argument(help="The tool's name.")],
    tenant: Annotated[str, typer.Option(help="The tenant's id.")],
    arguments: Annotated[str, typer.Option(help="A JSON object.")] = "{}",
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Run a registered tool once, as a call would: signed, bounded, its answer checked. Side effects are real."""
    given = _json_object(arguments)

    async def work(plane: ControlPlane) -> None:
        found = await plane.ask("POST", f"/v1/tenants/{tenant}/tools/{name}/try", json={"arguments": given})
        if as_json:
            print_json(found)
        else:
            style = {"ok": "bold green", "failed": "bold red"}.get(found["outcome"], "bold yellow")
            console().print(Text.assemble((found["outcome"], style), f"  {found['result']}"))

    with_plane(work, data, server, key, quiet=as_json)


@knowledge_app.command("ask")
def ask(
    question: Annotated[str, typer.Argument(help="As a caller would ask it.")],
    tenant: Annotated[str, typer.Option(help="The tenant's id.")],
    most: Annotated[int, typer.Option(min=1, max=16)] = 5,
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """What a call would find: passages, scores, milliseconds."""

    async def work(plane: ControlPlane) -> None:
        path = f"/v1/tenants/{tenant}/knowledge/ask"
        found = await plane.ask("GET", path, params={"question": question, "most": most})
        if as_json:
            print_json(found)
            return
        screen = console()
        for passage in found["passages"]:
            head = f" › {passage['heading']}" if passage["heading"] else ""
            screen.print(Text.assemble((f"{passage['score']:.2f}  ", "bold"), (f"{passage['source']}{head}", "cyan")))
            screen.print(Text(f"      {' '.join(passage['text'].split())[:300]}"))
        verdict = "the documents answer this" if found["answerable"] else "the documents do not answer this"
        screen.print(Text(f"{verdict}; {found['milliseconds']:.1f} ms, version {found['version']}", style="dim"))

    with_plane(work, data, server, key, models=True, quiet=as_json)


@knowledge_app.command("add")
def add_document(
    file: Annotated[Path, typer.Argument(help="Markdown, text, HTML, PDF, DOCX or CSV.", exists=True, dir_okay=False)],
    tenant: Annotated[str, typer.Option(help="The tenant's id.")],
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Take a document into the knowledge, in place of one of the same name."""

    async def work(plane: ControlPlane) -> None:
        content = await asyncio.to_thread(file.read_bytes)
        path = f"/v1/tenants/{tenant}/knowledge/documents"
        done = await plane.ask("POST", path, params={"name": file.name}, content=content)
        if as_json:
            print_json(done)
        else:
            console().print(
                f"version {done['version']}: {done['added']} passages new, {done['kept']} kept, {done['removed']} gone"
            )

    with_plane(work, data, server, key, models=True, quiet=as_json)


def api_command(method: str, path: str, body: str, data: Path | None, server: str, key: str) -> None:
    """Any route: its JSON to standard output."""

    async def work(plane: ControlPlane) -> None:
        given = {"json": json.loads(body)} if body else {}
        response = await plane.send(method.upper(), path, **given)
        if response.content:
            sys.stdout.write(response.text.rstrip("\n") + "\n")

    if body:
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            raise InputError("--body is no JSON", stage="cli") from None
    with_plane(work, data, server, key, models="/knowledge/" in path, quiet=True)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError('--arguments must be a JSON object, like \'{"day": "Tuesday"}\'', stage="cli")
    return cast("dict[str, Any]", value)
