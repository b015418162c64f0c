"""Where a call stands, derived from what is going on rather than stored: one table, read in order.

phase        the caller            the agent                  leaves when
------------ --------------------- -------------------------- ------------------------------------------
connecting   –                     –                          media is up
listening    silent                silent                     voice, or the re-prompt is due
hearing      speaks                silent                     voice ends
ending       paused, has words     silent (may speculate)     the turn is decided, or voice
replying     silent                works or speaks            everything was heard, or voice
contested    speaks over the agent silenced, keeps its place  the words decide: yield or carry on
transferring silent or speaking    waits for the other side   connected (ends) or failed
ended        –                     –                          never
"""

from __future__ import annotations

from typing import Literal

Phase = Literal["connecting", "listening", "hearing", "ending", "replying", "contested", "transferring", "ended"]


def phase(
    *, ended: bool, up: bool, transferring: bool, contested: bool, replying: bool, speaking: bool, words: bool
) -> Phase:
    """The first row that applies, from the most binding to the least."""
    if ended:
        return "ended"
    if not up:
        return "connecting"
    if transferring:
        return "transferring"
    if contested:
        return "contested"
    if replying:
        return "replying"
    if speaking:
        return "hearing"
    return "ending" if words else "listening"
