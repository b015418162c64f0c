"""What is known so far in the conversation, beside its raw history (mission: multi-turn coherence). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class ConversationState:
    """Flat facts by key, e.g. ``appointment.date``; the caller's latest words win. An empty value forgets the key."""

    facts: dict[str, str] = field(default_factory=dict[str, str])
    turns: dict[str, int] = field(default_factory=dict[str, int])

    def merge(self, entries: tuple[tuple[str, str], ...], turn: int) -> None:
        """Take an extraction made for `turn`; it never overwrites what a later turn said."""
        for key, value in entries:
            if self.turns.get(key, -1) > turn:
                continue
            self.turns[key] = turn
            if value:
                self.facts[key] = value
            else:
                self.facts.pop(key, None)

    def render(self) -> str:
        """One ``key: value`` a line, in the order in which the facts became known."""
        return "\n".join(f"{key}: {value}" for key, value in self.facts.items())
