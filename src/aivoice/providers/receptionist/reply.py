"""A reply while it is being put together: sentences, tool calls, and the voice that words them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aivoice.core.prompt import GenerationRequest
from aivoice.providers.receptionist.readback import canonical
from aivoice.providers.receptionist.say import Voice
from aivoice.providers.receptionist.schema import TAKE_MESSAGE
from aivoice.providers.receptionist.state import State


@dataclass(frozen=True, slots=True)
class Reply:
    """text: what is said. calls: (tool name, canonical JSON arguments), run after the text."""

    text: str
    calls: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Draft:
    """Sentences and calls in order. `add` keeps a sentence from being said twice in one reply."""

    state: State
    request: GenerationRequest
    voice: Voice
    parts: list[str] = field(default_factory=list[str])
    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def add(self, *sentences: str) -> None:
        for sentence in sentences:
            if sentence and sentence not in " ".join(self.parts):
                self.parts.append(sentence)

    def say(self, key: str, **slots: str) -> None:
        self.add(self.voice.say(key, **slots))

    def call(self, tool: str, arguments: dict[str, Any]) -> None:
        self.calls.append((tool, canonical(arguments)))

    def done(self) -> Reply:
        return Reply(" ".join(self.parts), tuple(self.calls))

    @property
    def can_message(self) -> bool:
        return self.state.shape(TAKE_MESSAGE) is not None

    @property
    def can_transfer(self) -> bool:
        return bool(self.state.facts.targets)

    def offer_help(self) -> None:
        """Offer what is left when this receptionist cannot help: a message, a person."""
        if self.can_message and self.can_transfer:
            self.say("offer_either")
        elif self.can_message:
            self.say("offer_message")
        elif self.can_transfer:
            self.say("offer_transfer")
