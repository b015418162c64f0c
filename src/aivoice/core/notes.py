"""Who asks for notes beside the conversation: the state after each turn, summaries before they are needed. Pure.

No reply ever waits for them: what has not come is not shown, and the window keeps to its budget without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import Window
from aivoice.core.context import History
from aivoice.core.outbox import Outbox
from aivoice.core.state import ConversationState
from aivoice.core.tokens import message_tokens

_EXCHANGE = 6
"""Messages that an extraction is shown at most: the turn, what came before it, tool results between."""


@dataclass(slots=True)
class NoteTaker:
    """extracted: messages that an extraction was asked for. extracting, summarising: the running operation, 0: none.
    upto: what the running summary covers. tries: summaries that failed in a row. topic: at the last summary."""

    out: Outbox
    history: History
    state: ConversationState
    extracted: int = 0
    extracting: int = 0
    summarising: int = 0
    upto: int = 0
    tries: int = 0
    topic: str = ""

    # ------------------------------------------------------------ state

    def unread(self) -> bool:
        """Something was said that no extraction has seen, and none is running."""
        self.extracted = min(self.extracted, len(self.history.messages))
        new = self.history.messages[self.extracted :]
        return not self.extracting and any(message.role == "user" for message in new)

    def extract(self, turn: int) -> None:
        self.extracting = self.out.new_id()
        messages = self.history.messages
        first = min(self.extracted, max(0, len(messages) - 2))
        shown = tuple(messages[max(first - 1, len(messages) - _EXCHANGE, 0) :])
        self.extracted = len(messages)
        self.out.emit(c.Extract(turn, self.extracting, self.state.render(), shown))

    def on_state(self, event: e.StateReady) -> None:
        if event.attempt != self.extracting:
            self.out.emit(c.Note("stale", event.turn, event.attempt, "state"))
            return
        self.extracting = 0
        self.state.merge(event.entries, event.turn, event.exact)

    # ------------------------------------------------------------ summaries

    def due(self, window: Window, *, silent: bool) -> bool:
        """A trigger has fired, and there is something old enough to be summarised."""
        if self.summarising or self.tries > window.summary_tries:
            return False
        turns = self.history.turns_from(self.history.summarised)
        high = self.history.scale.own(window.history)
        by_size = self.history.cost(self.history.summarised) >= window.summary_at * high
        by_turns = bool(window.summary_turns) and turns >= window.summary_turns + window.recent
        changed = bool(self.topic) and self.state.topic != self.topic
        by_topic = bool(window.topic_turns) and changed and turns >= window.topic_turns + window.recent
        if not (by_size or by_turns or by_topic or silent):
            return False
        old = self.history.messages[self.history.summarised : self._cut(window)]
        return any(message.role == "user" for message in old)

    def summarise(self, turn: int, window: Window) -> None:
        self.summarising, self.upto = self.out.new_id(), self._cut(window)
        self.topic = self.state.topic
        old = tuple(self.history.messages[self.history.summarised : self.upto])
        self.out.emit(c.Summarise(turn, self.summarising, self.upto, self.history.summary, old))

    def on_summary(self, event: e.SummaryReady) -> None:
        if event.attempt != self.summarising:
            self.out.emit(c.Note("stale", event.turn, event.attempt, "summary"))
            return
        self.summarising = 0
        if not event.text.strip():
            self.tries += 1
            return
        self.tries = 0
        self.history.summarise_upto(self.upto, event.text)

    def close(self) -> None:
        """The call is over: nobody needs what still runs."""
        for attempt in (self.extracting, self.summarising):
            if attempt:
                self.out.emit(c.Cancel(0, attempt))
        self.extracting = self.summarising = 0

    def _cut(self, window: Window) -> int:
        """Up to where the history is summarised: the last `recent` turns stay, and so much that the window falls to its
        low mark."""
        history = self.history
        by_size = history.boundary(history.scale.own(window.history_low))
        left, index = window.recent, len(history.messages)
        while index > 0 and left:
            index -= 1
            left -= history.messages[index].role == "user"
        return min(by_size if self._much(window) else len(history.messages), index)

    def _much(self, window: Window) -> bool:
        """More than the low mark is there: what fits beneath it stays whole."""
        total = sum(map(message_tokens, self.history.messages[self.history.summarised :]))
        return total > self.history.scale.own(window.history_low)
