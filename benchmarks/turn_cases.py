"""What the callers of `embedded_turns` say: recorded human speech with and without pauses, and what no recording has.

All audio is s16le 16 kHz of telephone bandwidth. A pause that is made (not found in a recording) carries noise at the
level of that recording's own background, never digital zero. The same seed makes the same cases.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aivoice.audio.frames import FRAME_BYTES
from benchmarks.human_speech import RATE, Clip, Float, quietest, silences, telephone, to_pcm, voiced_range, words

CaseKind = Literal["natural", "cut", "finished", "digits", "email", "backchannel", "interruption"]
PAUSED: tuple[CaseKind, ...] = ("natural", "cut")
PIECEWISE: tuple[CaseKind, ...] = ("digits", "email")
OVER: tuple[CaseKind, ...] = ("backchannel", "interruption")
PAUSE_MS = (300, 1_200)
VOICES = ("heart", "low", "high")
LONGEST_S = 6.5

MAILS = (
    ("My e-mail is anna dot miller,", "at northside dot com."),
    ("It's j weber ninety nine,", "at mail dot org."),
    ("You can write to peter,", "at lake view dot net."),
    ("The address is sales,", "at oak and pine dot com."),
    ("It's maria underscore lopez,", "at harbor dot org."),
    ("My e-mail is t dot brown,", "at city mail dot com."),
)
LISTENING = (
    "Yeah.",
    "Okay.",
    "Right, right.",
    "I see.",
    "Oh, okay.",
    "Got it.",
    "Yes.",
    "All right.",
    "Right.",
    "Yep.",
)
STOPPING = (
    "Wait, stop.",
    "No, not that.",
    "Hold on a second.",
    "Sorry, can I ask something?",
    "Actually, I need another day.",
    "Excuse me, how much is that?",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing a caller says. first, last: samples of `pcm` between which there is voice. pauses: those inside, ms.

    asked: what the agent says before it. held_out: the recording is none that settings were tuned on.
    """

    kind: CaseKind
    name: str
    pcm: bytes
    first: int
    last: int
    pauses: tuple[int, ...] = ()
    asked: str = "All right."
    spoken_by_tts: bool = False
    held_out: bool = False


Speak = Callable[[str, str], Awaitable[bytes]]
"""(text, voice) → PCM of an embedded voice."""


