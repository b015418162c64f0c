"""Tools take time; the caller is never left alone with it, may talk meanwhile, and nothing that was done is lost.

Each test is one phrase of what was asked of tools, tried on the whole engine in virtual time.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import DEFAULT_CLIPS, CallConfig, Silence, Tools
from aivoice.core.prompt import GenerationRequest, ToolSpec
from aivoice.engine.ports import ToolOutcome
from aivoice.engine.session import CallSession, Providers
from aivoice.testing.fake_llm import Reply
from aivoice.testing.fake_services import FakeClips
from aivoice.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeVad, Truth, TtsBehaviour, lay_out
from aivoice.testing.sound import voice_pcm
from aivoice.testing.virtual_time import run_virtual
from aivoice.transports.memory import MemoryTransport

DAY = {"type": "object", "properties": {"day": {"type": "string"}}}
LOOK = ToolSpec("look", "Free times.", DAY, side_effects=False, time_limit_ms=20_000)
BOOK = ToolSpec("book", "Books.", DAY, side_effects=True, time_limit_ms=20_000)
LINES = {
    "greeting": "Hello.",
    "filler.look": "I am looking that up for you now.",
    "filler.look.2": "The diary is slow today.",
    "filler.book": "I am booking that for you.",
}
CONFIG = CallConfig(tools=(LOOK, BOOK), clips=LINES, silence=Silence(reprompt=3_600_000))
ASKED_AT = 2.5
"""Seconds from the start at which the caller begins to speak; the greeting is over."""

Author = Callable[[GenerationRequest], Reply]


@dataclass
class Line:
    """What a call was, to the millisecond."""

    records: list[tuple[int, e.Event | c.Command]] = field(default_factory=list)
    runs: list[tuple[str, str, float]] = field(default_factory=list)
    requests: list[GenerationRequest] = field(default_factory=list)

    def at(self, kind: type, **wanted: Any) -> list[float]:
        """When records of this kind with these members came, in ms."""
        return [at / 1_000 for at, item in self.records if _is(item, kind, wanted)]

    def items(self, kind: type) -> list[Any]:
        return [item for _, item in self.records if isinstance(item, kind)]

    def sounds(self) -> list[tuple[str, float, float]]:
        """Each clip that sounded: its key or text, from when to when (ms; -1: it was cut)."""
        names: dict[int, str] = {}
        found: list[tuple[str, float, float]] = []
        for at, item in self.records:
            match item:
                case c.Speak():
                    names[item.attempt] = (names.get(item.attempt, "") + item.text).strip()
                case c.Play(cached=key) if key:
                    names[item.attempt] = key
                case e.PlayoutStarted():
                    found.append((str(item.attempt), at / 1_000, -1))
                case e.PlayoutFinished():
                    found = [
                        (name, s, at / 1_000) if name == str(item.attempt) else (name, s, t) for name, s, t in found
                    ]
                case _:
                    pass
        return [(names[int(name)], start, end) for name, start, end in found]


def _is(item: object, kind: type, wanted: Mapping[str, Any]) -> bool:
    return isinstance(item, kind) and all(getattr(item, name) == value for name, value in wanted.items())


def hold(
    *said: tuple[str, float], author: Author, takes: Mapping[str, float], config: CallConfig = CONFIG, until: float = 20
) -> Line:
    """A call in which the caller says each text at its second; takes: seconds that each tool needs."""
    line, truth = Line(), Truth()
    words = [word for text, at in said for word in lay_out(text, int(at * SAMPLE_RATE))]
    truth.add(*words)

    class Services:
        async def run(self, name: str, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
            line.runs.append((name, json.dumps(arguments), asyncio.get_running_loop().time()))
            await asyncio.sleep(takes[name])
            return ToolOutcome("ok", json.dumps({"tool": name, **arguments}))

    def wrote(request: GenerationRequest) -> Reply:
        line.requests.append(request)
        return author(request)

    async def scenario() -> None:
        rng, pacer = random.Random(1), Pacer(asyncio.get_running_loop())
        position = [0]

        def frame() -> bytes | None:
            here, position[0] = position[0], position[0] + FRAME_SAMPLES
            voiced = any(word.start <= here < word.end for word in words)
            return voice_pcm(here, FRAME_SAMPLES, voiced=voiced) if here < until * SAMPLE_RATE else None

        session = CallSession(
            call_id="x",
            transport=MemoryTransport(frame, pacer=pacer),
            providers=Providers(
                FakeStt(truth, rng=rng), FakeLlm(wrote, rng=rng), FakeTts(TtsBehaviour(pcm=True), rng=rng), FakeVad()
            ),
            config=config,
            clips=FakeClips({**DEFAULT_CLIPS, **config.clips}, pcm=True),
            tools=Services(),
            observers=(lambda at, item: line.records.append((at, item)),),
            pacer=pacer,
        )
        await session.run()
        pacer.close()

    run_virtual(scenario())
    return line


def looks(*days: str, saying: str = "", tool: str = "look") -> Author:
    """Asks for the tool for each day, then says what came back."""

    def author(request: GenerationRequest) -> Reply:
        if request.messages[-1].role != "tool":
            return Reply(saying, tuple((tool, json.dumps({"day": day})) for day in days))
        results = [json.loads(message.text) for message in request.messages if message.role == "tool"]
        told = ", ".join(str(each.get("day", each.get("status"))) for each in results)
        return Reply(f"That came back for {told}.")

    return author


QUESTION = ("When are you free on Monday?", ASKED_AT)


def test_a_filler_is_heard_at_once_when_a_tool_will_not_answer_within_400_ms() -> None:
    line = hold(QUESTION, author=looks("monday"), takes={"look": 2.0})
    asked = line.at(e.GenerationEnded)[0]
    (_, begun, _), *_ = [sound for sound in line.sounds() if sound[0] == "filler.look"]
    assert 380 <= begun - asked <= 440


def test_one_that_answers_in_time_needs_none() -> None:
    line = hold(QUESTION, author=looks("monday"), takes={"look": 0.35})
    assert [name for name, *_ in line.sounds()] == ["greeting", "That came back for monday."]


def test_a_tool_that_is_known_to_be_slow_is_bridged_without_that_wait() -> None:
    known = replace(CONFIG, tool_rules=Tools(measured=(("look", 1_500),)))
    line = hold(QUESTION, author=looks("monday"), takes={"look": 1.5}, config=known)
    committed = max(line.at(e.GenerationEnded)[0], line.at(c.TurnEnded)[0])
    (_, begun, _), *_ = [sound for sound in line.sounds() if sound[0] == "filler.look"]
    assert begun - committed <= 40


def test_what_the_model_says_itself_is_the_bridge() -> None:
    known = replace(CONFIG, tool_rules=Tools(measured=(("look", 1_500),)))
    line = hold(
        QUESTION, author=looks("monday", saying="Let me have a look at Monday."), takes={"look": 1.2}, config=known
    )
    assert not [name for name, *_ in line.sounds() if name.startswith("filler")]


def test_the_answer_never_clips_the_filler() -> None:
    for takes in (0.5, 0.6, 0.9, 1.3, 2.4):
        line = hold(QUESTION, author=looks("monday"), takes={"look": takes})
        (_, _, filler_ends), (_, answer_begins, _) = line.sounds()[1:]
        assert 0 < filler_ends <= answer_begins
        assert not line.items(c.Hold) and not line.items(c.Stop)[:-1]


def test_a_second_line_follows_if_it_stays_slow() -> None:
    line = hold(QUESTION, author=looks("monday"), takes={"look": 9.0})
    names = [name for name, *_ in line.sounds()]
    assert names[1:4] == ["filler.look", "filler.look.2", "That came back for monday."]
    gaps = [after[1] - before[2] for before, after in zip(line.sounds()[1:], line.sounds()[2:], strict=False)]
    assert all(gap <= 4_000 for gap in gaps)


def test_the_caller_talks_meanwhile_and_the_result_waits_for_their_turn() -> None:
    """The result comes in the middle of their sentence: it is told after it, and the tool is not run again."""
    more = ("And in the morning if you can please.", ASKED_AT + 4.4)
    line = hold(QUESTION, more, author=looks("monday", saying="Let me have a look at that."), takes={"look": 3.6})
    came, ended = line.at(e.ToolEnded)[0], line.at(c.TurnEnded)
    voice = line.at(e.SpeechStarted)[1], line.at(e.SpeechEnded)[1]
    assert voice[0] < came < voice[1]
    assert not [1 for _, start, _ in line.sounds() if voice[0] < start < voice[1]], "nobody talks over the caller"
    told = [start for name, start, _ in line.sounds() if name.startswith("That came back")]
    assert len(told) == 1 and told[0] > ended[1]
    assert [name for name, *_ in line.runs] == ["look"]


def test_what_they_add_before_any_answer_joins_the_turn_and_the_lookup_goes_on() -> None:
    more = ("In the morning please.", ASKED_AT + 2.6)
    line = hold(QUESTION, more, author=looks("monday"), takes={"look": 4.0})
    assert line.items(c.TurnReopened)
    assert line.items(c.TurnEnded)[-1].text == "When are you free on Monday? In the morning please."
    assert [name for name, *_ in line.runs] == ["look"]
    assert line.sounds()[-1][0] == "That came back for monday."
    assert line.sounds()[-1][1] - line.at(e.ToolEnded)[-1] < 1_500


def test_tools_asked_for_together_run_together_and_are_answered_together() -> None:
    line = hold(QUESTION, author=looks("monday", "tuesday", "friday"), takes={"look": 1.0})
    begun = [at for _, _, at in line.runs]
    assert len(begun) == 3 and max(begun) - min(begun) < 0.05
    assert " ".join(name for name, *_ in line.sounds()[2:]) == "That came back for monday, tuesday, friday."
    assert len([name for name, *_ in line.sounds() if name.startswith("filler")]) == 1
    assert len(line.items(e.ToolEnded)) == 3


def test_a_side_effect_waits_for_the_decided_turn_and_for_quiet() -> None:
    line = hold(
        ("I would like to book Monday please.", ASKED_AT), author=looks("monday", tool="book"), takes={"book": 0.5}
    )
    assert line.items(c.Generate)[0].speculative, "the reply was begun before"
    run, decided = line.at(c.RunTool)[0], line.at(c.TurnEnded)[0]
    assert run >= decided + 300 and run >= line.at(e.SpeechEnded)[-1] + 200
    assert len(line.runs) == 1


def test_a_side_effect_whose_turn_goes_on_is_not_run_for_the_half_of_it() -> None:
    more = ("No sorry, on Tuesday please.", ASKED_AT + 2.75)

    def author(request: GenerationRequest) -> Reply:
        said = " ".join(message.text for message in request.messages if message.role == "user")
        return looks("tuesday" if "Tuesday" in said else "monday", tool="book")(request)

    line = hold(("I would like to book Monday please.", ASKED_AT), more, author=author, takes={"book": 0.5})
    decided = line.at(c.TurnEnded)[0]
    assert decided < line.at(e.SpeechStarted)[1] < decided + 400, "they went on right after"
    assert [arguments for _, arguments, _ in line.runs] == ['{"day": "tuesday"}']


def test_the_result_of_an_interrupted_turn_is_kept_and_told_later() -> None:
    """A booking begun is not undone by an interruption: it ends while they talk, and what it gave is in the prompt."""
    more = ("Do you have parking as well?", ASKED_AT + 4.5)
    author = looks("monday", saying="I am booking that for you right now.", tool="book")

    def receptionist(request: GenerationRequest) -> Reply:
        if "parking" in request.messages[-1].text:
            return Reply("Yes we do.")
        return author(request)

    line = hold(("I would like to book Monday please.", ASKED_AT), more, author=receptionist, takes={"book": 2.8})
    assert line.items(c.ReplyEnded)[-2].outcome in ("interrupted", "finished")
    assert [name for name, *_ in line.runs] == ["book"]
    (run,) = line.items(c.RunTool)
    assert not [item for item in line.items(c.Cancel) if item.attempt == run.attempt]
    last = line.requests[-1].messages
    assert any(message.role == "tool" and '"monday"' in message.text for message in last)
    calls = {call.id for message in last for call in message.tool_calls}
    assert {message.tool_call_id for message in last if message.role == "tool"} == calls
