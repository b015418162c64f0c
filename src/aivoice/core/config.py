"""What a call is decided by: settings as data. The defaults are the product's; a business file changes some of them.

All durations are milliseconds unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core.prompt import ToolSpec
from aivoice.core.speculation import Speculation


@dataclass(frozen=True, slots=True)
class Endpointing:
    """How long after the end of speech a turn may be decided, by how finished its text sounds.

    closed: the recogniser heard its end, or a farewell. open: whole as it stands. loose: a statement that may go on.
    stated: one that ends with a full stop where those of the recogniser are likely, not sure, to be ends (0: as loose).
    dangling: surely is not whole. spelling: a number, e-mail or name is being given piece by piece. full_stops:
    whether the recogniser sets a full stop only where it hears an end (Whisper sets one after most things).
    The final transcript is waited for at most `final_wait`, or `stale_wait` (a filler bridges it) where the interims
    are older than the end of speech. longest: bound of the adapted waits, inside the silence
    budget; only `spelling` may exceed it, because the clip ``continuer`` ("mm-hm") then keeps the caller company.
    mumble: so much voice without words is asked about ("I didn't catch that"), less is forgotten. stuck: words
    unchanged for so long are a turn even while the VAD hears voices (a television).
    """

    closed: int = 0
    open: int = 450
    stated: int = 0
    loose: int = 1_200
    dangling: int = 1_300
    spelling: int = 2_600
    longest: int = 1_300
    final_wait: int = 1_200
    stale_wait: int = 3_000
    mumble: int = 700
    stuck: int = 2_500
    full_stops: bool = True


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
    decision. rounds: most generations a turn. measured: how long runs of a tool have usually taken, by its name; goes
    before what its spec says."""

    filler: int = 400
    quiet: int = 300
    rounds: int = 5
    measured: tuple[tuple[str, int], ...] = ()

    def usual_ms(self, name: str, declared: int) -> int:
        """How long a run will probably take; 0 where nothing is known."""
        return dict(self.measured).get(name, declared)


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
class Window:
    """Budgets of a prompt's sections, in tokens of the provider (as far as its own count is known).

    system: instructions and tools, told where they are longer, never cut. knowledge: passages. metadata: notes. state,
    summary: what is known so far. history: the high mark at which the window moves, history_low: where to. reply: room
    kept for the answer.
    A summary of the older part is made ahead when the history has grown to `summary_at` of its high mark, or (0: never)
    after `summary_turns` turns, at a change of topic once `topic_turns` lie behind, or while the caller has been silent
    for `summary_silence` ms; the last `recent` turns stay whole. One that fails is tried again with the next turn,
    `summary_tries` times, and then every ten turns.
    """

    system: int = 1_500
    knowledge: int = 3_000
    metadata: int = 200
    state: int = 800
    summary: int = 800
    history: int = 8_000
    history_low: int = 4_000
    reply: int = 2_000
    recent: int = 4
    summary_at: float = 0.7
    summary_turns: int = 0
    topic_turns: int = 0
    summary_silence: int = 0
    summary_tries: int = 2


DEFAULT_CLIPS: dict[str, str] = {
    "greeting": "Hello, thank you for calling. How can I help?",
    "filler": "One moment, please.",
    "filler.slow": "Thanks for waiting, I'm still on it.",
    "continuer": "Mm-hm.",
    "apology": "I'm sorry, I'm having a little trouble. Could you say that again?",
    "apology.hearing": "I'm sorry, I didn't catch that. Could you say it again?",
    "apology.deaf": "I'm having a little trouble hearing you. Could you repeat that?",
    "technical_difficulty": "I'm sorry, we're having a technical difficulty. Could you say that once more?",
    "apology.goodbye": "I'm sorry, I'm having technical trouble. Please call again in a few minutes. Goodbye.",
    "reprompt.1": "Are you still there?",
    "reprompt.2": "I can't hear you. If you're there, please say something.",
    "goodbye.silent": "I still can't hear you, so I'll hang up now. Please call again any time. Goodbye.",
    "limit": "I'm sorry, we've reached the longest time for one call. Please call again. Goodbye.",
    "credit": "I'm sorry, I have to end the call here. Please call again later. Goodbye.",
    "transfer": "Of course. I'll put you through now.",
    "transfer.failed": "I'm sorry, nobody is free right now. I can take a message instead. What shall I pass on?",
    "emergency": "This sounds urgent. I'm putting you through right away.",
    "goodbye": "Goodbye.",
}
"""Text of every ready-made clip the core may play; a business file replaces some."""


@dataclass(frozen=True, slots=True)
class CallConfig:
    """One call's settings. clips: text of every ready-made clip by key (history needs their words).

    Those missing come from DEFAULT_CLIPS; ``filler.<tool>`` bridges that tool,
    ``filler.<tool>.2`` is said when it stays slow.
    tts_streams_text: clauses may be pushed word by word. max_call: the call ends politely at this age.
    goodbye_wait: the line closes then even if the goodbye was not heard to its end.
    patience: after so many failed turns in a row the call is handed over or ended politely.
    notes: what is known before the call, as data for the model. note_taking: state and summaries are made beside the
    call (the engine has somebody for it).
    announcement: key of a clip; the call then says only this, listens to nothing, and ends ("": a conversation).
    """

    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    clips: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    targets: tuple[Target, ...] = ()
    emergency: Emergency = Emergency()
    endpointing: Endpointing = Endpointing()
    speculation: Speculation = field(default_factory=Speculation)
    barge_in: BargeIn = BargeIn()
    clauses: Clauses = Clauses()
    silence: Silence = Silence()
    tool_rules: Tools = Tools()
    lease: Lease = Lease()
    tts_streams_text: bool = False
    retrieval: bool = False
    retrieval_wait: int = 200
    score_turns: bool = False
    window: Window = Window()
    notes: str = ""
    note_taking: bool = False
    max_call: int = 30 * 60_000
    transfer_wait: int = 30_000
    goodbye_wait: int = 15_000
    patience: int = 3
    announcement: str = ""

    def clip_text(self, key: str) -> str:
        """Words of a ready-made clip."""
        return self.clips.get(key) or DEFAULT_CLIPS.get(key, "")
