"""Any LiveKit Agents plugin behind our ports; the one place that knows livekit-agents.

Rules, from measurement (ADR 0090): the plugins' own retries are off, the chain has its own limits; errors and usage are
read from a request's own stream, never from the plugin object's events, which all its requests share; a voice gets
whole clauses, so that no tokenizer of a plugin's delays the first sound. Nothing of livekit-agents is imported before a
provider is built. Never run against a real service; against the stand-ins of `aivoice.testing.standins`.
"""

from aivoice.providers.livekit.llm import PluginLlm
from aivoice.providers.livekit.tts import PluginTts

__all__ = ["PluginLlm", "PluginTts"]
