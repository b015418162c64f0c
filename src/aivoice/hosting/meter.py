"""What one call uses of its providers, counted from the records that pass by, for its usage events."""

from __future__ import annotations

from collections import Counter

from aivoice.billing import prices as p
from aivoice.billing.usage import UsageEvent
from aivoice.core import commands as c
from aivoice.core import events as e

_STAGES = ("stt", "llm", "tts")


class UsageMeter:
    """`engine.ports.Observer`. Tokens of replies that were thrown away unheard are counted apart, as wasted; so are
    those of a provider that was asked beside a sooner one. Input from a cache is `LLM_CACHED` either way.

    Not seen here: tokens of a request that was cancelled before its provider told of any.
    """

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._provider = dict.fromkeys(_STAGES, "")  # "": not known yet
        self._first: dict[str, str] = {}
        self._counted: Counter[tuple[str, str]] = Counter()
        self._generations: dict[int, list[int]] = {}  # turn → requests whose reply is still open
        self._tokens: dict[tuple[int, str], e.Usage] = {}
        self._wasted: set[int] = set()
        self._up_at_us = 0

    def __call__(self, at_us: int, item: e.Event | c.Command) -> None:
        match item:
            case e.ProviderAttempt(stage=stage, provider=provider, state="useful") if stage in _STAGES:
                self._provider[stage] = provider
                self._first.setdefault(stage, provider)
            case e.MediaUp() if not self._up_at_us:
                self._up_at_us = at_us
            case c.Finish() if self._up_at_us:
                self._counted[p.STT_SECONDS, self._provider["stt"]] += -(-(at_us - self._up_at_us) // 1_000_000)
                self._up_at_us = 0
            case c.Generate():
                self._generations.setdefault(item.turn, []).append(item.attempt)
            case e.Usage():
                self._tokens[item.attempt, item.provider or self._provider["llm"]] = item
            case c.ReplyEnded():
                made = self._generations.pop(item.turn, [])
                if item.outcome == "discarded":
                    self._wasted.update(made)
            case c.Speak():
                self._counted[p.TTS_CHARACTERS, self._provider["tts"]] += len(item.text)
            case c.RunTool():
                self._counted[p.TOOL_CALLS, item.name] += 1
            case _:
                pass

    def events(self) -> tuple[UsageEvent, ...]:
        """One for each type and provider. The same again for the same call: recording them twice counts once."""
        counted = Counter(self._counted)
        for (attempt, provider), usage in self._tokens.items():
            wasted = usage.wasted or attempt in self._wasted
            prompt = usage.prompt_tokens - usage.cached_tokens
            counted[p.LLM_WASTED_PROMPT if wasted else p.LLM_PROMPT, provider] += max(prompt, 0)
            counted[p.LLM_CACHED, provider] += usage.cached_tokens
            counted[p.LLM_WASTED_COMPLETION if wasted else p.LLM_COMPLETION, provider] += usage.completion_tokens
        for kind, provider in [key for key in counted if not key[1]]:
            stage = kind.partition(".")[0]
            counted[kind, self._first.get(stage, "unknown")] += counted.pop((kind, provider))
        return tuple(
            UsageEvent(f"{self._call_id}:{kind}:{provider}", kind, provider, quantity)
            for (kind, provider), quantity in sorted(counted.items())
            if quantity > 0
        )
