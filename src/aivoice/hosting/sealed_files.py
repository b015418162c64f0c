"""The files of a tenant's call: journal and recording, redacted, and sealed under the call's own key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from aivoice.api.hub import CallHub
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.engine.disk import DiskError, PlainFile
from aivoice.engine.journal import FileJournal, Redact
from aivoice.engine.recorder import Recorder
from aivoice.engine.samples import GrowingWav
from aivoice.security.call_crypto import File, SealedFile
from aivoice.security.secret_watch import SecretWatch
from aivoice.traces.sealed import JOURNAL, NAMES, RECORDING

_log = logging.getLogger(__name__)


class SealedFiles:
    """`hosting.calls.Files`. keys: of the journal, and of the recording where there shall be one.

    Raises DiskError when they cannot be created.
    record: ``after_notice``: from the moment on that the caller has heard the greeting, with its notices, to its end.
    While a secret is being collected the recording is silent, and what of it was recorded before is silenced.
    """

    def __init__(
        self,
        directory: Path,
        call_id: str,
        config: CallConfig,
        keys: Mapping[File, bytes],
        *,
        kinds: Iterable[str],
        record: Literal["after_notice", "at_once", "never"],
    ) -> None:
        self._call_id = call_id
        kinds = tuple(kinds)
        self._journal = FileJournal(
            directory / NAMES[JOURNAL],
            call_id,
            config,
            file=SealedFile(PlainFile(directory / NAMES[JOURNAL]), keys[JOURNAL], JOURNAL),
            redact=_following(SecretWatch(kinds)),
        )
        self.recorder: Recorder | None = None
        if record != "never" and RECORDING in keys:
            self.recorder = self._opened(directory, keys[RECORDING])
        self._watch = SecretWatch(kinds)
        self._noticed = record == "at_once"
        self._greeting = 0
        self._paused = False
        self._settle()

    def _opened(self, directory: Path, key: bytes) -> Recorder:
        path = directory / NAMES[RECORDING]
        try:
            return Recorder(path, file=GrowingWav(SealedFile(PlainFile(path), key, RECORDING)))
        except DiskError:
            self._journal.abandon()
            (directory / NAMES[JOURNAL]).unlink(missing_ok=True)
            raise

    def observe(self, at_us: int, item: e.Event | c.Command) -> None:
        self._journal.observe(at_us, item)
        match item:
            case c.Play(cached="greeting"):
                self._greeting = item.attempt
            case e.PlayoutFinished() if item.attempt == self._greeting and not self._noticed:
                self._noticed = True
                self._settle()
            case c.Speak(text=text):
                self._watch.agent_prepares(text)
                self._settle()
            case c.ReplyEnded(heard=heard):
                self._watch.agent_said(heard)
                self._settle()
            case c.TurnEnded():
                self._watch.turn_ended()
                self._settle()
            case e.Heard(text=text):
                before = self._watch.collecting
                self._watch.caller(text, final=item.kind == "final")
                if self._watch.collecting and not before:
                    self._silence(item.start, item.end)
                self._settle()
            case e.Dtmf(digit=digit):
                self._watch.key(digit)
                self._settle()
            case c.Record(paused=paused):
                self._paused = paused
            case _:
                pass

    def _settle(self) -> None:
        if self.recorder is not None:
            self.recorder.pause(self._paused or not self._noticed or self._watch.collecting)

    def _silence(self, start: int, end: int) -> None:
        """What the caller said of it before anybody knew."""
        if self.recorder is not None and 0 <= start < end:
            self.recorder.write("caller", start, bytes(2 * (end - start)))

    async def close(self, hub: CallHub) -> None:
        at_us = round(asyncio.get_running_loop().time() * 1e6)
        for file in (self._journal.aclose(at_us), None if self.recorder is None else self.recorder.aclose()):
            try:
                if file is not None:
                    await file
            except DiskError as error:
                _log.warning("call %s: %s", self._call_id, error)


def _following(watch: SecretWatch) -> Redact:
    """Redaction of a journal's texts, which come in the order in which things happened."""

    kind = ""

    def redact(where: str, text: str) -> str:
        nonlocal kind
        match where:
            case "Heard.kind":
                kind = text
                return text
            case "Dtmf.digit":
                return watch.key(text)
            case "Speak.text":
                return watch.agent_prepares(text)
            case "ReplyEnded.heard":
                return watch.agent_said(text)
            case "Heard.text":
                return watch.caller(text, final=kind == "final")
            case "TurnEnded.text":
                kept = watch.text(text)
                watch.turn_ended()
                return kept
            case _:
                return watch.text(text)

    return redact
