"""The files of a call that are made from its trace. Each is written beside its name and moved into place, so that a
reader never sees half a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from aivoice.traces.build import to_json
from aivoice.traces.model import Trace
from aivoice.traces.transcript import render_transcript
from aivoice.traces.waterfall_svg import render_waterfall

TRANSCRIPT, TRACE, WATERFALL = "transcript.md", "trace.json", "waterfall.svg"


def write_trace_files(directory: Path, trace: Trace) -> None:
    """Write transcript.md, trace.json and waterfall.svg. Blocking (a few ms): call it from a thread or after the call.

    Raises OSError where the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / TRANSCRIPT, render_transcript(trace))
    write_whole(directory / TRACE, json.dumps(to_json(trace), ensure_ascii=False, indent=1) + "\n")
    write_whole(directory / WATERFALL, render_waterfall(trace))


def write_whole(path: Path, text: str) -> None:
    """Replace `path` by `text` at once."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    os.replace(part, path)
