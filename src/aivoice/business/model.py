"""A business as the product uses it: frozen values, checked when the file was read (`aivoice.business.load`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aivoice.business.hours import NO_HOURS, Hours
from aivoice.core.built_in import built_in_tools
from aivoice.core.config import DEFAULT_CLIPS, CallConfig, Silence, Target
from aivoice.core.config import Emergency as CallEmergency
from aivoice.core.prompt import ToolSpec

SERVICE = "service"
"""Endpoint of a tool that the business's own local service (`Business.service`) answers."""
MESSAGES = "builtin:messages"
"""Endpoint of the message box that every business has."""


@dataclass(frozen=True, slots=True)
class Document:
    """One knowledge document. source: its path relative to the business file. text: Markdown or plain text."""

    source: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Price:
    """item: what is paid for. price: as it is said to a caller ("$85", "from $120 an hour"). note: conditions."""

    item: str
    price: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """What the receptionist can do.

    parameters: a JSON Schema object. endpoint: an http(s) URL, `SERVICE` or `MESSAGES`.
    """

    name: str
    description: str
    parameters: dict[str, Any] = field(hash=False)
    side_effects: bool
    endpoint: str
    fillers: tuple[str, ...] = ()
    time_limit_ms: int = 5_000

    def spec(self) -> ToolSpec:
        """Without the endpoint: what the model and the core may see."""
        return ToolSpec(
            self.name, self.description, self.parameters, self.side_effects, self.fillers, self.time_limit_ms
        )


@dataclass(frozen=True, slots=True)
class TransferTarget:
    """A person or desk that a call can be handed to. number: E.164, an extension, or ``sip:`` address; may be empty."""

    name: str
    number: str = ""
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """max_call_minutes: a call ends politely then. silent_after_s: a silent caller is asked then (twice, then goodbye).

    concurrent_calls: calls of this business at a time; more are refused.
    """

    max_call_minutes: int = 30
    silent_after_s: int = 8
    concurrent_calls: int = 8


@dataclass(frozen=True, slots=True)
class Emergency:
    """phrases: what a caller says; then only `sentence` is spoken and the call goes to `target` (a transfer's name)."""

    phrases: tuple[str, ...] = ()
    sentence: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Business:
    """Everything a business file says. Only `name` is required there; the rest has working defaults.

    path: the file. service: the Python file of the local service, or None. sentences: the owner's wording of ready-made
    clips (`DEFAULT_CLIPS` keys). lexicon: how to say words that a voice gets wrong ("Siobhan" → "shi-vawn").
    """

    name: str
    path: Path
    greeting: str = ""
    disclosure: str = ""
    personality: str = ""
    instructions: str = ""
    timezone: str = "UTC"
    voice: str = "default"
    address: str = ""
    phone: str = ""
    email: str = ""
    website: str = ""
    hours: Hours = NO_HOURS
    prices: tuple[Price, ...] = ()
    documents: tuple[Document, ...] = ()
    tools: tuple[Tool, ...] = ()
    transfers: tuple[TransferTarget, ...] = ()
    emergency: Emergency = Emergency()
    limits: Limits = Limits()
    sentences: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    lexicon: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    service: Path | None = None

    def tool(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model and the core see them: in the file's order, then those that every call has."""
        return (*(tool.spec() for tool in self.tools), *built_in_tools([item.name for item in self.transfers]))

    def clips(self) -> dict[str, str]:
        """Every sentence to synthesise when the business is set up: key → text, as `CallConfig.clips` wants them.

        The owner's own sentences win; ``filler.<tool>`` bridges that tool, further fillers are ``filler.<tool>.2`` ….
        """
        clips = dict(DEFAULT_CLIPS)
        clips["greeting"] = " ".join(
            part for part in (self.greeting or self._default_greeting(), self.disclosure) if part
        )
        clips["goodbye"] = f"Thank you for calling {self.name}. Goodbye."
        if self.emergency.sentence:
            clips["emergency"] = self.emergency.sentence
        clips.update(self.sentences)
        for tool in self.tools:
            for number, sentence in enumerate(tool.fillers, start=1):
                clips.setdefault(f"filler.{tool.name}" + (f".{number}" if number > 1 else ""), sentence)
        return clips

    def _default_greeting(self) -> str:
        return f"Thank you for calling {self.name}. How can I help?"

    def system_prompt(self) -> str:
        """The instructions for a language model: stable over a call and over calls, so prompt caches keep it."""
        from aivoice.business.prompt import system_prompt

        return system_prompt(self)

    def facts(self) -> tuple[Document, ...]:
        """Hours, prices and contact details as documents, for `aivoice.knowledge` beside the business's own."""
        from aivoice.business.prompt import fact_documents

        return fact_documents(self)

    def call_config(self) -> CallConfig:
        """The call's settings that follow from the file; the product's defaults for the rest."""
        return CallConfig(
            system=self.system_prompt(),
            tools=self.tool_specs(),
            clips=self.clips(),
            targets=tuple(Target(item.name, item.number, item.phrases) for item in self.transfers),
            emergency=CallEmergency(self.emergency.phrases, self.emergency.target),
            silence=Silence(reprompt=self.limits.silent_after_s * 1_000),
            max_call=self.limits.max_call_minutes * 60_000,
        )
