"""``aivoice cost``: what a minute costs, reckoned from prices, and where this deployment stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aivoice.billing.cost import (
    GPU,
    PAPER,
    PAPER_AT,
    SELF_HOSTED,
    TARGET,
    THINKS,
    UNIT,
    Assumptions,
    Item,
    Metered,
    add_up,
    carriers,
    list_prices,
    list_rows,
    metered,
    own_voice,
    stack,
    to_json,
    voices,
    with_gpu_hour,
)
from aivoice.billing.prices import Prices, load_prices, prices_of
from aivoice.cli.cost_page import DAYS, Deployment, Page, show_call
from aivoice.cli.output import print_json
from aivoice.errors import InputError, VoiceError

if TYPE_CHECKING:
    from aivoice.cli.plane import ControlPlane


@dataclass(frozen=True, slots=True)
class Where:
    """Of what installation: a server's, or this machine's. data: None: as the environment says."""

    data: Path | None
    server: str
    key: str


def cost_command(
    call: str,
    given: Assumptions,
    where: Where,
    *,
    gpu_hour: float | None,
    prices_file: Path | None,
    providers_file: Path | None,
    reckoned: bool,
    as_json: bool,
) -> None:
    """call: "": the month. Raises VoiceError."""
    prices, listed = _prices(where, prices_file, providers_file)
    if gpu_hour is not None:
        prices = with_gpu_hour(prices, gpu_hour * UNIT)
        listed = with_gpu_hour(listed, gpu_hour * UNIT)
    if call:
        found = _call_usage(call, where, prices)
        if as_json:
            print_json({"call": call, **_metered_json(found)})
        else:
            show_call(call, found)
        return
    deployment = Deployment(None, "not asked for") if reckoned else _deployment(where, prices)
    now = datetime.now(UTC)
    paper = voices(_paper(given), listed, PAPER_AT)
    mine = voices(given, prices, now)
    stacks = {mind: stack(given, prices, now, mind=mind) for mind in THINKS}
    fixed = _fixed(deployment.found, given, prices, now)
    if as_json:
        print_json(_as_json(given, paper, mine, stacks, deployment, fixed))
    else:
        Page(given).show(paper, mine, stacks, deployment, fixed)


def _paper(given: Assumptions) -> Assumptions:
    return Assumptions(
        minutes=given.minutes,
        speech_share=PAPER.speech_share,
        open_hours=PAPER.open_hours,
        rush=PAPER.rush,
        characters=given.characters,
        rtf=given.rtf,
        gpu_load=given.gpu_load,
    )


def _prices(where: Where, prices_file: Path | None, providers_file: Path | None) -> tuple[Prices, Prices]:
    """The operator's own over the product's list, and that list."""
    from aivoice.hosting.installation import data_folder
    from aivoice.hosting.provider_file import find_providers

    listed = list_prices()
    found = find_providers(where.data or data_folder(), providers_file)
    own = prices_of(found.content.prices, str(found.path)) if found.content.prices else Prices()
    if prices_file is not None:
        own = load_prices(prices_file).over(own)
    return own.over(listed), listed


# ---------------------------------------------------------------- one call


def _call_usage(call: str, where: Where, prices: Prices) -> Metered:
    path = Path(call)
    if path.is_dir():
        path /= "journal.jsonl"
    if path.is_file():
        return usage_of_journal(path, prices)
    tenant, slash, call_id = call.partition("/")
    if not slash or "/" in call_id or not tenant or not call_id:
        raise InputError(
            f"{call}: there is no such folder or journal; a call of a tenant is named TENANT/CALL", stage="cli"
        )
    rows: list[Any] = []

    async def work(plane: ControlPlane) -> None:
        answer = await plane.ask("GET", f"/v1/tenants/{tenant}/calls/{call_id}/usage")
        rows.extend(answer["events"])

    _ask(work, where)
    used = [
        (each["type"].removeprefix("aivoice.usage."), each["data"]["provider"], each["data"]["quantity"],
         each["data"]["cost"])
        for each in rows
    ]  # fmt: skip
    return metered(used, _call_seconds(used), prices, datetime.now(UTC))


def usage_of_journal(path: Path, prices: Prices) -> Metered:
    """What a call used by its journal (not by a sealed one). Raises JournalError."""
    from aivoice.core import commands as c
    from aivoice.core import events as e
    from aivoice.engine.replay import read_file
    from aivoice.hosting.meter import UsageMeter

    reading = read_file(path)
    meter, up, end = UsageMeter(reading.call_id), 0, 0
    for entry in reading.entries:
        if entry.kind in ("event", "command"):
            meter(entry.at_us, entry.value)
            if isinstance(entry.value, e.MediaUp):
                up = up or entry.at_us
            end = entry.at_us if not isinstance(entry.value, e.ToolEnded | c.Note) else end
    seconds = -(-(end - up) // 1_000_000) if up else 0
    used = [(event.type, event.provider, event.quantity, 0) for event in meter.events()]
    return metered(used, seconds, prices, datetime.now(UTC))


# ---------------------------------------------------------------- this deployment


def _deployment(where: Where, prices: Prices) -> Deployment:
    """By the installation's usage events. An installation that cannot be asked is no reason not to reckon."""
    import os

    from aivoice.cli.plane import SERVER
    from aivoice.hosting.installation import data_folder

    there = where.server or os.environ.get(SERVER) or any((where.data or data_folder()).glob("*"))
    if not there:
        return Deployment(None, "there is no installation here")
    found: list[Metered] = []

    async def work(plane: ControlPlane) -> None:
        until = datetime.now(UTC)
        span = {"since": (until - timedelta(days=DAYS)).isoformat(), "until": until.isoformat()}
        after: str | None = ""
        while after is not None:
            page = await plane.ask("GET", "/v1/tenants", params={"limit": 200, "after": after})
            for row in page["tenants"]:
                money = await plane.ask("GET", f"/v1/tenants/{row['id']}/usage", params=span)
                used = [(each["type"], each["provider"], each["quantity"], each["cost"]) for each in money["usage"]]
                found.append(metered(used, _call_seconds(used), prices, until))
            after = page["next"]

    try:
        _ask(work, where)
    except VoiceError as error:
        return Deployment(None, str(error))
    total = add_up(found)
    return Deployment(total) if total.seconds else Deployment(None, f"no call in the last {DAYS} days")


