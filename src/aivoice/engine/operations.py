"""The operations a command can start beside speech and hearing: retrieval, generation, tools, transfer, credit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.core.state import Extraction
from aivoice.core.toolbox import canonical_arguments
from aivoice.engine.attempts import report_attempts
from aivoice.engine.ports import Credit, Notes, Retriever, ToolOutcome, ToolRunner, TransferDesk
from aivoice.engine.scope import Scope
from aivoice.errors import ProviderError
from aivoice.providers.ports import (
    LanguageModel,
    SpeechToText,
    TextDelta,
    TextToSpeech,
    ToolCallDelta,
    UsageDelta,
    VoiceActivity,
)


@dataclass(frozen=True, slots=True)
class Providers:
    """One of each kind; a fallback chain is one, too. notes: who keeps the state and summaries of calls whose
    configuration says `note_taking`."""

    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech
    vad: VoiceActivity
    notes: Notes | None = None


class Operations:
    """Starts and cancels them. Each reports its end exactly once by `feed`, or was cancelled.

    scope: ends with the call. effects: outlives the media, for tools with side effects.
    """

    def __init__(
        self,
        call_id: str,
        providers: Providers,
        tools: ToolRunner | None,
        retriever: Retriever | None,
        transfers: TransferDesk | None,
        credit: Credit | None,
        scope: Scope,
        effects: Scope,
        feed: Callable[[e.Event], None],
        config: CallConfig,
    ) -> None:
        self._call_id, self._llm, self._notes = call_id, providers.llm, providers.notes
        self._tools, self._retriever, self._transfers, self._credit = tools, retriever, transfers, credit
        self._scope, self._effects, self._feed, self._config = scope, effects, feed, config
        self._running = Scope(f"tools:{call_id}", lambda key, error: None)  # their failures are told as outcomes

    def start(self, command: c.Command) -> None:
        """Run a command that starts an operation; others have nothing to do here."""
        match command:
            case c.Generate():
                self._scope.spawn(command.attempt, self._generate(command))
            case c.Retrieve():
                self._scope.spawn(command.attempt, self._retrieve(command))
            case c.RunTool():
                scope = self._effects if command.side_effects else self._scope
                scope.spawn(command.attempt, self._run_tool(command))
            case c.Transfer():
                self._scope.spawn(command.attempt, self._transfer(command))
            case c.Summarise():
                self._scope.spawn(command.attempt, self._summarise(command))
            case c.Extract():
                self._scope.spawn(command.attempt, self._extract(command))
            case c.RenewLease():
                self._scope.spawn(command.attempt, self._renew(command))
            case _:
                pass

    def cancel(self, attempt: int) -> None:
        """End the operation; side effects are never cancelled."""
        self._scope.cancel(attempt)

    async def aclose(self, limit_s: float) -> None:
        """Let side effects end by themselves, at most `limit_s`; then everything is cancelled, within 2 s."""
        await self._effects.drain(limit_s)
        await self._effects.aclose()
        await self._running.aclose()

    async def _generate(self, command: c.Generate) -> None:
        turn, attempt = command.turn, command.attempt
        report_attempts(self._feed, turn=turn, attempt=attempt)
        failed = ""
        usage: e.Usage | None = None
        try:
            deltas = self._llm.generate(command.request)
            async with aclosing(_closable(deltas)):
                async for delta in deltas:
                    match delta:
                        case TextDelta(text):
                            self._feed(e.Token(turn, attempt, text))
                        case ToolCallDelta(call_id, name, arguments):
                            self._feed(e.ToolRequested(turn, attempt, call_id, name, canonical_arguments(arguments)))
                        case UsageDelta(prompt, completion, cached):
                            usage = e.Usage(turn, attempt, prompt, completion, cached)
        except asyncio.CancelledError:
            if usage is not None:  # paid for, whether it is wanted or not
                self._feed(usage)
            raise
        except ProviderError as error:
            failed = error.code
        except Exception as error:  # noqa: BLE001 - a provider's bug must not end the call
            failed = type(error).__name__
        if usage is not None:  # once a request, whatever the provider repeats
            self._feed(usage)
        self._feed(e.GenerationEnded(turn, attempt, failed))

    async def _retrieve(self, command: c.Retrieve) -> None:
        passages = ()
        try:
            if self._retriever is not None:
                passages = await self._retriever.search(command.query)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - an answer without knowledge is better than none
            self._told("retriever", command.turn, command.attempt, error)
        self._feed(e.PassagesFound(command.turn, command.attempt, tuple(passages)))

    async def _summarise(self, command: c.Summarise) -> None:
        text = ""
        report_attempts(self._feed, turn=command.turn, attempt=command.attempt)
        try:
            if self._notes is not None:
                text = await self._notes.summarise(command.before, command.messages)
        except Exception as error:  # noqa: BLE001 - a call does without; its text may quote the caller
            self._told("notes", command.turn, command.attempt, error)
        self._feed(e.SummaryReady(command.turn, command.attempt, text))

    async def _extract(self, command: c.Extract) -> None:
        made = Extraction(partial=True)
        report_attempts(self._feed, turn=command.turn, attempt=command.attempt)
        try:
            if self._notes is not None:
                made = await self._notes.extract(command.state, command.messages)
        except Exception as error:  # noqa: BLE001 - as above
            self._told("notes", command.turn, command.attempt, error)
        self._feed(e.StateReady(command.turn, command.attempt, made.entries, made.exact, made.partial))

    def _told(self, who: str, turn: int, attempt: int, error: Exception) -> None:
        self._feed(e.ProviderAttempt("llm", who, "failed", turn, attempt, type(error).__name__))

    async def _run_tool(self, command: c.RunTool) -> None:
        outcome = uncertain = ToolOutcome("unknown" if command.side_effects else "failed")
        try:
            outcome = await self._outcome(command) or uncertain
        except asyncio.CancelledError:
            self._feed(e.ToolEnded(command.turn, command.attempt, uncertain.outcome))
            raise
        except Exception:  # noqa: BLE001 - a tool's failure is its outcome; its text is not ours to log
            outcome = uncertain
        self._feed(e.ToolEnded(command.turn, command.attempt, outcome.outcome, outcome.result))

    async def _outcome(self, command: c.RunTool) -> ToolOutcome | None:
        """None where none came in time."""
        try:
            arguments = _object(command.arguments)
        except (ValueError, RecursionError):
            return ToolOutcome("failed")  # the arguments are no JSON: surely not run
        if self._tools is None:
            return ToolOutcome("failed")
        run = self._tools.run(command.name, arguments, call_id=self._call_id, key=command.key)
        return await self._running.within(command.attempt, run, command.time_limit_ms / 1_000)

    async def _transfer(self, command: c.Transfer) -> None:
        connected = False
        try:
            if self._transfers is not None:
                connected = await self._transfers.transfer(command.target, call_id=self._call_id, reason=command.reason)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the caller hears that nobody is free
            self._feed(e.TransferState(command.turn, command.attempt, "failed", type(error).__name__))
            return
        self._feed(e.TransferState(command.turn, command.attempt, "connected" if connected else "failed"))

    async def _renew(self, command: c.RenewLease) -> None:
        seconds, reason = command.seconds, ""  # where nobody keeps accounts: as much as is asked for
        if self._credit is not None:
            try:
                seconds, reason = await self._credit.renew(), "credit"
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - what nobody grants is not granted; the caller hears a goodbye
                seconds, reason = 0, type(error).__name__
        granted = e.LeaseGranted(command.attempt, seconds) if seconds > 0 else e.LeaseRefused(command.attempt, reason)
        self._feed(granted)


def _object(text: str) -> dict[str, Any]:
    """The tool's arguments; ValueError where the text is no JSON object."""
    value: Any = json.loads(text or "{}")
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return cast("dict[str, Any]", value)


class _Closable:
    """An async iterator that may or may not have `aclose`."""

    def __init__(self, source: object) -> None:
        self._source = source

    async def aclose(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()


def _closable(source: object) -> _Closable:
    return _Closable(source)
