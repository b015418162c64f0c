"""One utterance to values of a form: every value that was said, wherever it was said, and what is wrong with it.

`extracting(reader)` changes nothing but its reader. Order matters: what is surest is read, and masked, first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from aivoice.providers.receptionist import find
from aivoice.providers.receptionist.acts import Act
from aivoice.providers.receptionist.moments import read_check_hours, read_days, read_offered, read_times
from aivoice.providers.receptionist.names import name
from aivoice.providers.receptionist.reader import Problem, Reader, of_kind, place, put_text
from aivoice.providers.receptionist.schema import Field
from aivoice.providers.receptionist.text import content, plain, stem, words


def extracting(reader: Reader) -> Iterator[None]:
    """Read everything that `reader.text` says about the shape's fields into `reader`, a step at a time: a long sentence
    takes several ms in all. What is surest is read (and masked) first."""
    reader.whole = reader.whole or reader.text
    fields = reader.shape.fields
    long_text = [item for item in fields if item.kind == "text" and item.name in reader.expecting]
    steps: tuple[Callable[[], None], ...] = (
        lambda: read_offered(reader),
        lambda: _emails(reader),
        lambda: _phones(reader),
        lambda: _codes(reader),
        lambda: _choices(reader, spoken_only=True),
        lambda: read_days(reader),
        lambda: read_times(reader),
        lambda: _choices(reader),
        lambda: _booleans(reader),
        lambda: _counts(reader),
        lambda: _names(reader),
        lambda: _addresses(reader),
        lambda: _lists(reader),
        lambda: _texts(reader, long_text),
        lambda: read_check_hours(reader),
    )
    for step in steps:
        step()
        yield


# ---------------------------------------------------------------- contact details


def _emails(reader: Reader) -> None:
    fields = of_kind(reader, "email")
    if (fields and "@" in reader.text) or (fields and re.search(r"\b(at|dot)\b", reader.text, re.I)):
        place(reader, find.emails(reader.text), fields, lambda item, mail: put_text(reader, item, mail.address))


def _phones(reader: Reader) -> None:
    fields = of_kind(reader, "phone")
    if not fields:
        return
    asked = reader.asked("phone")
    if "phone" in reader.contact and re.search(
        r"\b(same|as before|already (have|gave)|you have (it|my))\b", reader.text, re.I
    ):
        target = next((item for item in fields if item.name in reader.expecting), fields[0])
        reader.values[target.name] = reader.contact["phone"]
        return
    if re.search(
        r"\b(this|the|same) (number|one) (i'm|i am|you|that i|is fine|i called)\b|\bnumber i'm calling from\b",
        reader.text,
        re.I,
    ):
        reader.problems.append(Problem(fields[0].name, "not_valid"))
        return
    correcting = bool(reader.acts & {"no", "correction"}) and any(item.name in reader.known for item in fields)
    runs = find.phones(reader.text, asked or correcting)
    whole = [run for run in runs if run.value.complete]

    def put(item: Field, phone: find.Phone) -> None:
        digits = phone.digits
        dashed = f"{digits[-10:-7]}-{digits[-7:-4]}-{digits[-4:]}" if len(digits) == 10 else digits
        plus = ("+" if phone.international else "+1" if len(digits) == 10 else "+") + digits
        put_text(reader, item, plus if phone.international else digits, digits, plus, dashed)

    so_far = next(
        (str(reader.known[f"{item.name}|digits"]) for item in fields if reader.known.get(f"{item.name}|digits")), ""
    )
    if whole and not (
        so_far and find.Phone(so_far + whole[0].value.digits).complete and len(whole[0].value.digits) < 10
    ):
        place(reader, whole, fields, put)
    elif runs and not asked and _new_tail(reader, fields[0], runs[-1].value.digits):
        reader.read(runs[-1].start, runs[-1].end)
    elif asked and runs:
        target = next(item for item in fields if item.name in reader.expecting)
        so_far = str(reader.known.get(f"{target.name}|digits", ""))
        joined = find.Phone(so_far + "".join(run.value.digits for run in runs))
        for run in runs:
            reader.read(run.start, run.end)
        if joined.complete:
            put(target, joined)
            return
        if so_far and find.Phone(runs[-1].value.digits).complete:
            put(target, runs[-1].value)
            return
        fresh = joined.digits if len(joined.digits) < 12 else ""
        reader.values[f"{target.name}|digits"] = fresh
        reader.problems.append(Problem(target.name, "more_digits" if fresh and len(fresh) < 10 else "not_valid"))


def _new_tail(reader: Reader, item: Field, digits: str) -> bool:
    """ "No, 2234": the last digits of the number just read back were wrong."""
    known = str(reader.known.get(item.name, ""))
    if any(hit.value.time for hit in find.times(reader.text, True)) or find.dates(reader.text, reader.today):
        return False  # "make it ten thirty" changes the time
    if not reader.acts & {"no", "correction"} or not 3 <= len(digits) <= 6 or len(known) <= len(digits):
        return False
    put_text(reader, item, known[: -len(digits)] + digits)
    return item.name in reader.values


def _codes(reader: Reader) -> None:
    for item in of_kind(reader, "code"):
        hit = find.code(reader.text, item, item.name in reader.expecting)
        if hit is not None and (reader.override or item.name not in reader.known):
            digits = "".join(ch for ch in hit.value if ch.isdigit())
            put_text(reader, item, hit.value, digits, hit.value.lower())
            reader.read(hit.start, hit.end)


# ---------------------------------------------------------------- choices, numbers, names, text


def _day_words(reader: Reader, start: int, end: int) -> bool:
    """The stretch belongs to a day or time that was said."""
    moments = (*find.dates(reader.text, reader.today), *find.times(reader.text, False))
    return any(item.start < end and start < item.end for item in moments)


def _choices(reader: Reader, spoken_only: bool = False) -> None:
    """Options by name. spoken_only: those in words, before days and times are read ("this week", "morning"); they are
    masked only where they answer their own question, because "tomorrow morning" is also a day."""
    for item in of_kind(reader, "enum"):
        asked = item.name in reader.expecting
        if item.wordy != spoken_only or (item.name in reader.known and not reader.override and not asked):
            continue
        named = find.choices(reader.text, item.options, asked)
        if not named and asked:
            index = find.ordinal_pick(reader.text, min(len(item.options), 6))
            if index is not None:
                reader.values[item.name] = item.options[index].value
            continue
        if not named:
            continue
        # "not the cleaning but the whitening": the later one counts when the caller corrects.
        option, start, end = named[-1 if "correction" in reader.acts else 0]
        reader.values[item.name] = option.value
        # "This week, I guess", where no day was asked for, is no week to choose a day from.
        phrase = len(words(reader.text[start:end])) > 1 and not reader.asked("date", "datetime", "time")
        if asked or phrase or not spoken_only or not _day_words(reader, start, end):
            reader.read(start, end)


_NOT = re.compile(r"\b(not|n't|never|no|isn't|aren't|haven't|don't|without)\b")


def _booleans(reader: Reader) -> None:
    said = plain(reader.text)
    stems = {stem(w) for w in words(said)}
    for item in of_kind(reader, "boolean"):
        asked = item.name in reader.expecting
        own = set(content(item.label)) or set(item.hints)
        if own and own <= stems and (asked or not reader.known.get(item.name) is not None or reader.override):
            reader.values[item.name] = not _NOT.search(said)
        elif asked and "yes" in reader.acts:
            reader.values[item.name] = True
        elif asked and ("no" in reader.acts or re.search(r"\b(i'm not|i haven't|i don't|not really)\b", said)):
            reader.values[item.name] = False


def _counts(reader: Reader) -> None:
    for item in of_kind(reader, "integer", "number"):
        asked = item.name in reader.expecting
        if item.name in reader.known and not reader.override and not asked:
            continue
        hit = find.integer(reader.text, item, asked)
        if hit is None:
            continue
        value = hit.value
        reader.read(hit.start, hit.end)
        if item.minimum is not None and value < item.minimum:
            reader.problems.append(Problem(item.name, "too_small", (("limit", _number(item.minimum)),)))
        elif item.maximum is not None and value > item.maximum:
            reader.problems.append(Problem(item.name, "too_big", (("limit", _number(item.maximum)),)))
        elif item.kind == "integer" and value != int(value):
            reader.problems.append(Problem(item.name, "not_valid"))
        else:
            reader.values[item.name] = int(value) if value == int(value) else value


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _names(reader: Reader) -> None:
    fields = of_kind(reader, "name")
    if not fields:
        return
    asked = [item for item in fields if item.name in reader.expecting]
    target = asked[0] if asked else next((item for item in fields if item.name not in reader.known), fields[-1])
    current = str(reader.known.get(target.name, ""))
    talk = {
        "question",
        "cancel",
        "bye",
        "repeat",
        "hear",
        "robot",
        "wait",
        "thanks",
        "hours",
        "person",
        "message",
        "abuse",
        "dont_know",
    }
    bare = bool(asked) and not (reader.acts & talk)
    hit = name(reader.text, bare, current)
    if hit is None:
        return
    if current and not reader.override and not asked:
        return
    # A service or a weekday is not a name: "for whitening".
    options = {way for other in of_kind(reader, "enum") for option in other.options for way in option.stems}
    if tuple(stem(w) for w in words(hit.value)) in options:
        return
    put_text(reader, target, hit.value)
    reader.read(hit.start, hit.end)


def _addresses(reader: Reader) -> None:
    fields = of_kind(reader, "address")
    for item in fields:
        asked = item.name in reader.expecting and item.name not in reader.values
        if item.name in reader.known and not reader.override and not asked:
            continue
        if asked and reader.acts & {"question", "cancel", "repeat", "hear", "robot", "wait", "person", "dont_know"}:
            continue
        hit = find.address(reader.text, asked)
        if hit is None:
            continue
        place(reader, [hit], [item] if asked else fields, lambda target, text: put_text(reader, target, text))
        if asked:
            break


def _lists(reader: Reader) -> None:
    for item in of_kind(reader, "array"):
        asked = item.name in reader.expecting
        if item.name in reader.known and not reader.override and not asked:
            continue
        if item.options:
            picked: list[Any] = [option.value for option, _, _ in find.choices(reader.text, item.options, asked)]
        elif item.item in ("integer", "number") and asked:
            picked = [int(n.value.value) for n in find.numbers(reader.text) if not n.value.ordinal]
        elif asked and not reader.acts & {"question", "cancel", "repeat", "wait", "person"}:
            parts = re.split(r",|\band\b|\bplus\b|\balso\b", find.free_text(reader.text))
            picked = [part.strip(" .") for part in parts if part.strip(" .")]
            picked = [{item.wrap: part} for part in picked] if item.wrap else picked
        else:
            continue
        if picked:
            reader.values[item.name] = picked


_TALK: frozenset[Act] = frozenset(
    {
        "cancel",
        "repeat",
        "slower",
        "hear",
        "robot",
        "wait",
        "person",
        "bye",
        "nothing_else",
        "who",
        "abuse",
        "dont_know",
    }
)
_REASON = frozenset(
    {"problem", "issu", "reason", "descrip", "symptom", "purpos", "concern", "detail", "situat", "matter", "complaint"}
)


def _texts(reader: Reader, asked: list[Field]) -> None:
    """Free text: the answer to its own question, or the complaint that the caller opened with."""
    for item in asked[:1]:
        rest = reader.whole if reader.shape.name == "take_message" or not reader.values else reader.text
        body = find.free_text(rest)
        weak = len(words(body)) <= 1 and bool(reader.acts & {"yes", "no", "thanks", "greeting"})
        question = "question" in reader.acts and reader.shape.name != "take_message"
        if body and words(body) and not weak and not question and not reader.acts & _TALK:
            put_text(reader, item, body)
    if asked:
        return
    for item in of_kind(reader, "text"):
        about = item.hints | set(content(item.label))
        if item.name in reader.known or not any(hint.startswith(tuple(_REASON)) or hint in _REASON for hint in about):
            continue
        body = find.problem_text(reader.whole)
        if body:
            reader.values[item.name] = body
            return
