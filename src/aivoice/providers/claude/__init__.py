"""Claude behind the LanguageModel port, by the `anthropic` package."""

from aivoice.providers.claude.model import Claude, ClaudeOptions

__all__ = ["Claude", "ClaudeOptions"]
