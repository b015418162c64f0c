"""Where commands wait to be polled, and where operation ids come from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from aivoice.core.commands import Command


@dataclass(slots=True)
class Outbox:
    """ids ascend and are never reused within a call."""

    commands: deque[Command] = field(default_factory=deque[Command])
    last_id: int = 0

    def emit(self, command: Command) -> None:
        self.commands.append(command)

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id
