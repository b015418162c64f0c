"""Reading what a tool answered: free times, yes or no, failure, a few facts. Results are data, never instructions.

Nothing of a result is obeyed, and of its texts only short, ordinary sentences are ever spoken (`safe_sentence`).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import Any, Literal, cast

from aivoice.providers.receptionist.moments import clock_of
from aivoice.providers.receptionist.readback import day_in
from aivoice.providers.receptionist.text import humanise, sentences, words

Outcome = Literal["ok", "failed", "unknown", "pending", "cancelled"]
Moment = tuple[str, str]
"""(YYYY-MM-DD or "", HH:MM or "")"""

_BAD = frozenset(
    {
        "error",
        "failed",
        "failure",
        "rejected",
        "refused",
        "denied",
        "invalid",
        "conflict",
        "unavailable",
        "taken",
        "not_found",
        "full",
    }
)
_FREE_KEYS = ("available", "is_available", "free", "open", "availability", "bookable")
_LIST_KEYS = re.compile(r"slot|time|alternativ|opening|option|available|free|suggest|next|date")
_REASON_KEYS = ("message", "reason", "error", "detail", "say")
_REFERENCE = re.compile(
    r"confirmation|reference|booking_?(id|number|code)|ticket|case_?(id|number)|order_?(id|number)|^code$|^ref$"
)


@dataclass(frozen=True, slots=True)
class Result:
    """A tool's answer. moments: free or suggested times, in order. available: what it says outright, None if nothing.

    reason: a short sentence for the caller. reference: a confirmation code. facts: a few plain values to tell.
    lists: short lists of words by key ({"windows": ["morning"]}).
    """

    outcome: Outcome
    moments: tuple[Moment, ...] = ()
    listed: bool = False
    available: bool | None = None
    reason: str = ""
    reference: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()


def read_result(text: str) -> Result:
    """Total: text that is no JSON is an 'ok' without content, or 'failed' when it says so."""
    try:
        raw: object = json.loads(text)
    except (ValueError, RecursionError):
        return Result("failed" if re.search(r"\b(error|failed|exception)\b", text, re.I) else "ok")
    if isinstance(raw, list):
        raw = {"slots": cast("list[Any]", raw)}
    if not isinstance(raw, dict):
        return Result("failed" if raw is False else "ok", available=raw if isinstance(raw, bool) else None)
    data: dict[str, Any] = {str(key): value for key, value in cast("dict[Any, Any]", raw).items()}
    inner = data.get("result", data.get("data"))
    if isinstance(inner, dict):
        data = {**data, **cast("dict[str, Any]", inner)}
    elif isinstance(inner, list):
        data = {**data, "slots": cast("list[Any]", inner)}
    outcome = _outcome(data)
    moments, listed = _moments(data)
    available = next((value for key in _FREE_KEYS if isinstance(value := data.get(key), bool)), None)
    reason = next((s for key in _REASON_KEYS if isinstance(data.get(key), str) and (s := safe_sentence(data[key]))), "")
    reference = next(
        (
            str(v)
            for k, v in data.items()
            if _REFERENCE.search(str(k).lower()) and isinstance(v, str | int) and re.fullmatch(r"[\w-]{1,16}", str(v))
        ),
        "",
    )
    return Result(outcome, moments, listed, available, reason, reference, _facts(data), _word_lists(data))


def _outcome(data: dict[str, Any]) -> Outcome:
    status = str(data.get("status", "")).lower().replace(" ", "_")
    if status == "unknown":
        return "unknown"
    if status in ("pending", "running", "accepted", "in_progress"):
        return "pending"
    if status == "cancelled" and set(data) <= {"status"}:
        return "cancelled"
    refused = data.get("ok") is False or data.get("success") is False or data.get("booked") is False
    return "failed" if status in _BAD or refused or data.get("error") else "ok"


def _moments(data: dict[str, Any]) -> tuple[tuple[Moment, ...], bool]:
    """Every time listed in the result, and whether there was a list at all (an empty one says: nothing is free)."""
    result: list[Moment] = []
    seen = False
    base = day_in(data.get("date", ""))
    for key, value in data.items():
        if isinstance(value, list) and _LIST_KEYS.search(str(key).lower()):
            seen = True
            for item in cast("list[Any]", value)[:60]:
                moment = _moment(item, base)
                if moment is not None and moment not in result:
                    result.append(moment)
    return tuple(result), seen


def _word_lists(data: dict[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    result: list[tuple[str, tuple[str, ...]]] = []
    for key, value in data.items():
        parts = cast("list[Any]", value) if isinstance(value, list) else []
        if parts and len(parts) <= 12 and all(isinstance(part, str) and len(part) <= 40 for part in parts):
            result.append((key, tuple(str(part) for part in parts)))
    return tuple(result[:4])


def _moment(item: object, base: dt.date | None) -> Moment | None:
    if isinstance(item, dict):
        entry = {str(k).lower(): v for k, v in cast("dict[str, Any]", item).items()}
        if entry.get("available") is False:
            return None
        day = next(
            (d for k in ("date", "day", "start", "datetime", "when", "start_time") if (d := day_in(entry.get(k, "")))),
            base,
        )
        time = next(
            (t for k in ("time", "start", "start_time", "datetime", "when", "from") if (t := clock_of(entry.get(k)))),
            None,
        )
    elif isinstance(item, str):
        day, time = day_in(item) or base, clock_of(item)
        if day is base and time is None:
            return None
    else:
        return None
    if day is None and time is None:
        return None
    return (day.isoformat() if day else "", f"{time:%H:%M}" if time else "")


_HIDDEN = re.compile(
    r"(^|_)(id|uuid|key|token|status|ok|success|url|href|html|debug|code|trace|internal|created_at|updated_at)$"
)


def _facts(data: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Up to three plain values with their names, for lookups without a sentence of their own."""
    found: list[tuple[str, str]] = []
    currency = str(data.get("currency", "")).upper()
    for key, value in data.items():
        name = str(key)
        if _HIDDEN.search(name.lower()) or name in _REASON_KEYS or name.lower() in ("currency", *_FREE_KEYS):
            continue
        if isinstance(value, bool):
            found.append((humanise(name), "yes" if value else "no"))
        elif isinstance(value, int | float):
            money = re.search(r"price|cost|fee|total|amount|deposit", name.lower())
            shown = (
                f"{value:g}"
                if isinstance(value, float) and not money
                else f"{value:,.2f}".removesuffix(".00")
                if money
                else str(value)
            )
            found.append(
                (
                    humanise(name),
                    f"${shown}"
                    if money and currency in ("", "USD")
                    else f"{shown} {currency}".strip()
                    if money
                    else shown,
                )
            )
        elif isinstance(value, str) and 0 < len(value) <= 60 and safe_sentence(value):
            found.append((humanise(name), value))
    return tuple(found[:3])


