"""What `aivoice cost` shows to people."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from aivoice.billing.cost import HOURS, SELF_HOSTED, TARGET, UNIT, Assumptions, Item, Metered, list_rows
from aivoice.cli.output import console

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
class Deployment:
    """What the last `DAYS` days came to, or why that is not known."""

    found: Metered | None
    why: str = ""


def show_call(name: str, call: Metered) -> None:
    screen = console()
    minutes = call.seconds / 60
    screen.print(
        Text.assemble((f"{name}: ", "bold"), (_money(call.cost, 4), "bold green"), f" for {minutes:.1f} minutes, ")
        + _against(call.per_minute)
    )
    screen.print(_used_table(call, minutes))
    _say_unpriced(call)
    screen.print(Text("Services by usage; the GPU, the room and the line are a matter of the month.", style="dim"))


class Page:
    def __init__(self, given: Assumptions) -> None:
        self._given, self._screen = given, console()

    def show(
        self,
        paper: tuple[Item, ...],
        mine: tuple[Item, ...],
        stacks: dict[str, tuple[Item, ...]],
        deployment: Deployment,
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

    def _standing(self, deployment: Deployment, fixed: tuple[Item, ...], stacks: dict[str, tuple[Item, ...]]) -> None:
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
