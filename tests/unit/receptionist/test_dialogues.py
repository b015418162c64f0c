"""Scripted calls to made-up businesses: bookings, corrections, digressions, changes of mind, odd schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aivoice.testing.dialogue import Dialogue

Office = Callable[..., Dialogue]
ANA = "my name is ana lopez and my number is five five five oh one oh one two three four"
BOOKED = {"service": "cleaning", "date": "2026-11-25", "time": "15:00", "name": "Ana Lopez", "phone": "5550101234"}


def talk(call: Dialogue, *turns: str) -> list[str]:
    return [call.say(turn) for turn in turns]


def test_question_then_booking_over_several_turns(office: Office) -> None:
    call = office("dental")
    hours, price, times, service, back, _ = talk(
        call,
        "hi are you open on saturday",
        "how much is a cleaning",
        "i'd like to book one for wednesday",
        "three pm",
        ANA,
        "yes please",
    )
    assert hours == "Yes, on Saturday we're open from 9 am to 1 pm."
    assert price == "Cleaning is $95."
    assert "9 am" in times
    assert "?" in times
    assert "name" in service
    assert "cleaning, on Wednesday, November 25th at 3 pm, for Ana Lopez, phone number 555-010-1234" in back
    assert call.made("book_appointment") == [BOOKED]
    bye = call.say("no that's all thanks bye")
    assert "oodbye" in bye
    assert call.calls[-1] == ("end_call", {})


def test_everything_in_one_sentence_needs_one_yes(office: Office) -> None:
    call = office("dental")
    said = call.say(f"Hi, I'd like to book a cleaning on Wednesday at 3 pm, {ANA}.")
    assert "Ana Lopez" in said
    assert not call.made("book_appointment")
    call.say("Yes.")
    assert call.made("book_appointment") == [BOOKED]


@pytest.mark.parametrize(
    ("correction", "field", "value"),
    [
        ("no, Tuesday", "date", "2026-11-24"),
        ("actually make it two pm", "time", "14:00"),
        ("yes but make it ten thirty", "time", "10:30"),
        ("sorry, the name is Ana Lopes", "name", "Ana Lopes"),
        ("the name is anna with two n's", "name", "Anna Lopez"),
        ("it should be a filling", "service", "filling"),
        ("no the number is 555 010 9999", "phone", "5550109999"),
        ("not wednesday, friday", "date", "2026-11-27"),
        ("wait i mean whitening", "service", "whitening"),
        ("and i'm a new patient", "new_patient", True),
    ],
)
def test_corrections_at_the_read_back(office: Office, correction: str, field: str, value: Any) -> None:
    call = office("dental")
    call.say(f"book a cleaning on wednesday at three pm, {ANA}")
    call.say(correction)
    assert not call.made("book_appointment"), "a correction is no yes"
    call.say("yes")
    assert call.made("book_appointment") == [{**BOOKED, field: value}]


def test_a_no_asks_what_to_change(office: Office) -> None:
    call = office("dental")
    call.say(f"book a cleaning on wednesday at three pm, {ANA}")
    assert "change" in call.say("no").lower() or "wrong" in call.say("no").lower()
    assert "phone" in call.say("the phone number")
    call.say("555 010 8888")
    call.say("yes")
    assert call.made("book_appointment") == [{**BOOKED, "phone": "5550108888"}]


def test_a_taken_time_brings_alternatives(office: Office) -> None:
    call = office("dental")
    said = call.say("can i book a checkup tomorrow at 11")
    assert "11 am" in said
    assert "10:30 am" in said
    talk(call, "two then", ANA, "yes")
    assert call.made("book_appointment")[0]["time"] == "14:00"


def test_a_time_not_among_those_told_is_refused(office: Office) -> None:
    call = office("dental")
    talk(call, "i want to book a cleaning on wednesday")
    said = call.say("at eleven")
    assert "isn't available" in said or "is taken" in said
    assert len(call.made("check_availability")) == 1


def test_the_second_one_and_a_digression_and_a_number_in_pieces(office: Office) -> None:
    call = office("dental")
    talk(call, "i want to make an appointment", "a filling")
    said = call.say("do you take cigna")
    assert "Cigna" in said
    assert "day" in said, "the form goes on after the answer"
    assert "9 am and 10:30 am" in call.say("friday morning")
    talk(call, "the second one", "ana lopez")
    assert "5 5 5" in call.say("five five five")
    talk(call, "oh one oh one two three four", "yes that's right")
    assert call.made("book_appointment")[0] == {**BOOKED, "service": "filling", "date": "2026-11-27", "time": "10:30"}


@pytest.mark.parametrize("drop", ["forget it", "cancel that", "never mind", "actually i changed my mind"])
def test_a_change_of_mind_ends_the_form(office: Office, drop: str) -> None:
    call = office("dental")
    talk(call, f"book a cleaning on wednesday at three pm, {ANA}", drop, "yes")
    assert not call.made("book_appointment")


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("on thanksgiving", "closed"),
        ("on sunday", "closed"),
        ("february thirtieth", "no such day"),
        ("yesterday", "pas"),
        ("next week", "day"),
    ],
)
def test_days_that_cannot_be_are_questioned(office: Office, day: str, why: str) -> None:
    call = office("dental")
    call.say("i'd like to book a cleaning")
    said = call.say(day)
    assert why in said.lower() or "doesn't exist" in said
    assert "?" in said
    assert not call.calls


def test_never_booked_twice(office: Office) -> None:
    call = office("dental")
    talk(call, f"book a cleaning on wednesday at three pm, {ANA}", "yes")
    said = " ".join(talk(call, f"book a cleaning on wednesday at three pm, {ANA}", "yes", "yes book it"))
    assert "already" in said
    assert len(call.made("book_appointment")) == 1


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"status": "unknown"}, ("whether", "won't")),
        ({"status": "failed"}, ("didn't",)),
        ({"status": "error", "message": "The diary is locked today."}, ("diary is locked",)),
        ("not json", ("booked",)),
    ],
)
def test_outcomes_are_told_honestly(office: Office, result: Any, expected: tuple[str, ...]) -> None:
    call = office("dental", lambda name, given: result if name == "book_appointment" else {"status": "ok"})
    call.say(f"book a cleaning on wednesday at three pm, {ANA}")
    said = call.say("yes")
    assert all(part in said for part in expected)
    again = call.say(f"book a cleaning on wednesday at three pm, {ANA}") + call.say("yes")
    assert again
    assert len(call.made("book_appointment")) == 1


def test_a_refusal_with_other_times_reopens_the_form(office: Office) -> None:
    def answer(name: str, given: dict[str, Any]) -> object:
        if name != "book_appointment" or given["time"] == "16:30":
            return {"status": "ok"}
        return {"status": "taken", "message": "Somebody was faster.", "date": "2026-11-25", "slots": ["16:00", "16:30"]}

    call = office("dental", answer)
    call.say(f"book a cleaning on wednesday at three pm, {ANA}")
    said = call.say("yes")
    assert "Somebody was faster" in said
    assert "4:30 pm" in said
    talk(call, "half past four is fine", "yes")
    assert call.made("book_appointment")[-1] == {**BOOKED, "time": "16:30"}


def test_messages_transfer_and_honesty(office: Office) -> None:
    call = office("dental")
    assert "not a person" in call.say("are you a robot")
    assert "hear you" in call.say("can you hear me")
    unknown = call.say("do you take aetna")
    assert "message" in unknown
    talk(call, "can i leave a message", "bob jones", "five five five two two two three three three three")
    back = call.say("please tell the doctor i need my x rays")
    assert "tell the doctor i need my x rays" in back
    call.say("yes")
    assert call.made("take_message") == [
        {"name": "Bob Jones", "phone": "5552223333", "message": "tell the doctor i need my x rays"}
    ]
    call.say("let me talk to a person")
    assert call.calls[-1] == ("transfer", {"target": "front desk"})


def test_yes_to_an_offer_takes_it(office: Office) -> None:
    call = office("restaurant")
    assert "message" in call.say("do you have a dress code")
    call.say("yes please")
    said = call.say("sam")
    assert "phone" in said


def test_repeating_what_was_said(office: Office) -> None:
    call = office("dental")
    before = call.say(f"book a cleaning on wednesday at three pm, {ANA}")
    again = call.say("sorry can you repeat that")
    assert "November 25th at 3 pm" in before
    assert "November 25th at 3 pm" in again
    call.say("yes")
    assert call.made("book_appointment") == [BOOKED], "the repeated read-back counts"


def test_an_interrupted_read_back_confirms_nothing(office: Office) -> None:
    call = office("dental")
    talk(call, "i'd like to book a cleaning on wednesday at three pm", "my name is ana lopez")
    call.say("five five five oh one oh one two three four", heard_words=4)
    call.say("yes yes")
    assert not call.made("book_appointment"), "only a part was heard"
    call.say("yes")
    assert call.made("book_appointment") == [BOOKED]


def test_a_law_office_with_nested_objects_and_constants(office: Office) -> None:
    call = office("law")
    said = talk(
        call,
        "i'd like to open a case",
        "jon smith",
        "may tenth 1990",
        "personal injury",
        "october 5th",
        "yes i do",
        "j o n at acme dot org",
        "i slipped in a store",
    )
    assert "birth" in said[1]
    assert said[4] == "Thank you. Do you have a lawyer already?"
    assert "has lawyer: yes" in said[7]
    call.say("yeah that's correct")
    assert call.made("create_intake") == [
        {
            "client": {"full_name": "Jon Smith", "dateOfBirth": "1990-05-10"},
            "caseType": "personal_injury",
            "incident_date": "2026-10-05",
            "has_lawyer": True,
            "email": "jon@acme.org",
            "summary": "i slipped in a store",
            "source": "telephone",
        }
    ]
    call.say("billing please")
    assert call.calls[-1] == ("transfer", {"target": "billing"})


def test_a_restaurant_with_one_moment_for_day_and_time(office: Office) -> None:
    call = office("restaurant")
    too_many = call.say("i want to book a table for fifteen people tuesday seven pm")
    assert "12" in too_many
    closed = call.say("ten then on monday")
    assert "closed" in closed
    early = talk(call, "wednesday", "at four")[1]
    assert "5 pm to 10:30 pm" in early
    talk(call, "eight", "Bianca Neri")
    back = call.say("on the terrace please and one of us is allergic to nuts")
    assert "terrace" in back
    assert "nuts" in back
    call.say("yes go ahead")
    assert call.made("reserveTable") == [
        {
            "partySize": 10,
            "startsAt": "2026-11-25T20:00:00-05:00",
            "guestName": "Bianca Neri",
            "seating": "terrace",
            "allergies": ["nuts"],
        }
    ]


def test_towing_with_codes_synonyms_and_lookups(office: Office) -> None:
    call = office("towing")
    talk(
        call,
        "hey my car won't start i need a tow truck",
        "i'm on highway 5 near exit 12",
        "blue honda civic",
        "a b c one two three four",
        "555 123 9876",
        "no wait it's a flat tire",
        "yes",
    )
    assert call.made("dispatch_truck") == [
        {
            "pickup_location": "on highway 5 near exit 12",
            "vehicle": "blue honda civic",
            "plate": "ABC1234",
            "issue": "flat_tire",
            "callback": "5551239876",
        }
    ]
    assert "job number" in call.say("what's the eta")
    assert "25 minutes" in call.say("job number four four one")
    assert "$125" in call.say("how much for a tow of ten miles")
    assert call.made("truck_eta") == [{"job_number": "441"}]


def test_no_sentence_twice_in_a_row(office: Office) -> None:
    call = office("dental")
    call.say("i'd like to book a cleaning")
    said = talk(call, "blah blah", "mumble mumble", "hmpf grmpf")
    assert len(set(said)) == 3
    assert "message" in said[2] or "person" in said[2] or "day" in said[2]


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ("wednesday or thursday in the afternoon", "2026-11-25"),
        ("thursday or friday", "2026-11-27"),
        ("i was there two weeks ago and now i'd like to come again on friday", "2026-11-27"),
        ("next week maybe tuesday", "2026-12-01"),
        ("no wait not wednesday, friday", "2026-11-27"),
        ("right now please", "2026-11-23"),
        ("the earliest possible", "2026-11-23"),
    ],
)
def test_which_of_several_days_is_meant(office: Office, said: str, date: str) -> None:
    call = office("dental")
    call.say("i'd like to book a cleaning")
    call.say(said)
    assert call.made("check_availability") == [{"service": "cleaning", "date": date}]


def test_talk_of_an_existing_visit_books_nothing(office: Office) -> None:
    call = office("dental")
    call.say("hi it's about my appointment tomorrow")
    assert not call.calls
    assert "can't move" in call.say("i want to change the time")


def test_asides_during_a_form(office: Office) -> None:
    call = office("dental")
    call.say(f"book a cleaning on wednesday at three pm, {ANA}")
    said = call.say("can you tell the doctor i'm allergic to penicillin")
    assert "message once we're done" in said
    assert "answer questions" in call.say("what can you do")
    call.say("yes")
    assert not call.made("book_appointment") or call.made("book_appointment") == [BOOKED]