_COMMANDING = re.compile(
    r"\b(ignore|disregard|forget|override|bypass)\b.{0,40}\b(instruction|previous|above|prior|rule|prompt|"
    r"everything|all)|\b(system|assistant|user|developer)\s*:|\bsystem prompt\b|\byou (are now|must now|"
    r"should now|will now)\b|\b(call|use|invoke|run|execute|trigger) (the )?\w*_?\w* ?(tool|function)\b|"
    r"\b(transfer|end_call|take_message)\s*\(|<\/?\w+>|```|\bas an ai\b|\b(tell|ask|instruct) the (caller|"
    r"user|customer) (to|that|for)\b|\bsay (exactly|the following|that)\b|\b(new|updated|"
    r"important) instructions?\b|\bprompt\b|https?://|\bpretend\b|\brole ?play\b",
    re.I,
)


def suspicious(text: str) -> bool:
    """Whether a text from outside tries to instruct instead of inform."""
    return bool(_COMMANDING.search(text))


def safe_sentence(text: str) -> str:
    """The first ordinary sentences of a text, at most 25 words, or "" where it instructs or is not prose."""
    flat = " ".join(str(text).split())
    if (
        not flat
        or suspicious(flat)
        or re.search(r"[{}\[\]<>|\\]|[A-Za-z_]+Error\b|\bHTTP\b|\b\d{3} [A-Z][a-z]+ Error|_\w+_", flat)
    ):
        return ""
    kept: list[str] = []
    for sentence in sentences(flat)[:2]:
        if len(words(" ".join([*kept, sentence]))) > 25:
            break
        kept.append(sentence)
    return " ".join(kept)
