"""Any LiveKit Agents plugin behind our ports; the one place that knows livekit-agents (1.8).

Rules, from measurement (ADR 0090): the plugins' own retries are off, the chain has its own limits; errors and usage are
read from a request's own stream, never from a plugin object's events; no two streams of a voice share one at a time; a
voice gets whole clauses, so that no tokenizer of a plugin's delays the first sound; what they log is not let through,
for it quotes callers. Never run against a real service; against the stand-ins of `aivoice.testing.standins`.

Importing livekit-agents changes neither the event loop nor logging nor signal handlers, starts no thread, and costs
some 4 CPU-s and 140 MiB (1.8.9, openai, cartesia, elevenlabs, resemble): nothing of it is imported before a provider is
built. Its plugins insist on the main thread for that.
"""

from aivoice.providers.livekit.llm import PluginLlm
from aivoice.providers.livekit.stt import PluginStt
from aivoice.providers.livekit.tts import PluginTts

__all__ = ["PluginLlm", "PluginStt", "PluginTts"]
