"""A tiny engine for the core's tests: runs commands abstractly, one event at a time, and notes what contracts speak of.

It is written from the command docs alone and shares no code with the engine, so that the two check each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig, Speculation
from aivoice.core.prompt import ToolSpec

BOOK = ToolSpec("book", "Book a visit", {"type": "object"}, side_effects=True, time_limit_ms=3_000)
LOOK = ToolSpec("look", "Look up free times", {"type": "object"}, side_effects=False)
PLAIN = CallConfig(speculation=Speculation(enabled=False))
TOOLS = CallConfig(speculation=Speculation(enabled=False), tools=(BOOK, LOOK))
WORD = 4_000
"""Samples each word of a clip takes here: 250 ms."""


@dataclass
class ToyClip:
    id: int
    turn: int
    text: str = ""
    final: bool = False
    position: int = 0
    started: bool = False
    played: int = 0

    @property
    def words(self) -> tuple[int, ...]:
        return tuple(range(0, len(self.text.split()) * WORD, WORD))

    @property
    def samples(self) -> int:
        return len(self.text.split()) * WORD


@dataclass
class Toy:
    """call and everything that the outside world would know of it. Times are ms; `now` only grows."""

    config: CallConfig = field(default_factory=CallConfig)
    now: int = 0
    clips: dict[int, ToyClip] = field(default_factory=dict[int, ToyClip])
    queue: list[ToyClip] = field(default_factory=list[ToyClip])
    held: bool = False
    open: dict[int, c.Command] = field(default_factory=dict[int, c.Command])
    log: list[tuple[int, c.Command]] = field(default_factory=list[tuple[int, c.Command]])
    gone: set[int] = field(default_factory=set[int])
    position: int = 0
    finished: str = ""

    def __post_init__(self) -> None:
        self.call = Call(self.config)

    # ------------------------------------------------------------ driving

    def feed(self, event: e.Event) -> list[c.Command]:
        """One event now; returns the commands it caused (with those of the events they caused)."""
        made: list[c.Command] = []
        waiting = [event]
        while waiting:
            event = waiting.pop(0)
            self.watch(event)
            self.call.handle(event, self.now * 1_000)
            while (command := self.call.poll()) is not None:
                assert not self.finished, f"a command after Finish: {command}"
                self.log.append((self.now, command))
                self.watch(command)
                made.append(command)
                waiting.extend(self.execute(command))
        return made

    def watch(self, item: e.Event | c.Command) -> None:
        """Told of every event before it is handled and of every command before it is executed."""

    def pass_time(self, ms: int) -> list[c.Command]:
        """Let `ms` pass: audio plays, deadlines fire on time."""
        made: list[c.Command] = []
        end = self.now + ms
        while self.now < end:
            step = end
            due = self.call.next_deadline()
            if due is not None:
                step = min(step, max(-(-due // 1_000), self.now))
            clip = self.queue[0] if self.queue and not self.held else None
            if clip is not None and clip.final:
                step = min(step, self.now + max((clip.samples - clip.position) // 16, 1))
            made += self._advance(step - self.now)
            if due is not None and due <= self.now * 1_000:
                before = self.call.next_deadline()
                made += self.feed(e.Tick())
                assert (
                    self.call.next_deadline() != before
                    or step > self.now
                    or self.finished
                    or before is None
                    or before > self.now * 1_000
                ), "a deadline that does not move"
            elif step == self.now:
                self.now += 1
        return made

    def _advance(self, ms: int) -> list[c.Command]:
        self.now += ms
        made: list[c.Command] = []
        left = ms * 16
        while self.queue and not self.held:
            clip = self.queue[0]
            if not clip.samples:
                if not clip.final:
                    break
            elif not clip.started:
                clip.started = True
                made += self.feed(e.PlayoutStarted(clip.turn, clip.id))
                if self.held or not self.queue or self.queue[0] is not clip:
                    break
            take = min(left, clip.samples - clip.position)
            clip.position += take
            clip.played += take
            left -= take
            if clip.position < clip.samples or not clip.final:
                break
            self.queue.pop(0)
            made += self.feed(e.PlayoutFinished(clip.turn, clip.id))
        self.position += ms * 16
        return made

    # ------------------------------------------------------------ the commands

    def execute(self, command: c.Command) -> list[e.Event]:
        match command:
            case c.Speak():
                return self._speak(command)
            case c.Play():
                return self._play(command)
            case c.Hold() | c.Stop():
                held = self._held()
                self.held = isinstance(command, c.Hold)
                if isinstance(command, c.Stop):
                    self.gone |= {clip.id for clip in self.queue}
                    self.queue.clear()
                return [held]
            case c.Resume():
                assert self.held, "Resume without Hold"
                self.held = False
                if self.queue and self.queue[0].id == command.attempt:
                    assert command.samples <= self.queue[0].position, "Resume ahead of what was played"
                    self.queue[0].position = command.samples
            case c.Cancel():
                started = self.open.pop(command.attempt, None)
                assert not (isinstance(started, c.RunTool) and started.side_effects), "a side effect was cancelled"
                self.gone.add(command.attempt)
            case c.Generate() | c.Retrieve() | c.RunTool() | c.Transfer() | c.RenewLease():
                assert command.attempt not in self.open
                self.open[command.attempt] = command
            case c.Finish():
                self.finished = command.reason
            case _:
                pass
        return []

    def _speak(self, command: c.Speak) -> list[e.Event]:
        assert command.attempt not in self.gone, "speech for a clip that is gone"
        clip = self.clips.setdefault(command.attempt, ToyClip(command.attempt, command.turn))
        assert not clip.final
        clip.text += command.text
        clip.final = command.final
        self.open[command.attempt] = command
        return []

    def _play(self, command: c.Play) -> list[e.Event]:
        assert command.attempt not in self.gone, "a dropped clip plays again"
        assert command.attempt not in {clip.id for clip in self.queue}
        out: list[e.Event] = []
        clip = self.clips.setdefault(command.attempt, ToyClip(command.attempt, command.turn))
        if command.cached:
            clip.text, clip.final = self.config.clip_text(command.cached), True
            out.append(e.ClipReady(clip.turn, clip.id, clip.samples, clip.words))
        at = (
            next((i for i, each in enumerate(self.queue) if not each.started), len(self.queue))
            if command.first
            else len(self.queue)
        )
        self.queue.insert(at, clip)
        return out

    def _held(self) -> e.PlayoutHeld:
        clip = self.queue[0] if self.queue and self.queue[0].started else None
        return e.PlayoutHeld(clip.turn, clip.id, clip.position, clip.words) if clip else e.PlayoutHeld(0, 0, 0)

    # ------------------------------------------------------------ the world

    def start(self) -> None:
        """Answered, media up, greeting heard."""
        self.feed(e.Answered("2026-11-24T10:00:00-05:00", "America/New_York"))
        self.feed(e.MediaUp())
        self.pass_time(20_000 if not self.config.silence.reprompt else 1_000 + self.queue[0].samples // 16)

    def voice(self, text: str = "", ms: int = 600, *, final: bool = True, interim: bool = True) -> list[c.Command]:
        """The caller speaks for `ms` and says `text`; timing as the benchmark's stages."""
        start = self.position
        self.pass_time(50)
        made = self.feed(e.SpeechStarted(start, (self.now - 50) * 1_000))
        made += self.pass_time(ms - 50)
        end, at = self.position, self.now * 1_000
        made += self.pass_time(100)
        made += self.feed(e.SpeechEnded(end, at))
        if interim and text:
            made += self.pass_time(50)
            made += self.feed(e.Heard("interim", text, start, end))
        if final:
            made += self.pass_time(150)
            made += self.feed(e.Heard("final", text, start, end))
        return made

    def of(self, kind: type[c.Command]) -> list[c.Command]:
        """Open operations of one kind, oldest first."""
        return [self.open[key] for key in sorted(self.open) if isinstance(self.open[key], kind)]

    def generate(
        self, *tokens: str, tools: tuple[tuple[str, str, str], ...] = (), failed: str = "", end: bool = True
    ) -> list[c.Command]:
        """The newest generation gives these tokens and tool calls, then ends."""
        command = self.of(c.Generate)[-1]
        assert isinstance(command, c.Generate)
        made: list[c.Command] = []
        for token in tokens:
            made += self.feed(e.Token(command.turn, command.attempt, token))
        for call_id, name, arguments in tools:
            made += self.feed(e.ToolRequested(command.turn, command.attempt, call_id, name, arguments))
        if end:
            self.open.pop(command.attempt, None)
            made += self.feed(e.GenerationEnded(command.turn, command.attempt, failed))
        return made

    def synthesise(self, *, failed: str = "") -> list[c.Command]:
        """Every clip whose text is complete gets its audio now."""
        made: list[c.Command] = []
        while ready := [each for each in self.of(c.Speak) if self.clips[each.attempt].final]:  # type: ignore[attr-defined]
            clip = self.clips[ready[0].attempt]  # type: ignore[attr-defined]
            del self.open[clip.id]
            if failed:
                clip.text = ""
                made += self.feed(e.ClipReady(clip.turn, clip.id, 0, (), failed))
            else:
                made += self.feed(e.ClipAudio(clip.turn, clip.id, WORD))
                made += self.feed(e.ClipReady(clip.turn, clip.id, clip.samples, clip.words))
        return made

    def said(self, kind: type[c.Command]) -> list[c.Command]:
        """All commands of one kind so far."""
        return [command for _, command in self.log if isinstance(command, kind)]


def call(config: CallConfig = PLAIN) -> Toy:
    """A call that has been answered and greets."""
    toy = Toy(config)
    toy.start()
    return toy


def heard(toy: Toy) -> list[tuple[str, str]]:
    """How each reply ended, and what of it was heard."""
    return [(reply.outcome, reply.heard) for reply in toy.said(c.ReplyEnded)]


def kinds(commands: list[c.Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


def answered(
    toy: Toy, question: str = "what are your opening hours?", reply: str = "We open at nine. We close at five."
) -> Toy:
    """The same call with a question asked and its answer on its way out."""
    toy.voice(question)
    toy.generate(*[word + " " for word in reply.split()])
    toy.synthesise()
    return toy
