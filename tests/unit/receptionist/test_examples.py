"""Whole calls to both examples, with their own booking services and knowledge."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aivoice.business.load import load_business
from aivoice.core.prompt import Passage
from aivoice.hosting.caller_script import load_script
from aivoice.knowledge.search import Knowledge
from aivoice.providers.receptionist import Receptionist
from aivoice.testing.dialogue import Dialogue

EXAMPLES = Path(__file__).parents[3] / "examples"
MONDAY = dt.datetime(2026, 11, 23, 10, 0)  # noqa: DTZ001 - the services take local wall-clock times


def example(name: str, desk: str) -> Callable[..., Dialogue]:
    folder = EXAMPLES / name
    business = load_business(folder / "business.yaml")
    spec = importlib.util.spec_from_file_location(f"example_{desk.lower()}", folder / "service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    knowledge = asyncio.run(Knowledge.build((*business.documents, *business.facts())))

    def search(text: str) -> tuple[Passage, ...]:
        return asyncio.run(knowledge.search(text, 4)) if text else ()

    def call(now: dt.datetime = MONDAY) -> Dialogue:
        service: Any = getattr(module, desk)(business, lambda: now)

        def answer(tool: str, given: dict[str, Any]) -> object:
            if tool == "take_message":
                return {"status": "ok"}
            return dict(getattr(service, tool)(given, f"{tool} {sorted(given.items())}"))

        zone = "-08:00" if business.timezone == "America/Los_Angeles" else "-05:00"
        return Dialogue(Receptionist(business), business.tool_specs(), answer, search, f"{now.isoformat()}{zone}")

    return call


@pytest.fixture(scope="module")
def dental() -> Callable[..., Dialogue]:
    return example("northside-dental", "Desk")


@pytest.fixture(scope="module")
def plumber() -> Callable[..., Dialogue]:
    return example("harbour-plumbing", "Dispatch")


def test_the_call_of_the_readme(dental: Callable[[], Dialogue]) -> None:
    """Hours, a price, an interruption, a booking over several turns, a correction, goodbye."""
    call = dental()
    assert "closed" in call.say("Hi, what are your opening hours on Friday?"), "the day after Thanksgiving"
    assert "$120" in call.say("How much is a teeth cleaning?")
    call.say("And do you have parking?", heard_words=3)
    assert "Tomorrow I have" in call.say("Okay, I'd like to book a cleaning for Tuesday afternoon.")
    call.say("the second one please")
    call.say("Anna Bell")
    back = call.say("five five five oh one oh four four seven seven")
    assert "cleaning, on Tuesday, November 24th at" in back
    assert "Anna Belle" in call.say("no the name is Anna Belle with an e at the end")
    assert "booked" in call.say("yes")
    (booked,) = call.made("book_appointment")
    assert booked["name"] == "Anna Belle"
    assert booked["phone"] == "5550104477"
    assert "oodbye" in call.say("no thanks goodbye")
    assert call.calls[-1] == ("end_call", {})


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("do you take kids", "children from age three"),
        ("do you accept medicaid", "not in network"),
        ("is there wheelchair access", "wheelchair accessible"),
        ("do you do braces", "do not offer braces"),
        ("where are you", "1250 North Main Street"),
        ("how much is a crown", "$1,150"),
        ("what's your email", "hello@northsidedental.example"),
        ("are you open on thanksgiving", "closed"),
        ("until when are you open today", "5 pm"),
        ("are you open on christmas eve", "noon"),
        ("what are your hours", "Monday to Thursday"),
    ],
)
def test_questions_to_the_dentist(dental: Callable[[], Dialogue], question: str, part: str) -> None:
    said = dental().say(question)
    assert part in said
    assert len(said.split(". ")) <= 3


@pytest.mark.parametrize(
    "question", ["do you sell bicycles", "can you recommend a good restaurant", "do you serve springfield"]
)
def test_what_is_not_known_is_admitted(plumber: Callable[[], Dialogue], question: str) -> None:
    said = plumber().say(question)
    assert "message" in said
    assert "transfer" in said or "put you through" in said


def test_pain_today_then_second_thoughts(dental: Callable[[], Dialogue]) -> None:
    call = dental()
    assert "Today I have" in call.say("my tooth hurts really bad can i come in today")
    call.say("whats the soonest")
    call.say("my name is joe black")
    assert "toothache" in call.say("555 010 3344")
    call.say("yes please")
    assert call.made("book_appointment")[0]["reason"] == "toothache"
    assert "cancel" in call.say("actually can i cancel that appointment"), "with the number and day known"
    assert "cancelled" in call.say("yes")
    assert call.made("cancel_appointment") == [{"phone": "5550103344", "date": "2026-11-23"}]


def test_a_leak_booked_by_window(plumber: Callable[[], Dialogue]) -> None:
    call = plumber()
    first = call.say("hi my kitchen sink is leaking can you send someone tomorrow morning")
    assert "free" in first
    assert "urgent" in first
    for turn in ("it's not urgent", "48 ocean drive", "my name is tom hanks", "(555) 010-9999"):
        back = call.say(turn)
    assert "my kitchen sink is leaking" in back
    call.say("yes")
    assert call.made("book_visit") == [
        {
            "problem": "my kitchen sink is leaking",
            "urgency": "whenever it suits",
            "address": "48 Ocean Drive",
            "date": "2026-11-24",
            "window": "morning",
            "name": "Tom Hanks",
            "phone": "5550109999",
        }
    ]


def test_another_day_takes_the_afternoon_away(plumber: Callable[[], Dialogue]) -> None:
    call = plumber()
    for turn in (
        "I need a plumber",
        "the toilet is blocked",
        "this week is fine",
        "twelve elm street apartment three",
        "friday",
        "the afternoon",
        "sam smith, 555 010 7777",
    ):
        call.say(turn)
    assert "afternoon isn't free" in call.say("hmm no make it saturday")
    assert "morning" in call.say("ok the morning")
    call.say("yes go ahead")
    (visit,) = call.made("book_visit")
    assert (visit["date"], visit["window"], visit["problem"]) == ("2026-11-28", "morning", "the toilet is blocked")


def test_emergencies_are_put_through_at_once(plumber: Callable[[], Dialogue], dental: Callable[[], Dialogue]) -> None:
    call = plumber()
    call.say("I need a plumber")
    assert "leave the house" in call.say("there's a burst pipe in my house")
    assert call.calls == [("transfer", {"target": "emergency plumber"})]
    call = dental()
    call.say("my son knocked out a tooth")
    assert call.calls == [("transfer", {"target": "on-call dentist"})]
    call = dental()
    call.say("it's not that the bleeding won't stop, I just want a cleaning")
    assert not call.made("book_appointment")


def test_a_message_for_the_plumber(plumber: Callable[[], Dialogue]) -> None:
    call = plumber()
    for turn in (
        "can somebody call me back",
        "lisa",
        "555 010 1212",
        "it's about my invoice from last week",
        "that's right",
    ):
        call.say(turn)
    assert call.made("take_message") == [
        {"name": "Lisa", "phone": "5550101212", "message": "about my invoice from last week"}
    ]


def said(call: Dialogue, *turns: str) -> list[str]:
    return [call.say(turn) for turn in turns]


def test_a_first_visit_in_the_words_of_a_recogniser(dental: Callable[[], Dialogue]) -> None:
    call = dental()
    assert "$85" in call.say("Great. What would a first visit cost?")
    assert "December 2nd" in call.say("Okay, I would like to come in next week, maybe Wednesday morning.")
    said(call, "Nine thirty.", "It's for a new patient exam.", "Yeah, it's Maria. Maria Fernandez.")
    assert "555-019-2233" in call.say("My number is 555-019-2233.")
    assert "for Maria Fernandez, phone number 555-019-2234" in call.say("No, 2234.")
    call.say("Yes, please.")
    assert call.made("book_appointment") == [
        {
            "reason": "new patient exam",
            "date": "2026-12-02",
            "time": "09:30",
            "name": "Maria Fernandez",
            "phone": "5550192234",
        }
    ]


def test_what_cannot_be_done_is_said_and_another_way_offered(dental: Callable[[], Dialogue]) -> None:
    call = dental()
    assert "can't move" in call.say("can i reschedule my appointment")
    back = said(call, "cancel it then", "555 010 4477", "on monday the thirtieth")[-1]
    assert "cancel an appointment" in back
    assert "can't find an appointment" in call.say("yes")
    times = call.say("okay book me a new one for monday")
    assert "Monday, November 30th" in times
    afternoon = call.say("whats free in the afternoon")
    assert "am" not in afternoon.split("?")[0].replace("am I", "")
    said(call, "4:30", "check up", "john")
    call.say("yes")
    (booked,) = call.made("book_appointment")
    assert booked["phone"] == "5550104477", "the number given for the cancellation"


def test_the_only_window_left_is_taken_by_a_yes(plumber: Callable[[], Dialogue]) -> None:
    call = plumber()
    first = call.say("my boiler isn't working and it's freezing")
    assert first.startswith("I'm sorry to hear that.")
    said(call, "it's an emergency", "22 harbour road", "today")
    assert "afternoon" in call.say("morning")
    assert "name" in call.say("yes")


def test_details_that_come_before_their_question_are_kept(dental: Callable[[], Dialogue]) -> None:
    call = dental()
    said(call, "i need a root canal", "how long does it take", "tomorrow morning", "my name is alice wong", "nine")
    back = said(call, "four one five", "five five five", "zero one nine nine")[-1]
    assert "consultation, on Tuesday, November 24th at 9 am, for Alice Wong, phone number 415-555-0199" in back


@pytest.mark.parametrize("name", ["northside-dental", "harbour-plumbing"])
def test_the_scripted_caller_gets_a_booking_on_any_day(
    name: str, dental: Callable[..., Dialogue], plumber: Callable[..., Dialogue]
) -> None:
    """`make call` is run on a day that nobody knows: weekends, holidays, a full diary, late at night."""
    script = load_script(EXAMPLES / name / "caller.yaml")
    for days in range(0, 60, 4):
        now = MONDAY + dt.timedelta(days=days, hours=(days * 7) % 24 - 9)
        call = (dental if name == "northside-dental" else plumber)(now)
        lines, used = list(script.lines), dict.fromkeys((answer.when for answer in script.answers), 0)
        said = ""
        while len(call.messages) < 90 and ("end_call", {}) not in call.calls:
            fitting = (a for a in script.answers if used[a.when] < a.times and re.search(a.when, said[-160:], re.I))
            answer = next(fitting, None)
            if answer is not None:
                used[answer.when] += 1
            said = call.say(answer.say if answer else lines.pop(0).say if lines else script.goodbye)
        tool = "book_appointment" if name == "northside-dental" else "book_visit"
        assert len(call.made(tool)) == 1, "\n".join(f"{m.role}: {m.text}" for m in call.messages)
        assert call.calls[-1] == ("end_call", {})


def test_what_holds_every_week_comes_before_the_day_that_differs(
    dental: Callable[..., Dialogue], plumber: Callable[..., Dialogue]
) -> None:
    fridays = dental().say("Are you open on Fridays?")
    assert fridays.startswith("Yes, on Fridays we're open from 8 am to 1 pm. But on Friday, November 27th")
    assert "closed" in fridays.split(". ")[1]
    assert dental().say("What time do you close on Thursdays?").startswith("On Thursdays we close at 5 pm. But")
    assert dental().say("Are you open every Wednesday?") == "Yes, on Wednesdays we're open from 8 am to 5 pm."
    assert dental().say("Are you closed on Sundays?") == "Yes, we're closed on Sundays."
    both = dental().say("Do you open on Mondays and Saturdays?")
    assert both == "Yes, on Mondays we're open from 8 am to 5 pm. We're closed on Saturdays."
    assert plumber().say("are you open at two pm on saturdays").startswith("No, not at 2 pm; on Saturdays we're open")
    assert dental().say("Are you open on Friday?").startswith("No, we're closed on the day after Thanksgiving")


@pytest.mark.parametrize("wish", ["I'd like to book a cleaning.", "I want to leave a message."])
def test_a_name_and_a_number_are_two_questions(dental: Callable[[], Dialogue], wish: str) -> None:
    call = dental()
    asked = [call.say(turn) for turn in (wish, "tomorrow", "the first one", "Anna Bell", "555 010 4477")]
    questions = [sentence for reply in asked for sentence in re.findall(r"[^.?!]*\?", reply)]
    assert any("name" in question for question in questions)
    assert not any("name" in question and "phone" in question for question in questions)
