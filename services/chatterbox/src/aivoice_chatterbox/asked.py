"""What clients ask for, checked before anything of it is believed. Every refusal is a `SpeechError` that says what
is wrong with which member, and never repeats the text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from aivoice_chatterbox.cutting import Piece, cut, has_sound, is_clean
from aivoice_chatterbox.speech import Speech, SpeechError
from aivoice_chatterbox.voices import DEFAULT, Voice, Voices

MOST_CHARACTERS = 4_096
"""Of one text, as in the OpenAI API."""
_CALL_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """call: whose caller hears it, "" where the client does not say. pieces: empty where there is nothing to say."""

    voice: Voice
    call: str
    pieces: tuple[Piece, ...]

    def speech(self, otherwise: str, sample_rate: int) -> Speech:
        """otherwise: the call's name where the client gave none."""
        return Speech(f"call:{self.call}" if self.call else otherwise, self.voice, self.pieces, sample_rate)


def bad(code: str, message: str) -> SpeechError:
    return SpeechError(400, code, message)


def json_object(data: bytes | str) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise bad("json_invalid", "the body is no JSON") from None
    if not isinstance(body, dict):
        raise bad("json_invalid", "the body is no JSON object")
    return cast("dict[str, Any]", body)


def known(body: dict[str, Any], members: set[str]) -> None:
    """Refuses members that nothing would come of."""
    unknown = sorted(set(body) - members)
    if unknown:
        raise bad("member_unknown", f"there is no member {unknown[0][:40]!a}; known are {', '.join(sorted(members))}")


def text_of(value: Any, member: str) -> str:
    """A text that may be spoken; white space alone is one."""
    if not isinstance(value, str):
        raise bad("text_invalid", f"`{member}` must be a string")
    if len(value) > MOST_CHARACTERS:
        raise bad("text_too_long", f"`{member}` has {len(value)} characters; at most {MOST_CHARACTERS} are spoken")
    if not is_clean(value):
        raise bad("text_invalid", f"`{member}` holds control characters")
    return value


def voice_of(value: Any, voices: Voices) -> Voice:
    if not isinstance(value, str):
        raise bad("voice_invalid", "`voice` must be a string")
    voice = voices.get(value or DEFAULT)
    if voice is None:
        raise SpeechError(404, "voice_not_found", "there is no such voice; GET /v1/voices lists them")
    return voice


def call_of(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _CALL_CHARACTERS or not is_clean(value):
        raise bad("call_invalid", f"`call` must be a string of at most {_CALL_CHARACTERS} characters")
    return value


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Pieces without any sound are left out: a model makes noises of a lone dash."""
    return tuple(piece for piece in cut(text) if has_sound(piece.text))


def spoken(body: dict[str, Any], member: str, voices: Voices) -> Asked:
    """A whole request by HTTP: here an empty text is a mistake."""
    text = text_of(body.get(member), member)
    pieces = pieces_of(text)
    if not pieces:
        raise bad("text_empty", f"`{member}` holds nothing that could be spoken")
    return Asked(voice_of(body.get("voice", DEFAULT), voices), call_of(body.get("call", "")), pieces)
