"""Secrets that come in pieces: nothing that is kept tells them, and what is none stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.security.redact import luhn
from aivoice.security.secret_watch import UNNAMED, SecretWatch

Say = Callable[[SecretWatch, list[str]], list[int]]
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def in_pauses(watch: SecretWatch, pieces: list[str]) -> list[int]:
    """One turn, in which each piece grows and ends with a final. How many digits of each were kept as they were."""
    shown: list[int] = []
    for piece in pieces:
        words = piece.split()
        said = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
        kept = [watch.caller(text, final=False) for text in said] + [watch.caller(piece)]
        same = [text.split() for text, as_kept in zip([*said, piece], kept, strict=True) if text == as_kept]
        shown.append(max((len(text) for text in same if not set(text) <= PLACEHOLDERS), default=0))
    return shown


def in_turns(watch: SecretWatch, pieces: list[str]) -> list[int]:
    """The agent says that it listens between them."""
    shown: list[int] = []
    for piece in pieces:
        shown += in_pauses(watch, [piece])
        watch.turn_ended()
        watch.agent_prepares("Okay.")
        watch.agent_said("Okay.")
    return shown


PLACEHOLDERS = {"1", "one", "nine", "three"}
"""What looks the same when it is hidden."""


@pytest.mark.parametrize("say", [in_pauses, in_turns])
@settings(max_examples=80, deadline=None)
@given(
    digits=st.text("0123456789", min_size=14, max_size=14), first=st.sampled_from("456"), spoken=st.booleans(),
    size=st.sampled_from([3, 4, 5, 8]),
)  # fmt: skip
def test_of_a_card_that_nobody_named_the_end_is_never_kept(
    say: Say, digits: str, first: str, spoken: bool, size: int
) -> None:
    card = next(first + digits + last for last in "0123456789" if luhn(first + digits + last))
    pieces = [card[at : at + size] for at in range(0, 16, size)]
    watch = SecretWatch()
    shown = say(watch, [" ".join(WORDS[int(digit)] if spoken else digit for digit in piece) for piece in pieces])
    if say is in_pauses:
        assert sum(shown) < UNNAMED
    else:  # the agent spoke between them: it is a card when its last digit is there
        assert shown[-1] < len(pieces[-1])
    assert watch.collecting
    assert watch.agent_said("Thank you, that is all I need.") == "Thank you, that is all I need."
    assert not watch.collecting
    assert card not in watch.text(f"So it was {card} then")
    assert watch.text("We open at 8:30, at 14 High Street.") == "We open at 8:30, at 14 High Street."


@pytest.mark.parametrize(
    "texts",
    [
        ["It's 212", "555", "0147."],
        ["two one two five five five", "oh one four seven"],
        ["You can reach me at plus four four two oh seven nine four six oh nine five eight"],
        ["+44 20 7946 0958"],
        ["0044 20 7946 0958"],
        ["I was born on 4 May 1981", "and we are 12 people at 7:30 pm"],
    ],
)
def test_numbers_of_other_kinds_stay(texts: list[str]) -> None:
    watch = SecretWatch()
    assert [watch.caller(text) for text in texts] == texts
    assert not watch.collecting


def test_a_phone_number_and_what_the_agent_asks_next_are_no_card() -> None:
    watch = SecretWatch()
    for asked, said in (("What number can I reach you at?", "212 555 0147"), ("And your zip code?", "10001")):
        watch.agent_prepares(asked)
        watch.agent_said(asked)
        assert watch.caller(said) == said
        watch.turn_ended()


def test_a_card_of_which_a_digit_was_misheard_goes_as_well() -> None:
    assert not luhn("4111111111111112")
    assert SecretWatch().caller("it's 4111 1111 1111 1112") == "it's 1111 1111 1111 1111"


def test_an_interim_that_grows_is_not_counted_twice() -> None:
    watch = SecretWatch()
    for text in ("212", "212 55", "212 555 01", "212 555 0147"):
        assert watch.caller(text, final=False) == text
    assert watch.caller("212 555 0147") == "212 555 0147"
    assert not watch.collecting


def test_the_first_pieces_go_from_what_was_kept_once_it_is_known_what_they_were() -> None:
    watch = SecretWatch()
    said = [
        "Call me at 212 555 0147 please",
        "four one one seven",
        "1111",
        "one one one one, one one one six",
        "Thanks.",
    ]
    kept = [watch.caller(text) for text in said]
    assert kept[1:3] == said[1:3]
    assert [watch.again(text) for text in kept] == [said[0], "nine nine nine one", "1111", kept[3], "Thanks."]
    assert kept[3] != said[3]


def test_keys_in_a_row_are_a_secret_and_a_choice_of_a_menu_is_none() -> None:
    watch = SecretWatch()
    assert watch.key("2") == "2"
    watch.agent_said("You are now with the service desk.")
    assert [watch.key(key) for key in "40012345"] == [*"400", *"11111"]
    assert watch.collecting
    watch.agent_said("Thank you, I have that.")
    assert not watch.collecting
    assert [SecretWatch(("ssn",)).key(key) for key in "400123"] == [*"400123"]


def test_a_card_read_in_pieces_leaves_none_of_them() -> None:
    watch = SecretWatch()
    greeting = "Thank you for calling. How can I help you at 5 pm?"
    assert watch.agent_prepares(greeting) == watch.agent_said(greeting) == greeting
    watch.caller("I would like to pay")
    watch.turn_ended()
    assert not watch.collecting
    watch.agent_prepares("Sure. Could you please tell me your card number?")
    assert watch.collecting
    watch.agent_said("Sure. Could you please tell me your card number?")
    assert watch.caller("4111") == "1111"
    watch.turn_ended()
    watch.agent_prepares("Thank you, that was 4111.")  # guessed in a pause, never said
    assert [watch.caller(part) for part in ("4111 1234", "4111 1234 and 9012")] == ["1111 1111", "1111 1111 and 1111"]
    watch.turn_ended()
    watch.agent_said("Thank you, your payment of 20 dollars was taken.")
    assert not watch.collecting
    assert watch.caller("Call me at 212 555 0147") == "Call me at 212 555 0147"


def test_a_caller_who_begins_by_themselves_is_muted_at_the_first_digits() -> None:
    watch = SecretWatch()
    assert watch.caller("yeah my card number is 41") == "yeah my card number is 11"
    assert watch.collecting


def test_talk_about_cards_is_not_one() -> None:
    watch = SecretWatch()
    watch.agent_prepares("We take every credit card, and cash.")
    watch.caller("Do you take credit cards at 5 pm?")
    watch.agent_prepares("Yes, until 5 pm.")
    assert not watch.collecting
    none = SecretWatch(())
    none.agent_prepares("What is your card number?")
    assert none.caller("4111 1111 1111 1111") == "4111 1111 1111 1111"


def test_nobody_is_muted_for_ever() -> None:
    watch = SecretWatch()
    watch.agent_prepares("What is your card number, please?")
    for _ in range(4):
        watch.caller("hm, wait a moment")
        watch.turn_ended()
    assert not watch.collecting
