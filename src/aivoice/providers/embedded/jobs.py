"""Names of the jobs that the inference process offers, apart from the models: a call process never loads those.

(`host` imports every model library: 1.3 s of a start, in a process that has no use for them.)
"""

from __future__ import annotations

LOAD = "aivoice.providers.embedded.host:load"
FINAL, FINAL_TINY, SPEAK, EMBED, TURN = "final:base", "final:tiny", "tts", "embed", "turn"
INTERIM, INTERIM_TINY = "interim:base", "interim:tiny"
WORKERS = 2
AT_MOST = {"interim": 1}
"""Interims take one worker at most: the other is there for what a caller is waiting for in silence."""
DIMENSIONS = 384
"""Of the vectors that `EMBED` makes."""
