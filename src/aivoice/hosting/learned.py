"""What a call process has learned from the calls of each tenant, for the next one: whether guesses pay, how slow its
tools are. In memory: a new process learns it anew within a few calls."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median_low

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.core.speculation import Known
from aivoice.engine.ports import Observer

KEEP = 0.93
"""How much of what was known still counts after another call: half of it after ten."""
RUNS, FEW_RUNS = 15, 3
"""Newest runs of a tool that its median is taken of, and how many are needed for one."""
MOST_TENANTS, MOST_TOOLS = 4_096, 64


class SpeculationRecord:
    """A tenant's guesses over its calls, newer ones weighing more."""

    def __init__(self) -> None:
        self.known = Known()

    def add(self, call: Known) -> None:
        """Another call has ended."""
        self.known = self.known.plus(call, keep=KEEP)


@dataclass(slots=True)
class ToolTimes:
    """How long the tools of one tenant take: the median of their newest runs, in ms. A run that ended by its time limit
    counts with that."""

    _runs: dict[str, deque[int]] = field(default_factory=dict[str, "deque[int]"])

    def add(self, name: str, ms: int) -> None:
        if name in self._runs or len(self._runs) < MOST_TOOLS:
            self._runs.setdefault(name, deque(maxlen=RUNS)).append(ms)

    def usual(self) -> tuple[tuple[str, int], ...]:
        """By tool, in the order of their names; those of which too little is known are not in it."""
        return tuple((name, median_low(runs)) for name, runs in sorted(self._runs.items()) if len(runs) >= FEW_RUNS)


@dataclass(slots=True)
class _Tenant:
    guesses: SpeculationRecord = field(default_factory=SpeculationRecord)
    tools: ToolTimes = field(default_factory=ToolTimes)


class Learned:
    """Of every tenant; of those not called for longest it is forgotten first."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()

    def for_call(self, tenant_id: str, config: CallConfig) -> CallConfig:
        """The settings of a call that begins now."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            return config
        return replace(
            config,
            speculation=replace(config.speculation, known=tenant.guesses.known),
            tool_rules=replace(config.tool_rules, measured=tenant.tools.usual()),
        )

    def observer(self, tenant_id: str) -> Observer:
        """Learns from one call. A function of its own, so that calls at one time do not mix."""
        tenant = self._tenants.setdefault(tenant_id, _Tenant())
        self._tenants.move_to_end(tenant_id)
        if len(self._tenants) > MOST_TENANTS:
            self._tenants.popitem(last=False)
        return _observer(tenant)


def _observer(tenant: _Tenant) -> Callable[[int, e.Event | c.Command], None]:
    running: dict[int, tuple[str, int]] = {}

    def look(at_us: int, item: e.Event | c.Command) -> None:
        match item:
            case c.RunTool():
                running[item.attempt] = (item.name, at_us)
            case e.ToolEnded() if item.attempt in running:
                name, since = running.pop(item.attempt)
                tenant.tools.add(name, (at_us - since) // 1_000)
            case c.Speculated():
                tenant.guesses.add(item.call)
            case _:
                pass

    return look
