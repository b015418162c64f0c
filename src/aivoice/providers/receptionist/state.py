"""The dialogue as it stands, derived from the messages alone: `replay` reads them in order and remembers nothing else.

Whoever spoke before (this receptionist, another model, the caller cutting in), the same messages give the same state.
What counts as confirmed is only what the caller HEARD read back, value for value, before a yes.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from aivoice.providers.receptionist.acts import Act
from aivoice.providers.receptionist.facts import Facts
from aivoice.providers.receptionist.reader import Problem, Values
from aivoice.providers.receptionist.schema import BUILT_IN, TAKE_MESSAGE, Shape
from aivoice.providers.receptionist.slots import Moment, Result
from aivoice.providers.receptionist.text import plain

Offer = Literal["message", "transfer", "more", "change", "other_day", "task"]

_MARK = re.compile(r"\[interrupted(?: while saying:[^\]]*)?\]?\s*$")
SUMMARY = "[Earlier in this call:"


@dataclass(slots=True)
class Record:
    """A tool call that was made. told: the caller has heard something since its result came. args: canonical JSON."""

    id: str
    name: str
    args: str
    given: dict[str, Any]
    result: Result | None = None
    told: bool = False
    values: Values = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Turn:
    """The caller's last message, understood. text empty: nothing was said yet.

    started, dropped: forms begun and given up in it. reask: a field that is wrong without its right value.
    """

    text: str = ""
    acts: frozenset[Act] = frozenset()
    started: str = ""
    dropped: str = ""
    changed: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    rejected: bool = False
    person: bool = False
    declined: tuple[Offer, ...] = ()
    reask: str = ""
    info: tuple[str, ...] = ()
    done_change: bool = False
    misses: int = 0


@dataclass(slots=True)
class State:
    """form: the tool being filled in, or "". asked: fields the caller was asked for. body: the read-back as heard.

    confirmed: canonical arguments the caller said yes to. offers: what the last words proposed. offered: times
    proposed.
    taken: a time (HH:MM, or "day") that turned out not to be free, by `checked`. choices: the options
    that it left. subject: the text of the last
    question about the business. parked: values of forms left aside. fresh: nothing answered the
    caller's last message yet. misses: turns in a row that were not understood.
    """

    now: dt.datetime
    facts: Facts
    shapes: tuple[Shape, ...]
    form: str = ""
    values: Values = field(default_factory=dict[str, Any])
    asked: tuple[str, ...] = ()
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    read_back: bool = False
    confirmed: str = ""
    offers: tuple[Offer, ...] = ()
    offered: tuple[Moment, ...] = ()
    taken: str = ""
    choices: tuple[str, ...] = ()
    parked: dict[str, Values] = field(default_factory=dict[str, Values])
    contact: Values = field(default_factory=dict[str, Any])
    records: list[Record] = field(default_factory=list[Record])
    last_done: str = ""
    subject: str = ""
    checked: Record | None = None
    heard: str = ""
    heard_all: list[str] = field(default_factory=list[str])
    fresh: bool = False
    turn: Turn = field(default_factory=Turn)
    misses: int = 0
    steps: int = 0

    def shape(self, name: str) -> Shape | None:
        return next((item for item in self.shapes if item.name == name), None)

    @property
    def active(self) -> Shape | None:
        return self.shape(self.form) if self.form else None

    @property
    def today(self) -> dt.date:
        return self.now.date()

    def made(self, name: str, args: str) -> Record | None:
        """The call with exactly these arguments that was made before, if any."""
        return next((item for item in reversed(self.records) if item.name == name and item.args == args), None)


def split_heard(text: str) -> tuple[str, bool]:
    """What the caller heard of a reply, and whether it was cut off there."""
    match = _MARK.search(text)
    return (text[: match.start()].strip(), True) if match else (text.strip(), False)


_OFFERS: tuple[tuple[Offer, str], ...] = (
    ("message", r"\b(take|leave|pass on) (a|your|the) message\b|\bwhat shall i pass on\b|\btake a message instead\b"),
    ("transfer",
        r"\b(transfer you|put you through|connect you|pass you on)\b|\b(speak|talk) (to|with) (someone|"
        r"a person|a human|somebody)\b"
    ),
    ("more", r"\b(anything else|what else can i|what can i do for you|how (can|may) i help|something else)\b"),
    ("change",
        r"\b(what should i change|which part is wrong|what would you like to change|"
        r"what would you like me to change)\b"
    ),
    ("other_day", r"\b(another day|a different day|different time|another time)\b"),
    ("task",
        r"\b(would you like (me )?to (book|schedule|reserve|set)|shall i (book|schedule|set)|want me to (book|"
        r"schedule))\b"
    ),
)  # fmt: skip


def offers_in(heard: str) -> tuple[Offer, ...]:
    """What the agent's last words proposed to the caller."""
    said = plain(heard)
    return tuple(name for name, pattern in _OFFERS if re.search(pattern, said))


def leave(state: State, keep: bool = False) -> None:
    """The form is over (done, or given up); `keep` parks its values for later."""
    if state.form and keep:
        state.parked[state.form] = dict(state.values)
    state.form, state.values, state.asked, state.confirmed, state.read_back = "", {}, (), "", False
    state.attempts, state.offered, state.taken = {}, (), ""


def main_form(state: State) -> Shape | None:
    """The form that most callers come for: the first tool with side effects that makes something new."""
    undoing = ("cancel", "reschedule", "move", "change")
    aside = BUILT_IN | {TAKE_MESSAGE}
    return next(
        (
            s
            for s in state.shapes
            if s.spec.side_effects and s.askable and s.verb not in undoing and s.name not in aside
        ),
        None,
    )


CONTACT = ("phone", "email", "address")


def remember_contact(state: State, shape: Shape) -> None:
    for item in shape.fields:
        if item.name in state.values and (
            item.kind in CONTACT or (item.kind == "name" and item.label.endswith("name"))
        ):
            state.contact[item.kind] = state.values[item.name]
