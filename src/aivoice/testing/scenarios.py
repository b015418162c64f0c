"""Plans of simulated calls, drawn from a seed: who calls, what they do, how well the providers behave."""

from __future__ import annotations

import json
import random

from aivoice.core.config import CallConfig, Emergency, Speculation, Target
from aivoice.core.prompt import GenerationRequest, ToolSpec
from aivoice.testing.acts import Act, Behaviour, CallPlan, Chatter, Echo
from aivoice.testing.fake_llm import LlmBehaviour, Reply, digest
from aivoice.testing.fake_stt import SttBehaviour
from aivoice.testing.fake_tts import TtsBehaviour
from aivoice.testing.faults import FAULT_KINDS, Fault, FaultKind, Stage
from aivoice.testing.randomness import Constant, LogNormal, Uniform, derive

QUESTIONS = (
    "What are your opening hours on Saturday?",
    "How much is a regular cleaning?",
    "Do you take walk in patients?",
    "I wanted to ask about the parking situation near your office.",
    "Can you tell me whether you accept insurance?",
    "My daughter needs a check up before school starts.",
    "Is there anything available this week?",
    "I have been having some pain on the left side since Monday.",
    "What would a crown cost me?",
    "Do I need to bring any papers?",
    "Where exactly are you located?",
    "Could you explain how the billing works?",
)
LONG_QUESTIONS = (
    "I was wondering if you could fit me in sometime on Thursday afternoon",
    "My name is Peter Miller and I would like to ask about a whitening",
    "The thing is that I moved here from Boston and need a new dentist",
    "We have two kids and both of them should see somebody before the holidays",
)
GREETINGS = ("Hello,", "Hi.", "Good morning,", "Hi there.")
"""Callers breathe after these."""
INTERRUPTIONS = (
    "Wait, I meant next week.",
    "Sorry, how much was that?",
    "No no, that does not work for me.",
    "Hold on, can you repeat the price?",
    "Actually I need something else.",
)
BACKCHANNELS = ("mm-hm", "yeah", "okay", "uh huh", "right", "yeah okay")
EMAILS = (
    ("j o h n dot smith at example dot com", (4, 6)),
    ("anna underscore b at gmail dot com", (3, 4)),
    ("m i l l e r nine two at web dot org", (3, 6, 8)),
)
PHONES = (
    ("five five five one two three four five six seven", (3, 6)),
    ("two one two five five five oh one nine nine", (3, 6)),
    ("eight hundred five five five one two one two", (2, 5)),
)
CARDS = ("four one one one one two three four five six seven eight nine oh one two", (4, 8, 12))

TOOLS = (
    ToolSpec("check_slots", "Free times.", {"type": "object", "properties": {"day": {"type": "string"}}}, False),
    ToolSpec(
        "book_appointment",
        "Books a time.",
        {"type": "object", "properties": {"name": {"type": "string"}, "time": {"type": "string"}}},
        True,
        fillers=("Let me book that for you.",),
        time_limit_ms=4_000,
    ),
)
CONFIG_CLIPS = {
    "filler.book_appointment": "Let me book that for you.",
    "greeting": "Hello, Maple Dental, how can I help?",
}

_REPLIES = (
    "We are open from nine to six on weekdays and from ten to two on Saturdays.",
    "A regular cleaning is one hundred and twenty dollars. That includes a check up and two small X-rays.",
    "Yes, we do. You are welcome any time before four, but there may be a short wait.",
    "There is free parking right behind the building. Please take the entrance on Maple Street, and ring twice.",
    "Most plans are fine with us. We will check yours before the visit, so that there are no surprises on the bill.",
    "I am sorry to hear that. Let me see what we can do for you today.",
    "It depends on the material, and the doctor will explain the choices and their prices to you in detail.",
    "No, a photo identification is enough.",
    "Sure. Would the morning or the afternoon suit you better?",
)

_QUESTIONS_BACK = {
    "email": "Gladly. What is your e-mail address, please?",
    "call me back": "Of course. What is the best phone number to reach you?",
    "pay by card": "Sure. Please tell me your card number.",
}
_KEYWORDS = ("book", "available", "fit me in", *_QUESTIONS_BACK)


