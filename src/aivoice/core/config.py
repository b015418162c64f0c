"""What a call is decided by: settings as data. The defaults are the product's; a business file changes some of them.

All durations are milliseconds unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core.prompt import ToolSpec


@dataclass(frozen=True, slots=True)
class Endpointing:
    """How long after the end of speech a turn may be decided, by how finished its text sounds.

    closed: a complete question, answer or farewell. open: could be complete. dangling: surely is not.
    spelling: a number, e-mail or name is being given piece by piece. The final transcript is waited for
    at most `final_wait`; without any words the speech is forgotten after `wordless`.
    """

    closed: int = 0
    open: int = 450
    dangling: int = 1_600
    spelling: int = 2_200
    longest: int = 3_000
    final_wait: int = 1_500
    wordless: int = 700


@dataclass(frozen=True, slots=True)
class Speculation:
    """enabled: start replies on interims before the turn is decided. eager_interims: also while the VAD hears speech.

    limit: most speculative generations a turn.
    """

    enabled: bool = True
    eager_interims: bool = False
    limit: int = 3


@dataclass(frozen=True, slots=True)
class BargeIn:
    """Durations that decide between yielding and carrying on, once the agent was silenced by the caller's voice.

    carry_on: after the end of wordless speech the agent goes on. backchannel: after the end of an "mm-hm".
    decide: at most this long after the first words. wordless: this much voice without words is noise: go on.
    """

    carry_on: int = 450
    backchannel: int = 60
    decide: int = 380
    wordless: int = 2_500


@dataclass(frozen=True, slots=True)
class Clauses:
    """How tokens become clauses. Words and characters; `cap` is what a synthesiser still pronounces cleanly.

    ahead: clips synthesised beyond the one playing.
    """

    first_words: int = 6
    words: int = 16
    cap: int = 280
    ahead: int = 2


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller is never in dead air: first sound within `first` of the end of their speech, no gap over `gap`.

    margin: how much earlier the filler is started, so that it sounds in time. reprompt: a silent caller is asked
    after this long, `reprompts` times, then told goodbye.
    """

    first: int = 1_500
    gap: int = 4_000
    margin: int = 150
    reprompt: int = 8_000
    reprompts: int = 2


@dataclass(frozen=True, slots=True)
class Tools:
    """filler: a tool slower than this is bridged by speech. quiet: side effects wait for so much silence after the
    decision. rounds: most generations a turn."""

    filler: int = 400
    quiet: int = 300
    rounds: int = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Where a caller can be handed over. phrases: what callers say who want it."""

    name: str
    number: str = ""
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Emergency:
    """Phrases that stop everything: the clip ``emergency`` is played and the call transferred to `target`."""

    phrases: tuple[str, ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Credit during a call: `seconds` at a time, renewed when `renew_at` seconds are left. 0: none is needed."""

    seconds: int = 0
    renew_at: int = 20


@dataclass(frozen=True, slots=True)
class CallConfig:
    """One call's settings. clips: text of every ready-made clip by key (history needs their words).

    Keys used by the core: greeting, filler, filler.<tool>, filler.slow, apology, apology.hearing, apology.goodbye,
    reprompt.1, reprompt.2, goodbye.silent, limit, transfer, transfer.failed, emergency, goodbye.
    tts_streams_text: clauses may be pushed word by word. max_call: the call ends politely at this age.
    """

    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    clips: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    targets: tuple[Target, ...] = ()
    emergency: Emergency = Emergency()
    endpointing: Endpointing = Endpointing()
    speculation: Speculation = Speculation()
    barge_in: BargeIn = BargeIn()
    clauses: Clauses = Clauses()
    silence: Silence = Silence()
    tool_rules: Tools = Tools()
    lease: Lease = Lease()
    tts_streams_text: bool = False
    retrieval: bool = False
    retrieval_wait: int = 200
    score_turns: bool = False
    history_words: int = 6_000
    max_call: int = 30 * 60_000
    transfer_wait: int = 30_000
