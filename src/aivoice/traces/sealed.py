"""A call's sealed files, opened: the journal and recording as they are kept, and what is made from the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aivoice.engine.replay import read
from aivoice.engine.samples import HEADER_BYTES, SAMPLE_BYTES, wav_header
from aivoice.security.call_crypto import File, OpenedFile
from aivoice.store import NotFoundError
from aivoice.traces.build import to_json, trace_of
from aivoice.traces.model import Trace
from aivoice.traces.transcript import render_transcript
from aivoice.traces.waterfall_svg import render_waterfall

JOURNAL: Final = "journal"
RECORDING: Final = "recording"
NAMES: Final[Mapping[File, str]] = {JOURNAL: "journal.jsonl.sealed", RECORDING: "recording.wav.sealed"}


class CallArchive:
    """Reads the files of one call back. keys: those that are left. Everything here blocks: run it in a thread.

    Raises NotFoundError where they are gone, SealError where they were changed.
    """

    def __init__(self, directory: Path, keys: Mapping[File, bytes], *, call_id: str, business: str = "") -> None:
        self._directory, self._keys, self._call_id, self._business = directory, keys, call_id, business

    def journal(self) -> str:
        """JSON lines, redacted as they are kept."""
        return self._whole(JOURNAL).decode()

    def recording(self) -> bytes:
        """A WAV, whole."""
        data = self._whole(RECORDING)
        samples = (len(data) - HEADER_BYTES) // SAMPLE_BYTES
        return wav_header(max(samples, 0)) + data[HEADER_BYTES : HEADER_BYTES + max(samples, 0) * SAMPLE_BYTES]

    def trace(self) -> Trace:
        reading = read(self.journal().splitlines(keepends=True), "journal")
        records = [(entry.at_us, entry.value) for entry in reading.entries if entry.kind in ("event", "command")]
        return trace_of(records, call_id=self._call_id, business=self._business, clips=reading.config.clips)

    def file(self, name: str) -> bytes:
        """One of ``recording.wav``, ``journal.jsonl``, ``transcript.md``, ``trace.json``, ``waterfall.svg``."""
        match name:
            case "recording.wav":
                return self.recording()
            case "journal.jsonl":
                return self.journal().encode()
            case "transcript.md":
                return render_transcript(self.trace()).encode()
            case "trace.json":
                return json.dumps(to_json(self.trace()), ensure_ascii=False).encode()
            case _:
                return render_waterfall(self.trace()).encode()

    def _whole(self, file: File) -> bytes:
        if file not in self._keys:
            raise NotFoundError("This file of the call is not kept any more.", code="file_missing")
        return b"".join(OpenedFile(self._directory / NAMES[file], self._keys[file], file).blocks())
