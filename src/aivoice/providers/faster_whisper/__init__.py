"""Whisper from a folder of the operator's, by the `faster-whisper` package: the recogniser of one's own behind a
service."""

from aivoice.providers.faster_whisper.recogniser import FasterWhisper, FasterWhisperOptions

__all__ = ["FasterWhisper", "FasterWhisperOptions"]
