"""Deepgram behind the SpeechToText port: Nova-3 (`DeepgramNova`) and Flux (`DeepgramFlux`)."""

from aivoice.providers.deepgram.flux import DeepgramFlux, FluxOptions
from aivoice.providers.deepgram.nova import DeepgramNova, NovaOptions

__all__ = ["DeepgramFlux", "DeepgramNova", "FluxOptions", "NovaOptions"]