def background(pcm: bytes, samples: int, rng: np.random.Generator) -> bytes:
    """Noise as loud as the quietest fiftieth of a recording."""
    frames = np.frombuffer(pcm, "<i2").astype(np.float32)
    frames = frames[: len(frames) // 160 * 160].reshape(-1, 160)
    level = max(2.0, float(np.quantile(np.sqrt((frames * frames).mean(axis=1)), 0.02)))
    return rng.normal(scale=level, size=samples).astype("<i2").tobytes()


def joined(
    parts: Sequence[bytes], pauses_ms: Sequence[int], rng: np.random.Generator, *, like: bytes | None = None
) -> bytes:
    """The voiced stretches of `parts`, so many ms of background between one's last voice and the next one's first.

    like: the recording whose background it is (None: the part before the pause).
    """
    out = b""
    for index, part in enumerate(parts):
        first, last = voiced_range(part)
        if index:
            out += background(like or part, pauses_ms[index - 1] * RATE // 1000, rng)
        out += part[2 * first : 2 * last]
    return out


def _case(kind: CaseKind, name: str, pcm: bytes, pauses: Sequence[int] = (), **more: object) -> Case:
    pcm = pcm + bytes(-len(pcm) % FRAME_BYTES)
    first, last = voiced_range(pcm)
    return Case(kind, name, pcm, first, last, tuple(pauses), **more)  # type: ignore[arg-type]


def natural(clip: Clip) -> list[Case]:
    """Each pause of 0.3–1.2 s inside the recording, with what was said before and after it up to the next one."""
    found = silences(clip.pcm, 250)
    first, last = voiced_range(clip.pcm)
    edges = [(first, first), *found, (last, last)]
    cases: list[Case] = []
    for before, pause, after in zip(edges, edges[1:], edges[2:], strict=False):
        length = (pause[1] - pause[0]) * 1000 // RATE
        long_enough = min(pause[0] - before[1], after[0] - pause[1]) > RATE // 2
        if PAUSE_MS[0] <= length <= PAUSE_MS[1] and long_enough and after[0] - before[1] < LONGEST_S * RATE:
            pcm = clip.pcm[2 * before[1] : 2 * after[0]]
            cases.append(_case("natural", clip.name, pcm, [length], held_out=clip.held_out))
    return cases


def cut(clip: Clip, rng: random.Random) -> Case:
    """The recording taken apart at its quietest place, with a pause of drawn length there."""
    noise = np.random.default_rng(rng.getrandbits(32))
    place = quietest(clip.pcm)
    pause = rng.randint(*PAUSE_MS)
    pcm = joined([clip.pcm[: 2 * place], clip.pcm[2 * place :]], [pause], noise, like=clip.pcm)
    return _case("cut", clip.name, pcm, [pause], held_out=clip.held_out)


def digits(by_name: Mapping[str, Clip], rng: random.Random) -> Case:
    """A phone number of recorded digits in three groups: slips between digits, real pauses between groups."""
    noise = np.random.default_rng(rng.getrandbits(32))
    number = [rng.randrange(10) for _ in range(10)]
    groups = [
        joined([by_name[f"digits/{digit}"].pcm for digit in part], [rng.randint(40, 120) for _ in part[1:]], noise)
        for part in (number[:3], number[3:6], number[6:])
    ]
    pauses = [rng.randint(*PAUSE_MS) for _ in groups[1:]]
    asked = "What is the best phone number to reach you?" if rng.random() < 0.5 else "All right."
    return _case("digits", "".join(map(str, number)), joined(groups, pauses, noise), pauses, asked=asked)


def _narrow(pcm: bytes) -> bytes:
    samples: Float = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    noise = np.random.default_rng(len(pcm)).normal(scale=0.0006, size=len(samples))
    return to_pcm(telephone((samples + noise).astype(np.float32)))


async def email(number: int, speak: Speak, rng: random.Random) -> Case:
    """An e-mail address in two pieces, by an embedded voice: the recordings have none."""
    noise = np.random.default_rng(rng.getrandbits(32))
    texts = MAILS[number % len(MAILS)]
    parts = [_narrow(await speak(text, VOICES[number % len(VOICES)])) for text in texts]
    pauses = [rng.randint(*PAUSE_MS)]
    asked = "What is your e-mail address?" if number % 2 else "All right."
    pcm = joined(parts, pauses, noise)
    return _case("email", texts[0], pcm, pauses, asked=asked, spoken_by_tts=True)


async def over(kind: CaseKind, number: int, speak: Speak) -> Case:
    """Said while the agent speaks, by an embedded voice: the recordings hold hardly any such words."""
    texts = LISTENING if kind == "backchannel" else STOPPING
    text, voice = texts[number % len(texts)], VOICES[number // len(texts) % len(VOICES)]
    return _case(kind, text, _narrow(await speak(text, voice)), spoken_by_tts=True)


def hum(by_name: Mapping[str, Clip], rng: random.Random) -> Case:
    """ "Mm-hm", made of the hum at the end of a recorded "m": a short one, breath, a longer one a third higher."""
    first, last = voiced_range(by_name["letters/m"].pcm)
    said = np.frombuffer(by_name["letters/m"].pcm, "<i2").astype(np.float32)[first:last]
    steady, pitch = said[len(said) // 2 : len(said) * 92 // 100], rng.uniform(0.9, 1.3)
    short, long = _raised(steady, pitch)[: RATE * 3 // 20], _raised(steady, pitch * 1.25)
    breath = np.random.default_rng(rng.getrandbits(32)).normal(scale=60, size=rng.randrange(80) * 16)
    samples = np.concatenate((np.zeros(1_600), _faded(short), breath, _faded(long), np.zeros(3_200))) * 1.5
    return _case("backchannel", "mm-hm", _narrow(to_pcm((samples / 32768).astype(np.float32))))


def _raised(samples: Float, pitch: float) -> Float:
    at = np.arange(0, len(samples) - 1, pitch)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def _faded(samples: Float) -> Float:
    rise, fall = np.linspace(0, 1, 400), np.linspace(1, 0, 1_200)
    return (samples * np.concatenate((rise, np.ones(len(samples) - 1_600), fall))).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many of each. backchannel: a third hummed. interruption: half recorded sentences; an embedded voice the
    rest of both."""

    natural: int = 44
    cut: int = 44
    finished: int = 40
    digits: int = 18
    email: int = 12
    backchannel: int = 30
    interruption: int = 24


QUICK = Amounts(natural=6, cut=6, finished=6, digits=3, email=2, backchannel=6, interruption=4)


async def make_cases(speech: Sequence[Clip], amounts: Amounts, speak: Speak, seed: int) -> list[Case]:
    """In random order. The recordings are drawn without repetition inside each kind."""
    rng = random.Random(seed)
    by_name = {clip.name: clip for clip in speech}
    sentences = [clip for clip in speech if len(words(clip.text)) >= 4 and 1.2 < clip.seconds < LONGEST_S]
    whole = [clip for clip in sentences if not silences(clip.pcm, 250) and "..." not in clip.text]
    found = [case for clip in speech if len(words(clip.text)) >= 4 for case in natural(clip)]
    cases = rng.sample(found, min(amounts.natural, len(found)))
    cases += [cut(clip, rng) for clip in rng.sample(whole, amounts.cut)]
    for clip in rng.sample(whole, amounts.finished):
        cases.append(_case("finished", clip.name, clip.pcm, held_out=clip.held_out))
    cases += [digits(by_name, rng) for _ in range(amounts.digits)]
    cases += [await email(number, speak, rng) for number in range(amounts.email)]
    hummed, recorded = amounts.backchannel // 3, amounts.interruption // 2
    cases += [hum(by_name, rng) for _ in range(hummed)]
    cases += [await over("backchannel", number, speak) for number in range(amounts.backchannel - hummed)]
    cases += [await over("interruption", number, speak) for number in range(amounts.interruption - recorded)]
    for clip in rng.sample(whole, recorded):
        cases.append(_case("interruption", clip.name, clip.pcm, held_out=clip.held_out))
    rng.shuffle(cases)
    return cases


def dealt(cases: Sequence[Case], callers: int) -> list[list[Case]]:
    """Each caller's share, what is said over the agent spread evenly between the others."""
    hands: list[list[Case]] = []
    for number in range(callers):
        plain = [case for case in cases if case.kind not in OVER][number::callers]
        above = [case for case in cases if case.kind in OVER][number::callers]
        places = [(index + 1) * len(plain) / (len(above) + 1) for index in range(len(above))]
        for place, case in reversed(list(zip(places, above, strict=True))):
            plain.insert(max(1, int(place)), case)
        hands.append(plain)
    return hands
