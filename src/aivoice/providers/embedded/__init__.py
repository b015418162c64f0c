"""Models that run here, without account or internet: speech recognition, speech, voice activity, embeddings.

Weights come inside pinned packages; nothing is downloaded at run time. `bundle.EmbeddedSet.start` gives the adapters
to the ports. Whisper, hibari and MiniLM run in the inference process (`host`), Silero in a thread of the call process.

Nothing leaves the machine either: onnxruntime's Linux wheels report usage to their maker unless told not to, and read
that setting when they are imported; so it is made here, before any module of ours imports them. Children inherit it.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
