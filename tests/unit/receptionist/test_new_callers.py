"""Calls as newcomers made them, in text, each kept where the receptionist once sounded wrong."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable

import pytest
from tests.unit.receptionist.test_examples import example

from aivoice.testing.dialogue import Dialogue

Call = Callable[[], Dialogue]


@pytest.fixture(scope="module")
def dental() -> Callable[..., Dialogue]:
    return example("northside-dental", "Desk")


@pytest.fixture(scope="module")
def plumber() -> Callable[..., Dialogue]:
    return example("harbour-plumbing", "Dispatch")


def test_a_yes_to_an_offered_booking_begins_it(dental: Call) -> None:
    call = dental()
    assert "Would you like me to book" in call.say("my tooth is killing me")
    assert "come in for" in call.say("yes please")


def test_a_follow_up_asks_for_the_same_as_the_question_before(dental: Call) -> None:
    call = dental()
    call.say("What are your hours on Monday?")
    assert "closed on the day after Thanksgiving" in call.say("And on Friday?")
    call.say("how much is a cleaning")
    assert "$180" in call.say("and a filling")
    assert "closed on Saturday" in call.say("what about on Saturday")


def test_a_caller_who_has_no_time_takes_any(dental: Call) -> None:
    call = dental()
    assert "keep it short" in (quick := call.say("can you hurry up I'm in a rush")) or "be quick" in quick
    call.say("just get me an appointment tomorrow")
    assert "8:30 am" in call.say("cleaning"), "the times are told again"
    assert "name" in call.say("any time")
    assert "name" in call.say("whatever"), "which is no name"
    for turn in ("Mike Smith", "555 987 6543", "yes yes go"):
        call.say(turn)
    (booked,) = call.made("book_appointment")
    assert (booked["time"], booked["name"]) == ("08:30", "Mike Smith")


def test_times_asked_for_in_a_booking_are_the_free_ones(dental: Call) -> None:
    call = dental()
    call.say("I'd like a cleaning on Tuesday")
    assert "9 am, 10 am and 10:30 am" in call.say("what times do you have")


def test_why_and_what_was_noted_are_answered(dental: Call, plumber: Call) -> None:
    call = dental()
    call.say("I'd like a cleaning tomorrow")
    call.say("ten")
    assert call.say("Why do you need that?").startswith("I need it to book an appointment")
    call = plumber()
    for turn in ("my faucet is dripping", "not urgent", "22 Elm Street, Brookfield.", "saturday", "yes", "Jane Doe"):
        call.say(turn)
    call.say("555 123 4567")
    assert call.say("wait what was the day").startswith("I have Saturday, November 28th. ")
    call.say("yes")
    assert call.made("book_visit")[0]["address"] == "22 Elm Street, Brookfield"


def test_one_thing_left_is_offered_as_one(plumber: Call) -> None:
    call = plumber()
    for turn in ("my faucet is dripping", "not urgent", "22 Elm Street"):
        call.say(turn)
    assert call.say("saturday").endswith("Would the morning work?")


def test_unwilling_words_are_no_address_and_no_goodbye(plumber: Call) -> None:
    call = plumber()
    for turn in ("I need someone to fix my faucet", "it's dripping", "not urgent"):
        call.say(turn)
    assert "address" in call.say("this week I guess")
    assert "address" in call.say("I'd rather not say my address")
    assert "address" in call.say("I guess so")


def test_cancel_that_leaves_what_was_begun(plumber: Call) -> None:
    call = plumber()
    call.say("I need a plumber")
    call.say("my boiler is dead")
    call.say("this week is fine")
    call.say("48 Ocean Drive")
    assert "number" not in call.say("actually no, cancel that")
    assert not call.calls


def test_a_complaint_is_heard_as_one(plumber: Call) -> None:
    call = plumber()
    said = call.say("This is ridiculous I have been waiting all day where is the plumber")
    assert "sorry" in said
    assert "message" in said
    assert "Quay" not in said
    assert "sorry" not in call.say("forget it").lower()
    assert "sorry" in call.say("he was supposed to be here at nine")


def test_a_question_within_a_wish_is_answered_for_itself(dental: Call) -> None:
    said = dental().say("I'd like a check up next Monday at 9, and do you take Cigna?")
    assert "Cigna" in said
    assert "9 am on Monday, November 30th is" in said


def test_an_address_is_spelled_letter_by_letter(dental: Call) -> None:
    call = dental()
    call.say("what's your email address")
    assert call.say("can you spell that?") == "That's H-E-L-L-O at N-O-R-T-H-S-I-D-E-D-E-N-T-A-L dot E-X-A-M-P-L-E."
    call.say("who is Dr. Okafor")
    assert call.say("how do you spell Okafor") == "That's O-K-A-F-O-R."


def test_a_list_is_as_long_as_an_ear_can_keep(dental: Call) -> None:
    call = dental()
    assert call.say("what services do you offer?") == "We offer cleanings, check-ups, fillings and more."
    assert "implants" in call.say("do you do implants")


def test_where_you_go_is_no_wish_for_a_visit(plumber: Call) -> None:
    call = plumber()
    for question in ("how far do you come", "do you come to Boston"):
        assert "problem" not in call.say(question)


@pytest.mark.parametrize("turn", ["how much does it cost", "what services do you offer", "do you have a cat"])
def test_nothing_is_said_twice_in_the_same_words(dental: Call, turn: str) -> None:
    call = dental()
    said = [call.say(turn) for _ in range(4)]
    assert all(one != other for one, other in itertools.pairwise(said))


def test_a_caller_who_was_not_helped_yet_is_asked_how(plumber: Call) -> None:
    assert "else" not in plumber().say("are you there")


def test_the_days_are_those_of_the_caller(dental: Callable[..., Dialogue]) -> None:
    """On the Sunday before, Fridays in two weeks differ no more than any other."""
    late = dental(dt.datetime(2026, 11, 30, 10, 0))  # noqa: DTZ001 - the services take local wall-clock times
    assert late.say("Are you open on Fridays?") == "Yes, on Fridays we're open from 8 am to 1 pm."


def test_one_answer_kept_back_is_not_the_whole_wish(dental: Call) -> None:
    call = dental()
    call.say("I'd like to leave a message for Dr. Nguyen")
    call.say("Anna")
    assert "phone number" in call.say("I'd rather not")


def test_a_task_is_told_to_the_caller_not_about_them(plumber: Call) -> None:
    assert "at your address?" in plumber().say("my basement is flooding a bit")