def _call_seconds(used: Sequence[tuple[str, str, int, int]]) -> int:
    return sum(quantity for kind, _, quantity, _ in used if kind == "call.seconds")


def _ask(work: Any, where: Where) -> None:
    from aivoice.cli.asking import with_plane

    with_plane(work, where.data, where.server, where.key, quiet=True)


def _fixed(found: Metered | None, given: Assumptions, prices: Prices, now: datetime) -> tuple[Item, ...]:
    """What a deployment pays by the month, as assumed: a GPU where its own voice is used, room and line."""
    if found is None:
        return ()
    own = any(each.provider.startswith(SELF_HOSTED) for each in found.used)
    users = -(-given.calls_at_once() // 1)
    gpu = (own_voice(given, prices, now),) if own else ()
    return (*gpu, *carriers(given, prices, now, int(users)))


def _metered_json(found: Metered) -> dict[str, Any]:
    return {
        **to_json(found),
        "cost": found.cost,
        "per_minute": found.per_minute,
        "by_provider": found.by_provider(),
        "target": TARGET,
        "met": found.per_minute <= TARGET,
    }


def _as_json(
    given: Assumptions,
    paper: tuple[Item, ...],
    mine: tuple[Item, ...],
    stacks: dict[str, tuple[Item, ...]],
    deployment: Deployment,
    fixed: tuple[Item, ...],
) -> dict[str, Any]:
    """Amounts in micro-units."""
    sums = {mind: sum(item.per_minute for item in items) for mind, items in stacks.items()}
    found = deployment.found
    monthly = sum(item.per_minute for item in fixed)
    return {
        "target": TARGET,
        "assumptions": {**to_json(given), "calls_at_once": given.calls_at_once(), "gpus": given.gpus()},
        "voices": {"paper": [to_json(item) for item in paper], "now": [to_json(item) for item in mine]},
        "stack": {
            mind: {"items": [to_json(item) for item in items], "per_minute": sums[mind], "met": sums[mind] <= TARGET}
            for mind, items in stacks.items()
        },
        "deployment": {"metered": None, "why": deployment.why}
        if found is None
        else {
            "metered": _metered_json(found),
            "fixed": [to_json(item) for item in fixed],
            "per_minute": found.per_minute + monthly,
            "met": found.per_minute + monthly <= TARGET,
        },
        "gpu": GPU,
        "prices": [dict(row) for row in list_rows()],
    }
