"""How a parameter is asked for: its kind and description as a question to a caller. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "date", "time", "datetime", "email", "phone", "name", "address", "code", "integer", "number", "boolean", "enum",
    "array", "text",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """One allowed value. stems: what a caller may say for it (each inner tuple is one way)."""

    value: Any
    spoken: str
    stems: tuple[tuple[str, ...], ...]


_CLUTTER = re.compile(
    r"\([^)]*\)|,? ?\b(e\.g\.|for example|such as|in the format|formatted|as (an )?iso|in iso|iso ?8601|"
    r"yyyy|as hh|in 24|if known|if given|optional|required).*$",
    re.I,
)
_PEOPLE = r"(?:the )?(?:caller|customer|client|patient|guest|visitor|user|person|diner)"


def _noun(description: str) -> str:
    """The description as a noun phrase about "your …", or "" where it is none."""
    text = _CLUTTER.sub("", description).split(". ")[0].strip(" .,;:")
    text = re.sub(rf"\b{_PEOPLE}'s\b", "your", text, flags=re.I)
    text = re.sub(rf"\b(name|number|address|e-?mail) (?:of|for) {_PEOPLE}\b", r"your \1", text, flags=re.I)
    text = re.sub(r"^(the|a|an) ", "", text, flags=re.I)
    return text[:1].lower() + text[1:] if 0 < len(text.split()) <= 7 else ""


def label_for(name: str, description: str, kind: Kind) -> str:
    match kind:
        case "email":
            return "email address"
        case "phone":
            return "phone number"
        case "date" | "time" | "datetime" if len(name.split()) == 1:
            return {"date": "day", "time": "time", "datetime": "day and time"}[kind]
        case _:
            return name or _noun(description) or "detail"


YOUR_NAME = re.compile(r"((caller|customer|patient|client|guest|visitor|contact|diner|your) )?(full )?name")
_OFFERED = re.compile(
    r"\b(service|treatment|seating|size|colou?r|plan|package|room|table|menu|option|product|slot|time|day)\b"
)
_ABOUT = re.compile(r"^(?:short |brief )?(?:description|summary|details|explanation) of (?:the )?")


def questions_for(kind: Kind, label: str, description: str, options: tuple[Option, ...], past: bool) -> tuple[str, ...]:
    """Wordings to ask with, the best first, each different."""
    again = f"Could you tell me the {label}?"
    match kind:
        case "email":
            return "What's your email address?", "Could you spell your email address for me?"
        case "phone":
            return (
                "What's the best phone number for you?",
                "And the phone number, please?",
                "Could you give me the phone number, digit by digit?",
            )
        case "name" if YOUR_NAME.fullmatch(label):
            noun = "full name" if "full" in label else "name"
            return (
                f"May I have your {noun}?",
                f"Could you tell me your {noun}, please?",
                "Could you spell your name for me?",
            )
        case "date" if label == "day":
            return "What day would you like?", "Which day would suit you?"
        case "time" if label == "time":
            return "What time would you like?", "Which time would suit you?"
        case "datetime" if label == "day and time" or not past:
            return "What day and time would you like?", "When would suit you?"
        case "boolean":
            return boolean_question(label, description), f"{label.capitalize()}: yes or no?"
        case "enum":
            menu = listed_options(options)
            wish = "would you like" if _OFFERED.search(label) else "is it"
            return (
                f"Which {label} {wish}{': ' + menu if len(options) <= 4 else ''}?",
                f"I have {menu}. Which one is it?",
            )
        case "integer" if (noun := _noun(description)).startswith("number of "):
            return f"How many {noun.removeprefix('number of ')}?", again
        case _:
            noun = _noun(description)
            if _ABOUT.match(noun) and not re.match(r"(what|how|why|where)", noun := _ABOUT.sub("", noun)):
                return f"Could you describe the {noun.removeprefix('your ')}?", again
            if re.match(r"(what|where|why|how|which|when|who|whether)\b", noun):
                return f"Could you tell me {_second_person(noun)}?", again
            your = noun.startswith("your ")
            return (f"What's {noun if your else 'the ' + (noun or label)}?"), again


def _second_person(clause: str) -> str:
    clause = re.sub(rf"\b{_PEOPLE} is\b", "you are", clause, flags=re.I)
    clause = re.sub(
        rf"\b{_PEOPLE} (has|needs|wants)\b",
        lambda m: f"you {m[1][:-1] if m[1] != 'has' else 'have'}",
        clause,
        flags=re.I,
    )
    return re.sub(rf"\b{_PEOPLE}\b", "you", clause, flags=re.I)


def boolean_question(label: str, description: str) -> str:
    """ "Whether the caller is a new patient" → "Are you a new patient?"."""
    clause = re.sub(
        r"^(true|yes)? ?(if|when|whether)( or not)? ", "", _CLUTTER.sub("", description).strip(" ."), flags=re.I
    )
    match = re.match(rf"{_PEOPLE} (is|are|was|has|needs|wants|can|will) (.+)$", clause, flags=re.I)
    if match:
        opening = {
            "is": "Are you", "are": "Are you", "was": "Were you", "has": "Do you have", "needs": "Do you need",
            "wants": "Do you want", "can": "Can you", "will": "Will you",
        }[match[1].lower()]  # fmt: skip
        return f"{opening} {match[2]}?"
    match = re.match(r"((?:it|this|the|that|anyone)(?: \w+)?) (is|was|can|has) (.+)$", clause, flags=re.I)
    if match:
        return f"{match[2].capitalize()} {match[1].lower()} {match[3]}?"
    return (
        f"Is it {label.removeprefix('is ')}?"
        if not clause or len(clause.split()) > 12
        else f"Could you tell me whether {clause[:1].lower()}{clause[1:]}?"
    )


def listed_options(options: tuple[Option, ...], most: int = 5) -> str:
    """ "a, b or c" of at most `most` options; of more than that, some."""
    names = [option.spoken for option in options[: most if len(options) <= most else most - 1]]
    if len(options) > most:
        return ", ".join(names) + " and a few others"
    return ", ".join(names[:-1]) + f" or {names[-1]}" if len(names) > 1 else "".join(names)