def author(request: GenerationRequest) -> Reply:
    """The simulated model: rules on the last message, else one of a few replies, by a digest of the conversation."""
    last = request.messages[-1] if request.messages else None
    if last is None:
        return Reply("Hello, how can I help?")
    if last.role == "tool":
        return _after_tool(last.text)
    said = last.text.lower()
    if "bye" in said:
        return Reply("Thank you for calling. Goodbye.", (("end_call", "{}"),))
    wanted = max(_KEYWORDS, key=said.rfind)  # a caller who asks for two things means the last one
    if wanted not in said:
        return Reply(_REPLIES[digest(request) % len(_REPLIES)])
    if wanted in _QUESTIONS_BACK:
        return Reply(_QUESTIONS_BACK[wanted])
    if wanted == "book":
        time = f"{9 + digest(request) % 8}:00"
        return Reply("I will book that.", (("book_appointment", json.dumps({"name": "Peter", "time": time})),))
    return Reply("Let me have a look.", (("check_slots", json.dumps({"day": "Thursday"})),))


def _after_tool(result: str) -> Reply:
    if "unknown" in result:
        return Reply("I could not confirm that it went through. Somebody will call you to make sure.")
    if "failed" in result or "cancelled" in result:
        return Reply("I am afraid that did not work. May I take a message instead?")
    return Reply("That is all set. Is there anything else I can do for you?")


def config(plan: CallPlan) -> CallConfig:
    """The business that is called."""
    return CallConfig(
        system="You are the receptionist of Maple Dental. Be brief and kind.",
        tools=TOOLS,
        clips=CONFIG_CLIPS,
        targets=(Target("office", "+15550100", ("the office",)),),
        emergency=Emergency(("cannot breathe", "knocked out"), "office"),
        speculation=Speculation(enabled=plan.speculation),
        tts_streams_text=plan.tts.streams_text,
        retrieval=plan.retrieval,
        max_call=4 * 60_000,
        note_taking=True,
    )


# ---------------------------------------------------------------- drawing a plan


def plan_call(seed: int, index: int) -> CallPlan:
    """The `index`-th call of a simulation with `seed`; independent of all other calls."""
    rng = derive(seed, index, "plan")
    troubled = rng.random() < 0.35
    frames = index % 20 == 7
    return CallPlan(
        index=index,
        seed=seed,
        acts=_acts(rng, short=frames),
        rate=rng.choice((0.85, 1.0, 1.0, 1.2)),
        echo=Echo(rng.uniform(-30, -12), rng.randint(40, 300)) if rng.random() < 0.15 else None,
        chatter=_chatter(rng),
        faults=_faults(rng, index) if troubled else (),
        stt=_stt(rng),
        llm=LlmBehaviour(LogNormal(350, 0.25, 1_200), Constant(30), words=3) if rng.random() < 0.8 else LlmBehaviour(),
        tts=TtsBehaviour(first=LogNormal(100, 0.2, 400), streams_text=rng.random() < 0.5, marks=rng.random() < 0.7),
        tool=LogNormal(400, 0.8, 3_500),
        frames=frames,
        chains=troubled or rng.random() < 0.3,
        retrieval=rng.random() < 0.3,
        speculation=rng.random() < 0.85,
        stalls_ms=(rng.randint(3_000, 20_000),) if rng.random() < 0.05 else (),
    )


def _stt(rng: random.Random) -> SttBehaviour:
    if rng.random() < 0.5:
        return SttBehaviour()
    return SttBehaviour(
        full=Uniform(100, 250),
        final=LogNormal(300, 0.2, 900),
        late_final=0.1,
        late=Uniform(900, 2_000),
        revise=rng.choice((0.0, 0.1, 0.3)),
        mishear=rng.choice((0.0, 0.0, 0.03)),
    )


def _chatter(rng: random.Random) -> Chatter | None:
    drawn = rng.random()
    if drawn < 0.04:
        return Chatter("television", Uniform(4_000, 12_000), (3, 9), 0.4)
    if drawn < 0.08:
        return Chatter("talker", Uniform(8_000, 20_000), (3, 8), 0.7)
    return None


_STAGES: tuple[Stage, ...] = ("stt", "llm", "tts", "vad", "tool", "transport")


