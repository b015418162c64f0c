"""Days and times of a form: what was said, whether it can be, and how the tool wants it written. Pure."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise

from aivoice.providers.receptionist import find
from aivoice.providers.receptionist.facts import time_in
from aivoice.providers.receptionist.find import DateSpan, Found, TimeSpan
from aivoice.providers.receptionist.holidays import holiday
from aivoice.providers.receptionist.reader import Problem, Reader, Values, fitted, of_kind, place, put_text
from aivoice.providers.receptionist.schema import Field, Shape
from aivoice.providers.receptionist.text import plain, words


def read_offered(reader: Reader) -> None:
    """ "the second one" of the times just offered."""
    if not reader.offered:
        return
    index = find.ordinal_pick(reader.text, len(reader.offered))
    if index is None and len(reader.offered) == 1 and "yes" in reader.acts and not find.times(reader.text, False):
        index = 0
    missing = any(
        item.kind in ("time", "datetime") and item.name in reader.expecting and item.name not in reader.known
        for item in reader.shape.fields
    )
    if index is None and missing and _ANY.search(plain(reader.text)) and not find.times(reader.text, False):
        index = 0
    if index is None:
        return
    day, time = reader.offered[index]
    for item in reader.shape.fields:
        if item.kind == "time" and time:
            reader.values[item.name] = time
        elif item.kind == "date" and day and not item.past_ok:
            reader.values[item.name] = day
        elif item.kind == "datetime" and day and time:
            reader.values[item.name] = join_moment(item, day, time, reader)
    reader.text = _PICKED.sub(lambda m: " " * len(m[0]), reader.text)


_ANY = re.compile(
    r"\b(any ?(time|of (them|those)|one)( is fine| works)?|whatever|whichever|"
    r"(doesn't|don't|does not) (matter|care|mind)|"
    r"(you|just) (choose|pick|decide)|either|no preference|first available|soonest|earliest)\b"
)
_PICKED = re.compile(
    r"\b(?:the )?(?:first|second|third|fourth|fifth|last|earliest|soonest|latest)(?: (?:one|option|slot|"
    r"time))?\b",
    re.I,
)


def read_days(reader: Reader) -> None:
    fields = of_kind(reader, "date", "datetime")
    if not fields:
        return
    past_ok = all(item.past_ok for item in fields) or any(
        item.past_ok and item.name in reader.expecting for item in fields
    )
    first = next((item for item in fields if item.name in reader.expecting), fields[0])
    if find.impossible_day(reader.text):
        reader.problems.append(Problem(first.name, "impossible_day"))
        return

    def put(item: Field, span: DateSpan) -> None:
        _take_day(reader, item, span)

    found = find.days(reader.text, reader.today, past_ok)
    if not past_ok and (len(found) > 1 or first.name not in reader.expecting) and len(words(reader.text)) > 6:
        found = tuple(hit for hit in found if hit.value.first >= reader.today)  # "two weeks ago" is only told
    named = holiday(plain(reader.text), reader.today, reader.facts) if not found and not past_ok else None
    if named is not None:
        put(first, DateSpan(named[0], named[0]))
        return
    if not found and first.name in reader.expecting and not past_ok and _AT_ONCE.search(plain(reader.text)):
        _span_of_days(reader, first, DateSpan(reader.today, reader.today, "", False, True))
        return
    place(reader, _meant(reader, len(fields), found), fields, put)
    for hit in found:
        reader.read(hit.start, hit.end)


def _take_day(reader: Reader, item: Field, span: DateSpan) -> None:
    """A day for `item`, or what is wrong with it."""
    if not span.single:
        _span_of_days(reader, item, span)
        return
    day = span.first
    if span.part:
        reader.values[f"{item.name}|part"] = span.part
    if span.mismatch:
        reader.problems.append(Problem(item.name, "mismatch", (("value", spoken_day(day)), ("weekday", f"{day:%A}"))))
    elif day < reader.today and not item.past_ok:
        reader.problems.append(Problem(item.name, "past", (("value", spoken_day(day)),)))
    elif day > reader.today and item.past_ok and "birth" in " ".join(item.hints):
        reader.problems.append(Problem(item.name, "not_valid"))
    elif reader.shape.visit and not item.past_ok and reader.facts.known and not reader.facts.spans(day):
        name = reader.facts.day_name(day)
        reader.problems.append(Problem(item.name, "closed_day", (("value", name or spoken_day(day)),)))
    else:
        _put_day(reader, item, day.isoformat())


def _meant(reader: Reader, count: int, found: tuple[Found[DateSpan], ...]) -> list[Found[DateSpan]]:
    """As many days as there are fields: the last ones of a correction, else the first that are possible ("Wednesday or
    Thursday")."""
    kept = _weekday_within([hit for hit in found if not hit.negated])
    if len(kept) <= count:
        return kept
    if re.search(r"\b(no|sorry|actually|wait|mean|rather|make it)\b", reader.text, re.I):
        for hit in kept[:-count]:
            reader.read(hit.start, hit.end)
        return kept[-count:]
    visit = reader.shape.visit and reader.facts.known
    possible = [hit for hit in kept if not visit or not hit.value.single or reader.facts.spans(hit.value.first)]
    return (possible or kept)[:count]


_AT_ONCE = re.compile(
    r"\b(right now|right away|immediately|straight away|(as soon|soon) as you can|first available|next available|"
    r"(the )?(earliest|soonest)( possible)?)\b|^(uh |um |well )?now( please)?$"
)


def _weekday_within(found: list[Found[DateSpan]]) -> list[Found[DateSpan]]:
    """ "next week, maybe Wednesday" is one day: the Wednesday of that week."""
    for wide, single in pairwise(found):
        span, day = wide.value, single.value.first
        if span.single or span.open_start or not single.value.single or (span.last - span.first).days > 13:
            continue
        inside = span.first + dt.timedelta(days=(day.weekday() - span.first.weekday()) % 7)
        if inside <= span.last:
            merged = Found(DateSpan(inside, inside, single.value.part or span.part), wide.start, single.end)
            return [merged if hit is wide else hit for hit in found if hit is not single]
    return found


def _span_of_days(reader: Reader, item: Field, span: DateSpan) -> None:
    """ "as soon as possible" is the next open day; "next week" must be narrowed down."""
    if span.open_start and span.first <= reader.today:
        for ahead in range(15):
            day = reader.today + dt.timedelta(days=ahead)
            ends = [end for _, end in reader.facts.spans(day)]
            still = (
                ahead > 0 or not reader.facts.known or any(end > reader.now.time() or end == dt.time(0) for end in ends)
            )
            if not reader.shape.visit or not reader.facts.known or (ends and still):
                _put_day(reader, item, day.isoformat())
                return
    reader.problems.append(Problem(item.name, "which_day"))


def _put_day(reader: Reader, item: Field, day: str) -> None:
    if item.kind == "date":
        parsed = dt.date.fromisoformat(day)
        put_text(reader, item, day, f"{parsed:%m/%d/%Y}", f"{parsed:%d/%m/%Y}", f"{parsed:%Y%m%d}")
        return
    reader.values[f"{item.name}|date"] = day
    time = reader.values.get(f"{item.name}|time") or reader.known.get(f"{item.name}|time")
    if time:
        reader.values[item.name] = join_moment(item, day, str(time), reader)


def read_times(reader: Reader) -> None:
    fields = of_kind(reader, "time", "datetime")
    if not fields:
        return
    asked = reader.asked("time") or (reader.asked("datetime") and "|" not in "".join(reader.expecting))
    found = [hit for hit in find.times(reader.text, asked) if not hit.negated]

    def put(item: Field, span: TimeSpan) -> None:
        if span.part and span.time is None:
            reader.values[f"{item.name}|part"] = span.part
            return
        time = span.time
        if time is None:
            return
        if span.qualifier in ("after", "before") and item.name not in reader.expecting:
            reader.values[f"{item.name}|{span.qualifier}"] = f"{time:%H:%M}"
        _put_time(reader, item, _likely(reader, item, time, span.stated))

    clock = [hit for hit in found if hit.value.time is not None]
    if len(clock) > len(fields) and re.search(r"\b(no|sorry|actually|wait|mean|rather|make it)\b", reader.text, re.I):
        clock = clock[-len(fields) :]
    place(reader, clock or found, fields, put)
    for hit in found:
        reader.read(hit.start, hit.end)


def day_of(reader: Reader, item: Field) -> dt.date | None:
    """The day that goes with a time field, as far as it is known."""
    names = (
        [f"{item.name}|date"]
        if item.kind == "datetime"
        else [other.name for other in of_kind(reader, "date") if not other.past_ok]
    )
    for name in names:
        raw = reader.values.get(name, reader.known.get(name))
        try:
            return dt.date.fromisoformat(str(raw)[:10])
        except ValueError:
            continue
    return None


def _likely(reader: Reader, item: Field, time: dt.time, stated: bool) -> dt.time:
    """ "eight" at a restaurant is in the evening: of two readings the one within the hours."""
    if stated or not reader.shape.visit or not reader.facts.known or item.past_ok:
        return time
    wish = reader.values.get(f"{item.name}|part") or reader.known.get(f"{item.name}|part")
    other = time.replace(hour=(time.hour + 12) % 24)
    if wish:
        morning = wish == "morning"
        return time if (time.hour < 12) == morning else other
    day = day_of(reader, item)
    spans = (
        reader.facts.spans(day)
        if day
        else tuple(s for i in range(7) for s in reader.facts.spans(reader.today + dt.timedelta(days=i)))
    )
    return other if spans and not time_in(spans, time) and time_in(spans, other) else time


def _put_time(reader: Reader, item: Field, time: dt.time) -> None:
    text = f"{time:%H:%M}"
    if item.kind == "time":
        put_text(reader, item, text, f"{text}:00", f"{text}:00Z", f"{time:%I:%M %p}", f"{time:%I:%M%p}".lstrip("0"))
        return
    reader.values[f"{item.name}|time"] = text
    day = reader.values.get(f"{item.name}|date") or reader.known.get(f"{item.name}|date")
    if day:
        reader.values[item.name] = join_moment(item, str(day), text, reader)


def join_moment(item: Field, day: str, time: str, reader: Reader) -> str:
    """Day and time as the field's pattern wants it; with the caller's offset where nothing speaks against it."""
    offset = reader.now.strftime("%z")
    zone = f"{offset[:3]}:{offset[3:5]}" if len(offset) >= 5 else ""
    plain_text = f"{day}T{time}"
    return fitted(item, f"{plain_text}:00{zone}", f"{plain_text}:00", plain_text, f"{day} {time}") or plain_text


def read_check_hours(reader: Reader) -> None:
    """A visit outside the opening hours of its day is questioned, not taken; one in the past today likewise."""
    for item in of_kind(reader, "time", "datetime"):
        if item.past_ok or (
            item.name not in reader.values
            and not any(f.kind == "date" and f.name in reader.values for f in reader.shape.fields)
        ):
            continue
        raw = (
            reader.values.get(f"{item.name}|time")
            if item.kind == "datetime"
            else reader.values.get(item.name, reader.known.get(item.name))
        )
        day = day_of(reader, item)
        time = clock_of(raw)
        if day is None or time is None:
            continue
        if day == reader.today and time <= reader.now.time() and reader.shape.spec.side_effects:
            problem = Problem(item.name, "past_time", (("value", spoken_time(time)),))
        elif reader.shape.visit and reader.facts.known and not time_in(reader.facts.spans(day), time):
            problem = Problem(item.name, "closed_time", (("value", spoken_time(time)),))
        else:
            continue
        reader.problems.append(problem)
        for key in (item.name, f"{item.name}|time"):
            reader.values.pop(key, None)
        reader.values[f"{item.name}|drop"] = True


def clock_of(value: object) -> dt.time | None:
    """The clock time of a stored value ("15:00", "3:00 PM", "2026-11-24T15:00"), or None."""
    text = str(value or "")
    match = re.search(r"(?:^|T| )(\d{1,2}):(\d{2})(?::\d{2})?\s*([ap]m)?", text, re.I)
    if match is None:
        return None
    hour = int(match[1]) % 24
    if match[3]:
        hour = hour % 12 + (12 if match[3].lower() == "pm" else 0)
    return dt.time(hour, int(match[2]) % 60)


def spoken_day(day: dt.date, this_year: int | None = None) -> str:
    """ "Wednesday, November 25th", with the year where it is not `this_year` (None: never)."""
    suffix = "th" if 10 <= day.day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    year = f", {day.year}" if this_year is not None and day.year != this_year else ""
    return f"{day:%A}, {day:%B} {day.day}{suffix}{year}"


def spoken_time(time: dt.time) -> str:
    """ "3 pm", "10:30 am", "noon"."""
    if time.minute == 0 and time.hour in (0, 12):
        return "noon" if time.hour else "midnight"
    minutes = f":{time.minute:02d}" if time.minute else ""
    return f"{time.hour % 12 or 12}{minutes} {'am' if time.hour < 12 else 'pm'}"


def day_in_form(shape: Shape, values: Values) -> dt.date | None:
    """The day of the visit that a form is about, as far as it is known."""
    for item in shape.fields:
        if item.kind in ("date", "datetime") and not item.past_ok:
            raw = values.get(item.name, values.get(f"{item.name}|date"))
            try:
                return dt.date.fromisoformat(str(raw)[:10])
            except ValueError:
                continue
    return None
