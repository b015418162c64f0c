"""Who asks for notes beside the conversation: the state after each turn, summaries before they are needed. Pure.

No reply ever waits for them: what has not come is not shown, and the window keeps to its budget without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import Window
from aivoice.core.context import History
from aivoice.core.fit import fitted, shortened
from aivoice.core.outbox import Outbox
from aivoice.core.state import ConversationState
from aivoice.core.tokens import message_tokens

_READ = 2_000
"""Tokens (ours) of conversation that one extraction reads at most; what is left is read by the next."""
_REST = 10
"""Turns between attempts at a summary once the tries are used up: an outage is not for ever."""


@dataclass(slots=True)
class NoteTaker:
    """extracted: messages that an extraction was asked for. solid: up to where all that was asked could be made out;
    what lies between is read once more. extracting, summarising: the running operation, 0: none. upto: what the
    running summary covers. tries: summaries that failed in a row; retry: turns of the call from which on the next may
    be asked for. topic: at the last summary. looked: where no summary was due, so that not every event counts anew."""

    out: Outbox
    history: History
    state: ConversationState
    extracted: int = 0
    extracting: int = 0
    summarising: int = 0
    upto: int = 0
    tries: int = 0
    topic: str = ""
    solid: int = 0
    retry: int = 0
    looked: tuple[int, int, str] = (0, 0, "")

    # ------------------------------------------------------------ state

    def unread(self) -> bool:
        """Something was said that no extraction has seen, and none is running."""
        self.extracted = min(self.extracted, len(self.history.messages))
        new = self.history.messages[self.extracted :]
        return not self.extracting and any(message.role == "user" for message in new)

    def extract(self, turn: int, window: Window) -> None:
        """Ask for what the unread messages say, with the message before them; the oldest first where they are many."""
        messages = self.history.messages
        costs = [min(message_tokens(message), _READ // 2) for message in messages]
        first = end = self.extracted
        left = _READ
        while end < len(messages) and (left >= costs[end] or not any(m.role == "user" for m in messages[first:end])):
            left -= costs[end]
            end += 1
        while first > min(self.solid, self.extracted) and left >= costs[first - 1]:
            first -= 1
            left -= costs[first]
        shown = tuple(fitted(message, _READ // 2) for message in messages[max(first - 1, 0) : end])
        self.extracting, self.extracted, self.solid = self.out.new_id(), end, first
        known = self.state.render(2 * self.history.scale.own(window.state))
        self.out.emit(c.Extract(turn, self.extracting, known, shown))

    def on_state(self, event: e.StateReady) -> None:
        if event.attempt != self.extracting:
            self.out.emit(c.Note("stale", event.turn, event.attempt, "state"))
            return
        self.extracting = 0
        if not event.partial:
            self.solid = self.extracted
        self.state.merge(event.entries, event.turn, event.exact)

    # ------------------------------------------------------------ summaries

    def due(self, window: Window, *, silent: bool) -> bool:
        """A trigger has fired, and there is something old enough to be summarised."""
        history = self.history
        looked = (len(history.messages), history.summarised, self.state.topic)
        if self.summarising or (looked == self.looked and not silent):
            return False
        if not silent:
            self.looked = looked
        if history.turns_from(0) < self.retry or not (silent or self._triggered(window)):
            return False
        old = history.messages[history.summarised : self._cut(window)]
        due = any(message.role == "user" for message in old)
        if due:
            self.looked = (0, 0, "")
        return due

    def _triggered(self, window: Window) -> bool:
        history = self.history
        high, most = history.high(window.history, window.history_low), self._most(window)
        turns = history.turns_from(history.summarised)
        by_turns = bool(window.summary_turns) and turns >= window.summary_turns + window.recent
        changed = bool(self.topic) and self.state.topic != self.topic
        by_topic = bool(window.topic_turns) and changed and turns >= window.topic_turns + window.recent
        return by_turns or by_topic or history.cost(history.summarised, most) >= window.summary_at * high

    def summarise(self, turn: int, window: Window) -> None:
        history = self.history
        self.summarising, self.upto = self.out.new_id(), self._cut(window)
        self.topic = self.state.topic
        old = tuple(fitted(each, self._most(window)) for each in history.messages[history.summarised : self.upto])
        before = shortened(history.summary, 2 * history.scale.own(window.summary))
        self.out.emit(c.Summarise(turn, self.summarising, self.upto, before, old))

    def on_summary(self, event: e.SummaryReady, window: Window) -> None:
        """One that could not be made is asked for again with the next turn, `Window.summary_tries` times, and after
        that every ten turns."""
        if event.attempt != self.summarising:
            self.out.emit(c.Note("stale", event.turn, event.attempt, "summary"))
            return
        self.summarising = 0
        if event.text.strip():
            self.tries = self.retry = 0
            self.history.summarise_upto(self.upto, event.text)
            return
        self.tries += 1
        wait = 1 if self.tries <= window.summary_tries else _REST
        self.retry = self.history.turns_from(0) + wait

    def close(self) -> None:
        """The call is over: nobody needs what still runs."""
        for attempt in (self.extracting, self.summarising):
            if attempt:
                self.out.emit(c.Cancel(0, attempt))
        self.extracting = self.summarising = 0

    def _cut(self, window: Window) -> int:
        """Up to where the history is summarised: the last `recent` turns stay, and so much that the window falls to its
        low mark."""
        history, most = self.history, self._most(window)
        low = history.scale.own(window.history_low)
        left, index = window.recent, len(history.messages)
        while index > 0 and left:
            index -= 1
            left -= history.messages[index].role == "user"
        much = history.cost(history.summarised, most) > low  # what fits beneath the low mark stays whole
        return min(history.boundary(low, most) if much else len(history.messages), index)

    def _most(self, window: Window) -> int:
        """What one message counts at most, as in the window itself."""
        return self.history.share(window.history, window.history_low)