def _faults(rng: random.Random, index: int) -> tuple[Fault, ...]:
    """One to three faults; the calls of a row go through all kinds and stages, so that none is missing."""
    drawn: list[tuple[Stage, FaultKind]] = [
        (_STAGES[index % len(_STAGES)], FAULT_KINDS[(index // len(_STAGES)) % len(FAULT_KINDS)])
    ]
    drawn.extend((rng.choice(_STAGES), rng.choice(FAULT_KINDS)) for _ in range(rng.randint(0, 2)))
    return tuple(
        Fault(
            stage,
            kind,
            chance=rng.choice((0.1, 0.3, 1.0)),
            after=rng.choice((0, 0, 1, 3)),
            count=rng.choice((1, 2)),
            latency=rng.choice((Constant(800), Uniform(300, 3_000), Constant(8_000))),
            provider=rng.choice((0, 0, 0, None)),
        )
        for stage, kind in drawn
    )


def _pause(rng: random.Random, words: int) -> tuple[tuple[int, int], ...]:
    return ((rng.randint(2, max(2, words - 2)), rng.randint(300, 1_200)),)


def _acts(rng: random.Random, *, short: bool) -> tuple[Act, ...]:
    turns = rng.randint(3, 5) if short else rng.randint(6, 10)
    acts: list[Act] = []
    questions = rng.sample(QUESTIONS, min(turns, len(QUESTIONS)))
    for number in range(turns):
        acts.extend(_turn(rng, questions[number % len(questions)]))
    ending = rng.random()
    if ending < 0.12:
        acts.append(Act("hang_up", delay_ms=300, text="Well then I will just try again later"))
    elif ending < 0.17:
        acts.append(Act("silent", duration_ms=45_000))
    elif ending < 0.20:
        acts += [Act("key", digit="0"), _WAITING]
    elif ending < 0.22:
        acts += [Act("talk", text="Can I please talk to a real person?"), _WAITING]
    elif ending < 0.23:
        acts += [Act("talk", text="My son fell and his tooth is knocked out!"), _WAITING]
    else:
        acts.append(Act("bye", delay_ms=rng.randint(300, 900), text="That is all. Thank you, goodbye."))
    return tuple(acts)


_WAITING = Act("silent", duration_ms=25_000)


def _turn(rng: random.Random, question: str) -> list[Act]:
    """One exchange: something said, and what happens meanwhile."""
    delay = rng.randint(250, 1_100)
    kind: Behaviour = rng.choices(
        (
            "talk",
            "pause",
            "interrupt",
            "backchannel",
            "cough",
            "mumble",
            "silent",
            "spell",
            "number",
            "resume",
            "music",
            "key",
        ),
        (34, 16, 8, 8, 6, 2, 2, 5, 6, 6, 1, 0),
    )[0]
    say = Act("talk", delay_ms=delay, text=question)
    match kind:
        case "pause":
            if rng.random() < 0.2:
                greeting = rng.choice(GREETINGS)
                breath = ((len(greeting.split()), rng.randint(300, 1_000)),)
                return [Act("pause", delay_ms=delay, text=f"{greeting} {question}", pauses=breath)]
            text = rng.choice(LONG_QUESTIONS) + ("?" if rng.random() < 0.3 else "")
            return [Act("pause", delay_ms=delay, text=text, pauses=_pause(rng, len(text.split())))]
        case "interrupt":
            return [say, Act("interrupt", "over", rng.randint(400, 2_000), rng.choice(INTERRUPTIONS))]
        case "backchannel":
            return [say, Act("backchannel", "over", rng.randint(500, 2_500), rng.choice(BACKCHANNELS))]
        case "cough":
            return [say, Act("cough", "over", rng.randint(400, 2_500), duration_ms=300)]
        case "mumble":
            return [Act("mumble", delay_ms=delay, duration_ms=rng.randint(600, 1_400))]
        case "silent":
            return [Act("silent", duration_ms=rng.randint(3_000, 14_000)), say]
        case "music":
            return [Act("music", duration_ms=rng.randint(4_000, 9_000)), say]
        case "spell":
            text, places = rng.choice(EMAILS)
            ask = Act("talk", delay_ms=delay, text="Can you send me the details by email?")
            return [ask, Act("spell", text=text, pauses=_pieces(rng, places))]
        case "number":
            card = rng.random() < 0.3
            text, places = CARDS if card else rng.choice(PHONES)
            ask = "I would like to pay by card." if card else "Could somebody call me back?"
            return [Act("talk", delay_ms=delay, text=ask), Act("number", text=text, pauses=_pieces(rng, places))]
        case "resume":
            more = rng.choice(("on Friday afternoon please.", "for my son actually.", "if that is possible."))
            first = Act("talk", delay_ms=delay, text=rng.choice(("I would like to book an appointment.", question)))
            return [first, Act("resume", "decided", rng.randint(20, 500), more)]
        case _:
            if rng.random() < 0.15:
                return [Act("talk", delay_ms=delay, text="Please book me in for Tuesday at ten.")]
            return [say]


def _pieces(rng: random.Random, places: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((place, rng.randint(300, 1_200)) for place in places)
