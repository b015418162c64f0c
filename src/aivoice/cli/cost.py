"""``aivoice cost``: what a minute costs, reckoned from prices, and where this deployment stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from aivoice.billing.cost import (
    GPU,
    HOURS,
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
from aivoice.cli.output import console, print_json
from aivoice.errors import InputError, VoiceError

if TYPE_CHECKING:
    from aivoice.cli.plane import ControlPlane

DAYS = 30
_UNIT_NAMES = {
    "stt.seconds": "seconds heard",
    "llm.prompt_tokens": "tokens read",
    "llm.cached_tokens": "tokens read from the cache",
    "llm.completion_tokens": "tokens written",
    "llm.wasted_prompt_tokens": "tokens read in vain",
    "llm.wasted_completion_tokens": "tokens written in vain",
    "tts.characters": "characters spoken",
    "tool.calls": "calls of the tool",
}


@dataclass(frozen=True, slots=True)
class Where:
    """Of what installation: a server's, or this machine's. data: None: as the environment says."""

    data: Path | None
    server: str
    key: str


@dataclass(frozen=True, slots=True)
class _Deployment:
    """What the last `DAYS` days came to, or why that is not known."""

    found: Metered | None
    why: str = ""


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
        _show_call(call, _call_usage(call, where, prices), as_json=as_json)
        return
    deployment = _Deployment(None, "not asked for") if reckoned else _deployment(where, prices)
    now = datetime.now(UTC)
    paper = voices(_paper(given), listed, PAPER_AT)
    mine = voices(given, prices, now)
    stacks = {mind: stack(given, prices, now, mind=mind) for mind in THINKS}
    fixed = _fixed(deployment.found, given, prices, now)
    if as_json:
        print_json(_as_json(given, paper, mine, stacks, deployment, fixed))
    else:
        _Page(given).show(paper, mine, stacks, deployment, fixed)


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


def _show_call(name: str, call: Metered, *, as_json: bool) -> None:
    if as_json:
        print_json({"call": name, **_metered_json(call)})
        return
    screen = console()
    minutes = call.seconds / 60
    screen.print(
        Text.assemble((f"{name}: ", "bold"), (_money(call.cost, 4), "bold green"), f" for {minutes:.1f} minutes, ")
        + _against(call.per_minute)
    )
    screen.print(_used_table(call, minutes))
    _say_unpriced(call)
    screen.print(Text("Services by usage; the GPU, the room and the line are a matter of the month.", style="dim"))


# ---------------------------------------------------------------- this deployment


def _deployment(where: Where, prices: Prices) -> _Deployment:
    """By the installation's usage events. An installation that cannot be asked is no reason not to reckon."""
    import os

    from aivoice.cli.plane import SERVER
    from aivoice.hosting.installation import data_folder

    there = where.server or os.environ.get(SERVER) or any((where.data or data_folder()).glob("*"))
    if not there:
        return _Deployment(None, "there is no installation here")
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
        return _Deployment(None, str(error))
    total = add_up(found)
    return _Deployment(total) if total.seconds else _Deployment(None, f"no call in the last {DAYS} days")


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


# ---------------------------------------------------------------- showing


