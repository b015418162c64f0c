"""What callers say, as a recogniser writes it, and the values in it."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.speech.parse_answers import match_choice, parse_answer
from aivoice.speech.parse_dates import find_dates
from aivoice.speech.parse_emails import find_emails, find_spelled
from aivoice.speech.parse_names import find_address, find_name
from aivoice.speech.parse_numbers import find_numbers
from aivoice.speech.parse_phones import find_phones
from aivoice.speech.parse_times import find_times

SUNDAY = dt.date(2026, 11, 22)

DATES = {
    "november twenty fourth": ["2026-11-24"],
    "the twenty-fourth of November": ["2026-11-24"],
    "Nov 24": ["2026-11-24"],
    "on the 24th": ["2026-11-24"],
    "the second": [],
    "on the second": ["2026-12-02"],
    "11/24": ["2026-11-24"],
    "24/11": ["2026-11-24"],
    "2026-11-24": ["2026-11-24"],
    "november twenty fourth twenty twenty seven": ["2027-11-24"],
    "november first": ["2027-11-01"],
    "today or tomorrow": ["2026-11-22", "2026-11-23"],
    "tomorrow afternoon": ["2026-11-23 afternoon"],
    "the day after tomorrow": ["2026-11-24"],
    "wednesday": ["2026-11-25"],
    "this sunday": ["2026-11-22"],
    "sunday": [],
    "on sunday": [],
    "next wednesday": ["2026-11-25"],
    "wednesday next week": ["2026-11-25"],
    "wednesday week": ["2026-12-02"],
    "a week from tuesday": ["2026-12-01"],
    "in three days": ["2026-11-25"],
    "in a couple of weeks": ["2026-12-06"],
    "two weeks": [],
    "Tuesday the 25th": ["2026-11-25 mismatch"],
    "Tuesday, November 24th": ["2026-11-24"],
    "not tuesday, wednesday": ["not 2026-11-24", "2026-11-25"],
    "I can't do monday but tuesday is fine": ["not 2026-11-23", "2026-11-24"],
    "next week": ["2026-11-23..2026-11-29"],
    "this weekend": ["2026-11-22..2026-11-22"],
    "after thursday": ["2026-11-27.."],
    "monday morning please": ["2026-11-23 morning"],
    "first thing tomorrow morning": ["2026-11-23 morning"],
    "february thirtieth": [],
    "february twenty ninth": ["2028-02-29"],
    "on christmas eve": ["2026-12-24"],
    "are you open thanksgiving": ["2026-11-26"],
    "the day after thanksgiving": ["2026-11-27"],
    "the day before christmas": ["2026-12-24"],
    "new year's day": ["2027-01-01"],
    "labor day and memorial day": ["2027-09-06", "2027-05-31"],
    "good friday": ["2027-03-26"],
    "easter monday morning": ["2027-03-29 morning"],
    "the fourth of july": ["2027-07-04"],
    "24th street": [],
    "I may march on": [],
    "i live at 3 may street": [],
}  # fmt: skip
del DATES["sunday"], DATES["on sunday"]
DATES |= {"sunday": ["2026-11-29"], "on Sunday": ["2026-11-29"]}


@pytest.mark.parametrize("said", DATES)
def test_dates(said: str) -> None:
    found: list[str] = []
    for item in find_dates(said, SUNDAY):
        span = item.value
        text = f"{span.first}"
        if span.open_start:
            text += ".."
        elif span.first != span.last or said.endswith("weekend"):
            text += f"..{span.last}"
        text += f" {span.part}" if span.part else ""
        text += " mismatch" if span.mismatch else ""
        found.append(("not " if item.negated else "") + text)
    assert found == DATES[said]


TIMES = {
    "three pm": "15:00",
    "3 p.m.": "15:00",
    "nine thirty a m": "09:30",
    "9:30am": "09:30",
    "at three": "15:00?",
    "I'd like tomorrow at three": "15:00?",
    "half past three": "15:30?",
    "Quarter pass nine": "09:15?",
    "quarter to four": "15:45?",
    "1 ¼ to 4": "15:45?",
    "½ past 3": "15:30?",
    "a quarter past two in the afternoon": "14:15",
    "ten to five": "16:50?",
    "twenty five past eight": "08:25?",
    "quarter to noon": "11:45",
    "three thirty": "15:30?",
    "three o'clock": "15:00?",
    "eight in the evening": "20:00",
    "twelve thirty": "12:30?",
    "noon": "12:00",
    "at twelve noon": "12:00",
    "midnight": "00:00",
    "fifteen hundred": "15:00",
    "15:30": "15:30",
    "0930 hours": "09:30",
    "see you at 905": "09:05?",
    "8.30am and 11.30am": "08:30 11:30",
    "room 905": "",
    "at 1250 north main street": "",
    "three or four pm": "15:00 16:00",
    "between two and four pm": "14:00-16:00",
    "from nine to eleven": "09:00-11:00?",
    "eleven to one": "",
    "after three": "after 15:00?",
    "before noon": "before 12:00",
    "around ten": "about 10:00?",
    "in the morning": "morning",
    "sometime in the afternoon": "afternoon",
    "good morning": "",
    "in two hours": "",
    "about two weeks ago": "",
    "I have three kids": "",
    "five five five oh one four two": "",
    "14 elm street": "",
    "at 14 elm street": "",
    "twenty one thirty west avenue": "",
    "on the 24th": "",
    "2026-11-24": "",
}


def shown(said: str, expected: bool = False) -> str:
    out: list[str] = []
    for item in find_times(said, expected=expected):
        span = item.value
        text = f"{span.time:%H:%M}" if span.time else span.part
        text += f"-{span.until:%H:%M}" if span.until else ""
        text += "?" if span.time and not span.stated else ""
        out.append(f"{span.qualifier} {text}".strip())
    return " ".join(out)


@pytest.mark.parametrize("said", TIMES)
def test_times(said: str) -> None:
    assert shown(said) == TIMES[said]


def test_a_bare_number_is_a_time_when_one_was_asked_for() -> None:
    assert shown("three", expected=True) == "15:00?"
    assert shown("nine forty", expected=True) == "09:40?"
    assert shown("um, ten please", expected=True) == "10:00?"
    assert shown("10-30.", expected=True) == "10:30?"
    assert shown("three") == ""
    assert shown("10-30") == ""


PHONES = {
    "oh seven seven double five one two three four five six": "07755123456",
    "five five five, oh one four two": "5550142",
    "my number is 555-0142": "5550142",
    "(555) 010-4477": "5550104477",
    "+44 7700 900123": "+447700900123",
    "plus four four seven seven double oh nine hundred one two three": "+447700900123",
    "area code five five five, um, oh one oh, four four seven seven extension twelve": "5550104477x12",
    "five five six no sorry five five five oh one four two": "5550142",
    "eight hundred five five five oh one nine nine": "8005550199",
    "triple five oh one four two": "5550142",
    "Trouble 5, 01-42": "5550142",
    "at 3:30 on 11/24": "",
    "$1,250,000": "",
    "$12,500,000,000.00 a year": "",
    "I have two kids": "",
    "twenty three forty five": "",
}


@pytest.mark.parametrize("said", PHONES)
def test_phones(said: str) -> None:
    found = [
        ("+" if phone.value.international else "")
        + phone.value.digits
        + (f"x{phone.value.extension}" if phone.value.extension else "")
        for phone in find_phones(said)
    ]
    assert found == ([PHONES[said]] if PHONES[said] else [])


def test_a_number_may_come_in_pieces_and_says_whether_it_is_whole() -> None:
    assert [item.value.digits for item in find_phones("five five five", partial=True)] == ["555"]
    assert not find_phones("five five five")
    assert [item.value.complete for item in find_phones("555 0142")] == [True]
    assert [item.value.complete for item in find_phones("555 01424 4")] == [False]


EMAILS = {
    "a n n a at gmail dot com": "anna@gmail.com",
    "it's anna dot b at example dot com": "anna.b@example.com",
    "my email is john smith at gmail dot com": "johnsmith@gmail.com",
    "A-N-N-A@gmail.com": "anna@gmail.com",
    "Anna.Bell at gmail.com.": "anna.bell@gmail.com",
    "anna underscore b at northside dash dental dot co dot uk": "anna_b@northside-dental.co.uk",
    "anna at g mail dot com thanks": "anna@gmail.com",
    "j as in john b smith twenty three at yahoo dot com please": "jbsmith23@yahoo.com",
    "it is b e double l at outlook dot com": "bell@outlook.com",
    "anna at gmail": "anna@gmail.com?",
    "It's Anna at example.com. And my phone is 555": "anna@example.com",
    "meet me at three dot": "",
    "I am at home": "",
    "I'll be there at noon.": "",
}


@pytest.mark.parametrize("said", EMAILS)
def test_emails(said: str) -> None:
    found = [item.value.address + ("?" if item.value.assumed else "") for item in find_emails(said)]
    assert found == ([EMAILS[said]] if EMAILS[said] else [])


NAMES = {
    "my name is anna bell": ("Anna Bell", "Anna Bell"),
    "Hi, this is Anna Bell calling about my tooth": ("Anna Bell", "Anna Bell"),
    "I'm calling about a leak": (None, None),
    "I'm Anna": ("Anna", "Anna"),
    "anna bell": (None, "Anna Bell"),
    "Anna Bell, B-E-L-L-E": (None, "Anna Belle"),
    "the name is smith s m y t h e": ("Smythe", "Smythe"),
    "it's tom o'brien and my number is five five five": ("Tom O'Brien", "Tom O'Brien"),
    "yes it's john van der berg please": ("John van der Berg", "John van der Berg"),
    "this is an emergency": (None, None),
    "i'm looking for an appointment": (None, None),
    "it's for tomorrow": (None, None),
    "you can put it under robert johnson": ("Robert Johnson", "Robert Johnson"),
    "water under the sink": (None, None),
    "s m i t h": (None, "Smith"),
    "Miller, MILLER.": (None, "Miller"),
    "Anna Bell, BELLE": (None, "Anna Belle"),
}


@pytest.mark.parametrize("said", NAMES)
def test_names(said: str) -> None:
    unasked, asked = find_name(said), find_name(said, expected=True)
    assert (unasked.value.name if unasked else None, asked.value.name if asked else None) == NAMES[said]


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("fourteen elm street", "14 Elm Street"),
        ("I'm at 12 Harbour Road, flat 3", "12 Harbour Road Flat 3"),
        ("one oh five west main street apartment two", "105 West Main Street Apartment 2"),
        ("12b quay street", "12B Quay Street"),
        ("twelve fifty north main street", "1250 North Main Street"),
        ("tomorrow at three", None),
        ("my street is elm street", None),
    ],
)
def test_addresses(said: str, address: str | None) -> None:
    found = find_address(said)
    assert (found.value if found else None) == address


ANSWERS = {
    "yes please": ("yes", ""),
    "no, Wednesday": ("no", "Wednesday"),
    "no that's fine": ("yes", ""),
    "yeah but make it four": ("yes", "make it four"),
    "uh, yes that's right thanks": ("yes", ""),
    "mm-hm": ("yes", ""),
    "I don't think so": ("no", ""),
    "no no no": ("no", ""),
    "not yet": ("no", ""),
    "nope, sorry": ("no", "sorry"),
    "yes no wait no": ("no", ""),
    "hold on": ("wait", ""),
    "I don't know": ("unsure", ""),
    "right now": ("none", "right now"),
    "please call me": ("none", "please call me"),
    "I need a plumber": ("none", "I need a plumber"),
    "Yes. My name is Anna.": ("yes", "My name is Anna."),
    "": ("none", ""),
}


@pytest.mark.parametrize("said", ANSWERS)
def test_answers(said: str) -> None:
    answer = parse_answer(said)
    assert (answer.kind, answer.rest) == ANSWERS[said]


def test_choices() -> None:
    options = ("emergency", "this_week", "whenever it suits")
    for said, expected in (
        ("it's an emergency", "emergency"), ("an emergancy", "emergency"), ("this week is fine", "this_week"),
        ("whenever suits you", "whenever it suits"), ("dunno", None), ("", None),
    ):  # fmt: skip
        found = match_choice(said, options)
        assert (found.value if found else None) == expected


def test_numbers() -> None:
    said = "eighty five dollars, one thousand two hundred and fifty point five, third, 1,250.50, a hundred and six"
    values = [(item.value.value, item.value.ordinal) for item in find_numbers(said)]
    assert values == [(85, False), (1250.5, False), (3, True), (1250.5, False), (106, False)]


SPOKEN = """
november twenty fourth half past three tomorrow afternoon next wednesday double five oh seven at gmail dot com a n
my name is yes no not 11/24 9:30 2026 pm a.m. the first of in two weeks from between and to or quarter noon plus
area code extension hundred thousand point street elm van O'Brien 99999999999999999999 - @ . , : / week monday
"""
WORDS = st.sampled_from(SPOKEN.split())  # fmt: skip
SAID = st.one_of(st.text(max_size=100), st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=16).map(" ".join))


@given(SAID, st.dates(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_whatever_is_said_nothing_breaks_and_spans_lie_in_the_text(text: str, today: dt.date, asked: bool) -> None:
    found = [
        *find_dates(text, today), *find_times(text, expected=asked), *find_phones(text, partial=asked),
        *find_emails(text), *find_spelled(text), *find_numbers(text),
        find_name(text, expected=asked), find_address(text, expected=asked), match_choice(text, ("a", "two words")),
    ]  # fmt: skip
    for item in found:
        if item is not None:
            assert 0 <= item.start < item.end <= len(text)
            assert text[item.start : item.end].strip()
    parse_answer(text)
    for item in find_phones(text, partial=asked):
        assert item.value.digits.isascii()
        assert item.value.digits.isdigit()


YEAR = "january february march april may june july august september october november december"
MONTHS = YEAR.split()


@given(st.dates(min_value=SUNDAY, max_value=SUNDAY + dt.timedelta(days=364)))
def test_every_day_of_the_year_said_is_that_day(day: dt.date) -> None:
    from num2words import num2words

    spoken = num2words(day.day, to="ordinal").replace("-", " ")
    for said in (f"{MONTHS[day.month - 1]} {spoken}", f"the {spoken} of {MONTHS[day.month - 1]}", day.isoformat()):
        assert [item.value.first for item in find_dates(said, SUNDAY)] == [day], said


def test_easter_sundays_from_the_almanac() -> None:
    from aivoice.speech.parse_holidays import easter

    for day in ("1818-03-22", "2000-04-23", "2024-03-31", "2025-04-20", "2026-04-05", "2038-04-25", "2285-03-22"):
        assert easter(int(day[:4])).isoformat() == day
