"""A world for the core that is honest about time and sound: audio plays only once it was made, words are known late.

`World` is `Toy` with a media clock of its own. What a caller could hear is kept here to the sample and told to a
`Judge`, who knows the contracts and nothing of the core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.unit.core.judge import Judge
from tests.unit.core.playing import WORD, Toy, ToyClip

from aivoice.core import commands as c
from aivoice.core import events as e

VAD_START, VAD_END, STT = 50, 100, 150
"""ms after which voice, silence and words are told."""
_MOST_TICKS = 20


@dataclass(slots=True)
class Later:
    due: int
    number: int
    happens: Callable[[], object]
    words: bool = False


@dataclass
class World(Toy):
    """unfinal: what was said and has no final transcript yet. cancelled: operations that were
    called off. lost: words whose final never comes."""

    made: dict[int, int] = field(default_factory=dict[int, int])
    broken: set[int] = field(default_factory=set[int])
    later: list[Later] = field(default_factory=list[Later])
    unfinal: list[str] = field(default_factory=list[str])
    cancelled: list[c.Command] = field(default_factory=list[c.Command])
    lost: set[str] = field(default_factory=set[str])
    speaking: bool = False
    calls: int = 0
    stt_busy: int = 0
    quiet_told: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.judge = Judge(self)

    def watch(self, item: e.Event | c.Command) -> None:
        self.judge.see(item)

    # ------------------------------------------------------------ time and sound

    def length(self, clip: ToyClip) -> int:
        """Samples the clip will have in the end, as far as its text is known."""
        return self.made.get(clip.id, 0) if clip.id in self.broken else clip.samples

    def whole(self, clip: ToyClip) -> bool:
        return clip.id in self.broken or (clip.final and self.made.get(clip.id, 0) == clip.samples)

    def sounding(self) -> ToyClip | None:
        """The clip that is heard at this moment."""
        clip = self.queue[0] if self.queue and not self.held else None
        return clip if clip is not None and clip.started and clip.position < self.made.get(clip.id, 0) else None

    def pass_time(self, ms: int) -> list[c.Command]:
        start, end = len(self.log), self.now + ms
        self._happen()
        while self.now < end and not self.finished:
            self._flow(self._next_moment(end) - self.now)
            self._happen()
        return [command for _, command in self.log[start:]]

    def until(self, kind: type[c.Command], ms: int) -> list[c.Command]:
        """Pass time until a command of this kind, at most `ms`."""
        made: list[c.Command] = []
        end = self.now + ms
        while self.now < end and not self.finished and not any(isinstance(each, kind) for each in made):
            made += self.pass_time(10)
        return made

    def _next_moment(self, end: int) -> int:
        moments = [end, *(each.due for each in self.later)]
        due = self.call.next_deadline()
        if due is not None:
            moments.append(-(-due // 1_000))
        clip = self.sounding()
        if clip is not None:
            moments.append(self.now + (self.made[clip.id] - clip.position) // 16)
        return max(min(moments), self.now + 1)

    def _flow(self, ms: int) -> None:
        clip = self.sounding()
        if clip is not None:
            clip.position = min(clip.position + ms * 16, self.made[clip.id])
        self.position += ms * 16
        self.now += ms
        self.judge.time_passed(ms, sounding=clip is not None)

    def _happen(self) -> None:
        """Everything that is due at this very moment."""
        ticks = 0
        while not self.finished:
            clip = self.queue[0] if self.queue and not self.held else None
            due = self.call.next_deadline()
            if clip is not None and self.whole(clip) and clip.position >= self.length(clip):
                self.queue.pop(0)
                self.feed(e.PlayoutFinished(clip.turn, clip.id))
            elif clip is not None and not clip.started and self.made.get(clip.id, 0) > clip.position:
                clip.started = True
                self.feed(e.PlayoutStarted(clip.turn, clip.id))
            elif self.later and self.later[0].due <= self.now:
                self.later.pop(0).happens()
            elif due is not None and due <= self.now * 1_000:
                ticks += 1
                assert ticks < _MOST_TICKS, "a deadline that does not move"
                self.feed(e.Tick())
            else:
                return

    def at(self, ms: int, happens: Callable[[], object], *, words: bool = True) -> None:
        """Let something happen in `ms`, in the order of asking. words: the recogniser tells it."""
        self.calls += 1
        self.later.append(Later(self.now + ms, self.calls, happens, words))
        self.later.sort(key=lambda each: (each.due, each.number))

    def transfers(self) -> set[int]:
        """The attempts of transfers under way."""
        return {command.attempt for command in self.open.values() if isinstance(command, c.Transfer)}

    # ------------------------------------------------------------ commands

    def execute(self, command: c.Command) -> list[e.Event]:
        if isinstance(command, c.Cancel) and command.attempt in self.open:
            self.cancelled.append(self.open[command.attempt])
        events = super().execute(command)
        if isinstance(command, c.Play) and command.cached:
            clip = self.clips[command.attempt]
            self.made[clip.id] = clip.samples
        return events

    # ------------------------------------------------------------ the caller

    def start(self, *, greeted: bool = True) -> None:
        self.feed(e.Answered("2026-11-24T10:00:00-05:00", "America/New_York"))
        self.feed(e.MediaUp())
        self.pass_time(self.queue[0].samples // 16 + 100 if greeted else 600)

    def say(self, text: str, ms: int, *, said: str = "", interim: bool = True, final_after: int | None = 300) -> None:
        """The caller speaks for `ms`. said: what the final will say (else `text`); final_after: ms behind the voice,
        None: it never comes. Returns when the voice ended; the words come in time."""
        self.pass_time(max(self.quiet_told + VAD_START - self.now, 0))  # a shorter pause would be none to the VAD
        start, began = self.position, self.now
        self.speaking = True
        self.pass_time(min(VAD_START, ms))
        self.feed(e.SpeechStarted(start, began * 1_000))
        if interim and text and ms >= 2 * STT:
            half = " ".join(text.split()[: max(len(text.split()) // 2, 1)])
            self.at((ms - VAD_START) // 2, lambda: self._heard("interim", half, start, self.position - STT * 16))
        self.pass_time(ms - VAD_START)
        self.speaking = False
        end, at = self.position, self.now
        self.quiet_told = at + VAD_END
        self.at(VAD_END, lambda: self.feed(e.SpeechEnded(end, at * 1_000)), words=False)
        if interim and text:
            self.at(STT, lambda: self._heard("interim", text, start, end))
        self.stt_busy = max(self.stt_busy + 1, self.now + (final_after or 0))
        if final_after is not None:
            self.unfinal.append(text)
            self.at(self.stt_busy - self.now, lambda: self._final(said or text, start, end))
        else:
            self.lost |= set(text.split())

    def recogniser_dies(self) -> None:
        """What it had not told yet is never told."""
        for text in self.unfinal:
            self.lost |= set(text.split())
        self.unfinal.clear()
        self.later[:] = [each for each in self.later if not each.words]
        self.feed(e.HearingFailed("down"))

    def _heard(self, kind: str, text: str, start: int, end: int) -> None:
        before = self.unfinal[:-1] if text and self.unfinal and self.unfinal[-1] == text else self.unfinal
        whole = " ".join([*before, text]).strip()
        self.feed(e.Heard("interim" if kind == "interim" else "final", whole, start, end))

    def _final(self, text: str, start: int, end: int) -> None:
        self.unfinal.pop(0)
        self.feed(e.Heard("final", text, start, end))

    # ------------------------------------------------------------ the operations

    def find(self) -> None:
        for command in self.of(c.Retrieve):
            assert isinstance(command, c.Retrieve)
            del self.open[command.attempt]
            self.feed(e.PassagesFound(command.turn, command.attempt, ()))

    def think(self, *tokens: str, tool: tuple[str, str] | None = None, failed: str = "", end: bool = True) -> None:
        """The newest generation, if there is one, gives tokens, perhaps a tool call, and ends."""
        self.find()
        if self.of(c.Generate):
            self.calls += 1
            tools = ((f"id{self.calls}", *tool),) if tool else ()
            self.generate(*tokens, tools=tools, failed=failed, end=end)

    def voice_made(self, words: int = 1_000, failed: str = "") -> None:
        """At most so many more words of each open clip get their audio, in order; then, perhaps, the voice fails."""
        for command in self.of(c.Speak):
            clip = self.clips[command.attempt]  # type: ignore[attr-defined]
            if clip.id not in self.open:
                continue
            before = self.made.get(clip.id, 0)
            self.made[clip.id] = min(before + words * WORD, clip.samples)
            if not before and self.made[clip.id]:
                self.feed(e.ClipAudio(clip.turn, clip.id, self.made[clip.id]))
            if clip.id in self.open and (failed or (clip.final and self.made[clip.id] == clip.samples)):
                self._clip_ends(clip, failed)

    def _clip_ends(self, clip: ToyClip, failed: str) -> None:
        del self.open[clip.id]
        made = self.made[clip.id]
        if failed:
            self.broken.add(clip.id)
            clip.final = True
            if not made:
                self.queue[:] = [each for each in self.queue if each is not clip]
        self.feed(e.ClipReady(clip.turn, clip.id, made, clip.words, failed))

    def tool_ends(self, outcome: str, *, newest: bool = False) -> None:
        for command in self.of(c.RunTool)[-1 if newest else 0 :][:1]:
            assert isinstance(command, c.RunTool)
            del self.open[command.attempt]
            result = f'{{"n":{command.attempt}}}' if outcome == "ok" else ""
            self.feed(e.ToolEnded(command.turn, command.attempt, outcome, result))  # type: ignore[arg-type]

    def transfer_goes(self, state: str) -> None:
        for command in self.of(c.Transfer):
            assert isinstance(command, c.Transfer)
            if state != "ringing":
                del self.open[command.attempt]
            self.feed(e.TransferState(command.turn, command.attempt, state))  # type: ignore[arg-type]

    def stale(self, command: c.Command) -> e.Event:
        """A result of an operation that is over."""
        match command:
            case c.Generate(turn, attempt):
                return e.Token(turn, attempt, "Too late. ")
            case c.Retrieve(turn, attempt):
                return e.PassagesFound(turn, attempt, ())
            case c.Speak(turn, attempt):
                return e.ClipReady(turn, attempt, WORD, (0,))
            case c.RunTool(turn, attempt):
                return e.ToolEnded(turn, attempt, "ok", '{"late":1}')
            case c.Transfer(turn, attempt):
                return e.TransferState(turn, attempt, "connected")
            case _:
                raise AssertionError(command)
