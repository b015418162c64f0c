"""Chatterbox behind the TextToSpeech port, by a server of our own on a GPU (`services/chatterbox`)."""

from aivoice.providers.chatterbox.voice import Chatterbox, ChatterboxOptions, speaking_for

__all__ = ["Chatterbox", "ChatterboxOptions", "speaking_for"]
