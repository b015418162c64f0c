"""Models that run here, without account or internet: speech recognition, speech, voice activity, embeddings.

Weights come inside pinned packages; nothing is downloaded at run time. `bundle.EmbeddedSet.start` gives the adapters
to the ports. Whisper, hibari and MiniLM run in the inference process (`host`), Silero in a thread of the call process.
"""
