"""What is known so far in the conversation, beside its raw history (mission: multi-turn coherence). Pure.

Everything is a flat key and a text: ``caller.name``, ``appointment.day``, ``topic``, ``pending.<what>`` (a question or
an action that is open), ``needed.<what>`` (what the caller must still tell), ``objective.<what>`` (what the call is
for, and how it stands). So one rule merges all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core.tokens import text_tokens

TOPIC = "topic"
_MOST_KEY, _MOST_VALUE = 60, 300
MOST_FACTS = 120
"""Beyond that the oldest that nothing has mentioned since is forgotten."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an exchange adds to the state, or changes in it. exact: keys whose values were captured letter by letter.
    partial: there may be more in it, which could not be made out."""

    entries: tuple[tuple[str, str], ...] = ()
    exact: tuple[str, ...] = ()
    partial: bool = False


@dataclass(slots=True)
class ConversationState:
    """facts by key; turns: in which turn each was last told (also of those forgotten); exact: those captured letter by
    letter (a spelled name, digits, an e-mail address, a date), and in which turn."""

    facts: dict[str, str] = field(default_factory=dict[str, str])
    turns: dict[str, int] = field(default_factory=dict[str, int])
    exact: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def topic(self) -> str:
        return self.facts.get(TOPIC, "")

    def merge(self, entries: tuple[tuple[str, str], ...], turn: int, exact: tuple[str, ...] = ()) -> None:
        """Take an extraction made for `turn`. Of contradictory values the caller's latest words win: it never
        overwrites what a later turn said. What was captured exactly is only replaced by what is. An empty value
        forgets the key."""
        for key, value in entries:
            key, value = " ".join(key.split())[:_MOST_KEY], " ".join(value.split())[:_MOST_VALUE]
            if not key or self.turns.get(key, -1) > turn or (key in self.exact and key not in exact):
                continue
            self.turns[key] = turn
            if key in exact:
                self.exact[key] = turn
            if value:
                self.facts.pop(key, None)  # to the end: the newest
                self.facts[key] = value
            else:
                self.facts.pop(key, None)
                self.exact.pop(key, None)
        while len(self.facts) > MOST_FACTS:
            oldest = next((key for key in [*self.facts][:-1] if key not in self.exact), next(iter(self.facts)))
            del self.facts[oldest]
            self.exact.pop(oldest, None)

    def render(self, tokens: int = 1 << 20) -> str:
        """One ``key: value`` a line, in the order in which they became known, at most about `tokens` long: what was
        captured exactly first, then the newest."""
        lines = {key: f"{key}: {value}" for key, value in self.facts.items()}
        left = tokens
        kept: set[str] = set()
        for key in sorted(lines, key=lambda key: (key in self.exact, self.turns.get(key, 0)), reverse=True):
            left -= text_tokens(lines[key]) + 1
            if left < 0:
                break
            kept.add(key)
        return "\n".join(line for key, line in lines.items() if key in kept)