class _Page:
    def __init__(self, given: Assumptions) -> None:
        self._given, self._screen = given, console()

    def show(
        self,
        paper: tuple[Item, ...],
        mine: tuple[Item, ...],
        stacks: dict[str, tuple[Item, ...]],
        deployment: _Deployment,
        fixed: tuple[Item, ...],
    ) -> None:
        self._voices(paper, mine)
        self._stack(stacks)
        self._standing(deployment, fixed, stacks)
        self._assumed()

    def _voices(self, paper: tuple[Item, ...], mine: tuple[Item, ...]) -> None:
        given = self._given
        self._head(f"A voice for {given.minutes:,} minutes a month")
        table = _table(("", False), ("as the paper reckons", True), ("as calls are", True), ("a minute", True))
        best = min(item.month for item in mine)
        for then, now in zip(paper, mine, strict=True):
            name = f"{now.provider} (self-hosted)" if now.provider == SELF_HOSTED else now.provider
            style = "green" if now.month == best else ""
            table.add_row(
                name, _money(then.month), Text(_money(now.month), style=style), Text(_money(now.per_minute, 4), style)
            )
        self._screen.print(table)
        self._say("The paper: prices of January 2026, every minute spoken, calls spread evenly over all hours.")
        self._say(f"As calls are: prices as listed now, {mine[-1].how}.")

    def _stack(self, stacks: dict[str, tuple[Item, ...]]) -> None:
        self._head("Everything that a minute costs, reckoned")
        table = _table(("part", False), ("provider", False), ("a month", True), ("a minute", True), ("how", False))
        first, *others = stacks.values()
        for item in first:
            table.add_row(item.part, item.provider, _money(item.month), _money(item.per_minute, 4), item.how)
        total = sum(item.per_minute for item in first)
        table.add_row("", "together", _money(total * self._given.minutes), _over(total), "")
        for items in others:
            mind = next(item for item in items if item.part == "thinking")
            total = sum(item.per_minute for item in items)
            table.add_row("", f"… with {mind.provider}", _money(total * self._given.minutes), _over(total), "")
        self._screen.print(table)

    def _standing(self, deployment: _Deployment, fixed: tuple[Item, ...], stacks: dict[str, tuple[Item, ...]]) -> None:
        self._head(f"This deployment against {_money(TARGET, 3)} a minute")
        found = deployment.found
        if found is None:
            self._say(f"Nothing metered ({deployment.why}); by the reckoning above:")
            for mind, items in stacks.items():
                self._screen.print(Text(f"  with {mind}: ") + _against(sum(item.per_minute for item in items)))
            return
        minutes = found.seconds / 60
        self._screen.print(_used_table(found, minutes))
        services = found.per_minute
        monthly = sum(item.per_minute for item in fixed)
        self._screen.print(
            Text(f"  {minutes:,.0f} minutes in {DAYS} days; services as metered {_money(services, 4)} a minute, and ")
            + Text(f"{_money(monthly, 4)} assumed for {', '.join(item.provider for item in fixed)}: ")
            + _against(services + monthly)
        )
        _say_unpriced(found)

    def _assumed(self) -> None:
        self._head("Assumed, not measured")
        given = self._given
        lines = (
            f"The agent speaks {given.speech_share:.0%} of a minute (--speech-share), {given.characters:,} characters "
            "a spoken minute.",
            f"Calls come in {given.open_hours} hours of a month (--open-hours), in the busiest {given.rush:g} times as "
            f"many as on average (--rush): {given.calls_at_once():.1f} at once.",
            f"A second of speech takes {given.rtf:g} s of a GPU (--rtf; what the voice's makers say of the fastest "
            f"model, not measured by us), {HOURS} h a month are rented.",
            f"Prompts of {given.prompt:,} tokens (--prompt), {given.cached:.0%} from the cache (--cached), "
            f"{given.turns:g} turns a minute; writing a cache counts as reading without one.",
        )
        for line in lines:
            self._say(line)
        self._say("List prices change and contracts differ: --prices FILE, or `prices:` in providers.yaml. The list:")
        for row in list_rows():
            since = f" from {row['since'][:10]}" if "since" in row else ""
            self._say(f"  {row['provider']}{since}: {row['what']} ({row['source']})")

    def _head(self, text: str) -> None:
        self._screen.print(Text(f"\n{text}", style="bold"))

    def _say(self, text: str) -> None:
        self._screen.print(Text(f"  {text}", style="dim"))


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, number in columns:
        table.add_column(name, justify="right" if number else "left", no_wrap=number)
    return table


def _used_table(found: Metered, minutes: float) -> Table:
    table = _table(("provider", False), ("used", True), ("", False), ("cost", True), ("a minute", True))
    for each in found.used:
        cost = _money(each.cost, 4) if each.priced else "no price"
        per = _money(each.cost / minutes, 4) if each.priced and minutes else ""
        table.add_row(each.provider, f"{each.quantity:,}", _UNIT_NAMES.get(each.type, each.type), cost, per)
    return table


def _say_unpriced(found: Metered) -> None:
    names = sorted({each.provider for each in found.used if not each.priced})
    if names:
        what = f"Counted as nothing, for there is no price in the list: {', '.join(names)}."
        console().print(Text(f"  {what}", style="yellow"))


def _money(micro: float, digits: int = 0) -> str:
    return f"${micro / UNIT:,.{digits}f}"


def _over(per_minute: float) -> Text:
    return Text(_money(per_minute, 4), style="green" if per_minute <= TARGET else "red")


def _against(per_minute: float) -> Text:
    met = per_minute <= TARGET
    far = abs(TARGET - per_minute) / TARGET
    said = f"{_money(per_minute, 4)} a minute, {far:.0%} {'below' if met else 'above'} the target"
    return Text(said, style="green" if met else "red")


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
    deployment: _Deployment,
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
