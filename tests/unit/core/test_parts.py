"""The small pure parts, each by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.core.barge_in import decide, is_backchannel, is_echo, is_tail_of_echo
from aivoice.core.clauses import ClauseSplitter, ends_sentence
from aivoice.core.config import Clauses, Endpointing, Target
from aivoice.core.context import History
from aivoice.core.decided import Decided
from aivoice.core.endpointing import Expectation, PauseModel, classify, expectation, wait_ms
from aivoice.core.heard import cut, mark, resume_at
from aivoice.core.intents import is_emergency, wanted_target, wants_person
from aivoice.core.prompt import Message
from aivoice.core.state import ConversationState
from aivoice.core.text import contains, same, without_start
from aivoice.core.turn import phase

WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60)


class TestText:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Twenty-three Main St.", "23 main st"),
            ("It's at 5", "it’s at five"),
            ("forty two", "42"),
            ("oh one", "0 1"),
        ],
    )
    def test_numbers_case_and_punctuation_do_not_matter(self, one: str, other: str) -> None:
        assert same(one, other)

    def test_other_words_do(self) -> None:
        assert not same("fifteen", "fifty")
        assert not same("on monday", "on sunday")

    @given(WORDS)
    def test_canonical_is_stable(self, text: str) -> None:
        assert same(text, text)
        assert same(text, f"  {text}  ")
        if text.isascii():
            assert same(text, text.upper())

    def test_what_is_said_after_known_words(self) -> None:
        assert without_start("At five, please. And a bill.", "at 5 please") == "And a bill."
        assert without_start("at six please", "at five") == "at six please"
        assert without_start("at five", "at five") == "at five"

    def test_contains(self) -> None:
        assert contains(("a", "b", "c"), ("b", "c")) == 1
        assert contains(("a", "b"), ("c",)) == -1
        assert contains(("a",), ()) == -1


class TestEndpointing:
    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("", "dangling"),
            ("What are your opening hours?", "closed"),
            ("what are your opening hours on saturday", "open"),
            ("We have two kids.", "closed"),
            ("could you", "dangling"),
            ("please", "loose"),
            ("I want to change my phone number.", "closed"),
            ("the code is seven", "spelling"),
            ("my e mail is j", "spelling"),
            ("it's anna dot", "spelling"),
            ("yes please", "closed"),
            ("that's all thanks", "closed"),
            ("i'd like to book a cleaning for", "dangling"),
            ("so um", "dangling"),
            ("well,", "dangling"),
            ("i would like to book a cleaning", "loose"),
            ("is that it", "open"),
            ("what is", "dangling"),
            ("it was this.", "closed"),
            ("my number is five five five", "spelling"),
            ("my number is five five five one two three four five six seven", "open"),
            ("j o h", "spelling"),
            ("Hello,", "dangling"),
            ("Hello.", "dangling"),
            ("Hi there!", "dangling"),
            ("good morning", "dangling"),
            ("Hello?", "closed"),
            ("hello are you open on friday", "open"),
            ("Hi, I'd like", "dangling"),
            ("hi my name", "dangling"),
            ("history books", "loose"),
            ("where are you", "open"),
            ("call me back if you can", "open"),
            ("yes it is", "open"),
            ("i was wondering if", "dangling"),
            ("It's Maria underscore Lopez.", "spelling"),
            ("It's Anna dot Miller.", "spelling"),
            ("My mail is Anna dot Miller.", "spelling"),
            ("I have a black dot on it.", "closed"),
            ("It's Anna dot Miller at mail dot org.", "open"),
        ],
    )
    def test_how_finished_it_sounds(self, text: str, kind: str) -> None:
        assert classify(text) == kind

    @pytest.mark.parametrize(
        ("agent", "caller", "kind"),
        [
            ("What is your phone number?", "five five five one two three four five six seven", "closed"),
            ("What is your phone number?", "it is five five five", "spelling"),
            ("What is your phone number?", "eight hundred five five five one two one two", "closed"),
            ("What is your phone number?", "555 123 4567 890", "open"),
            ("What is your phone number?", "oh wait a moment", "loose"),
            ("What is your phone number?", "Bye bye bye!", "loose"),
            ("What is your phone number?", "sure", "loose"),
            ("What is your phone number?", "no thanks", "closed"),
            ("What is your phone number?", "that's all, thanks a lot", "closed"),
            ("What is your phone number?", "555 1-2 3456", "open"),
            ("What is your phone number?", "555 0123", "loose"),
            ("What is your phone number?", "5550 123", "spelling"),
            ("Can I have your card number please?", "4242 4242", "spelling"),
            ("Can I have your card number please?", "four two four two", "spelling"),
            ("What is your email, please?", "anna dot b at gmail dot com", "open"),
            ("What is your email?", "anna@example.com", "open"),
            ("What is your email?", "anna dot b", "spelling"),
            ("What is your email?", "sorry why do you need it", "loose"),
            ("Could you spell that?", "b r o w n", "spelling"),
            ("Could you spell that?", "brown with w", "spelling"),
            ("Could you spell that?", "brown without it all", "open"),
            ("Could you spell that?", "no thanks it is easy now", "loose"),
            ("Shall I book it? Is that right?", "yes it is", "closed"),
            ("Is that right?", "yes that one", "closed"),
            ("Which day would you like?", "wednesday", "open"),
            ("Which day would you like?", "we have two kids", "loose"),
            ("Which day would you like?", "the thing is that I moved", "loose"),
            ("May I have your name?", "my name is ana miller", "open"),
            ("May I have your name?", "my name", "dangling"),
            ("May I have your name?", "it's sarah green", "open"),
            ("May I have your name?", "this is sarah", "open"),
            ("May I have your name?", "well it is", "dangling"),
            ("May I have your name?", "ana miller", "open"),
            ("Hello.", "i would like to book a cleaning please", "closed"),
            ("Hello.", "wednesday", "loose"),
            ("How can I help?", "wednesday", "loose"),
        ],
    )
    def test_what_was_asked_tells_a_finished_answer(self, agent: str, caller: str, kind: str) -> None:
        assert classify(caller, expectation(agent)) == kind

    def test_what_the_agent_expects(self) -> None:
        assert expectation("Your email is a@b.com. Shall I book it?").kind == "yes_no"
        assert expectation("May I have your name and phone number?").kind == "phone"
        assert expectation("What is your name?").kind == "name"
        assert expectation("We are open.") == Expectation()
        assert expectation("Would you like that?").kind == "yes_no"
        assert expectation("Which day?").kind == "question"

    def test_waits(self) -> None:
        settings, calm = Endpointing(), PauseModel()
        assert wait_ms("closed", calm, settings) == settings.closed
        assert wait_ms("open", calm, settings) == settings.open
        assert wait_ms("closed", calm, settings, 0.1) == settings.open
        assert wait_ms("dangling", calm, settings, 0.9) == settings.dangling // 2
        assert wait_ms("open", calm, settings, 0.5) == settings.open
        assert wait_ms("spelling", calm, settings) == settings.spelling

    def test_statements_wait_less_for_a_caller_of_short_pauses(self) -> None:
        quick = PauseModel()
        assert wait_ms("loose", quick, Endpointing()) == Endpointing().loose
        for _ in range(6):
            quick.add(150)
        assert wait_ms("loose", quick, Endpointing()) == Endpointing().open

    def test_full_stops_of_some_recognisers_say_nothing(self) -> None:
        assert classify("We have two kids.", full_stops=False) == "stated"
        assert wait_ms("stated", PauseModel(), Endpointing()) == Endpointing().loose
        assert wait_ms("stated", PauseModel(), Endpointing(stated=700)) == 700
        assert classify("We have two kids", full_stops=False) == "loose"
        assert classify("Do you have two kids?", full_stops=False) == "closed"

    def test_an_address_as_recognisers_write_it_is_whole(self) -> None:
        for text in ("My email is Ana. at citymail.com", "It's jweber99. mail.org", "ana@citymail.com"):
            assert classify(text, full_stops=False) == "open"
            assert classify(text, Expectation("email"), full_stops=False) == "open"

    def test_a_caller_who_pauses_long_is_waited_for_longer(self) -> None:
        slow = PauseModel()
        slow.add(800)
        assert slow.typical() == 0.0
        slow.add(900)
        slow.add(850)
        assert wait_ms("open", slow, Endpointing()) > 800
        slow.add(100_000)
        assert wait_ms("open", slow, Endpointing()) <= Endpointing().longest

    def test_a_caller_whose_whole_sentences_go_on_is_waited_for_after_them_too(self) -> None:
        caller, settings = PauseModel(), Endpointing()
        for _ in range(3):
            caller.add(700)
            caller.closed(went_on=True)
        assert 700 < wait_ms("closed", caller, settings) <= settings.longest
        for _ in range(4):
            caller.closed(went_on=False)
        assert wait_ms("closed", caller, settings) == settings.closed

    def test_a_turn_ended_inside_a_pause_tells_how_long_it_was(self) -> None:
        decided = Decided("how much is it", silent_from=1_000)
        assert decided.pause_until(500, 1_300) == 0
        assert decided.pause_until(1_700, 1_300) == 700
        assert decided.pause_until(2_400, 1_300) == 0


class TestBargeIn:
    @pytest.mark.parametrize("text", ["mm-hm", "Yeah.", "okay", "I see", "uh huh", "right", "got it"])
    def test_listening_noises(self, text: str) -> None:
        assert is_backchannel(text)
        assert decide(text, spoken="", speaking=False, expects_answer=False) == "carry_on"
        assert decide(text, spoken="", speaking=True, expects_answer=False) == "wait"
        assert decide(text, spoken="", speaking=False, expects_answer=True) == "yield"

    @pytest.mark.parametrize(
        "text", ["wait", "no", "stop please", "can I ask something", "yeah but what about sunday then"]
    )
    def test_real_words(self, text: str) -> None:
        assert not is_backchannel(text)
        assert decide(text, spoken="we are open from nine", speaking=True, expects_answer=False) == "yield"

    @pytest.mark.parametrize("text", ["Sikha", "Mama.", "You're...", "go on"])
    def test_a_word_or_two_that_the_recogniser_doubts_are_a_hum(self, text: str) -> None:
        ways = ((False, False, 0.2), (True, False, 0.2), (False, True, 0.2), (False, False, 0.9))
        verdicts = [
            decide(text, spoken="", speaking=speaking, expects_answer=asked, confidence=sure)
            for speaking, asked, sure in ways
        ]
        assert verdicts == ["carry_on", "wait", "yield", "yield"]

    @pytest.mark.parametrize("text", ["no", "Wait, stop.", "sorry", "Tuesday?", "can I ask"])
    def test_doubted_words_that_stop_are_obeyed(self, text: str) -> None:
        assert decide(text, spoken="", speaking=True, expects_answer=False, confidence=0.2) == "yield"

    def test_nothing_yet(self) -> None:
        assert decide("", spoken="x", speaking=True, expects_answer=False) == "wait"

    def test_echo_that_comes_late(self) -> None:
        assert is_tail_of_echo("mm-hm", "Mm-hm.")
        assert is_tail_of_echo("nine to five", "we are open from nine to five")
        assert not is_tail_of_echo("yes", "we are open from nine to five")
        assert not is_tail_of_echo("", "we are open")
        assert decide("no", spoken="oh no", speaking=True, expects_answer=False) == "wait"
        assert decide("no", spoken="no we are open today", speaking=True, expects_answer=False) == "yield"

    def test_echo(self) -> None:
        assert is_echo("open from nine", "we are open from nine to five")
        assert not is_echo("nine", "we are open from nine")
        assert not is_echo("wait open from nine", "we are open from nine to five")
        assert not is_echo("do you have parking there", "we are open from nine to five")
        assert not is_echo("open from nine", "")
        assert (
            decide("open from nine", spoken="we are open from nine", speaking=True, expects_answer=False) == "carry_on"
        )


class TestClauses:
    def split(self, text: str, settings: Clauses = Clauses()) -> list[str]:
        splitter = ClauseSplitter(settings)
        return [clause for word in text.split(" ") for clause in splitter.push(word + " ")] + splitter.flush()

    def test_the_first_is_short_and_the_others_end_where_a_voice_would(self) -> None:
        clauses = self.split("We are open from nine to five on weekdays, and on Saturdays until noon. Anything else?")
        assert clauses[0] == "We are open from nine to"
        assert clauses[-1] == "Anything else?"

    def test_abbreviations_end_no_sentence(self) -> None:
        assert self.split("Dr. Smith is in.") == ["Dr. Smith is in."]
        assert ends_sentence('He said "yes."')
        assert not ends_sentence("Dr.")
        assert not ends_sentence("")

    def test_a_word_that_ends_its_sentence_waits_for_nothing(self) -> None:
        assert ClauseSplitter(Clauses()).push("We are open.") == ["We are open."]
        assert ClauseSplitter(Clauses()).push("It costs 5.") == []
        pieces = ClauseSplitter(Clauses())
        assert pieces.push("example") + pieces.push(".") + pieces.push("com ") == []

    def test_no_cut_where_the_next_word_changes_how_this_one_is_said(self) -> None:
        assert self.split("You are booked today at 9:30 am with Dr. Brown then.")[0].endswith("9:30 am")
        assert self.split("We would see you on November 24 then.")[0].endswith("24 then.")
        assert all(len(clause.split()) <= 37 for clause in self.split("7 " * 200))

    def test_a_long_sentence_without_a_pause_is_cut(self) -> None:
        assert all(len(clause.split()) <= 32 for clause in self.split("word " * 100))

    def test_a_word_longer_than_a_clause_is_cut(self) -> None:
        splitter = ClauseSplitter(Clauses(cap=8))
        assert splitter.push("go supercalifragilistic ") + splitter.flush() == ["go", "supercal", "ifragili", "stic"]
        assert ClauseSplitter(Clauses(cap=8)).push("hello there you ") == ["hello", "there"]

    @given(st.lists(WORDS, max_size=12), st.integers(8, 60))
    def test_nothing_is_lost_and_no_clause_is_too_long(self, tokens: list[str], cap: int) -> None:
        splitter = ClauseSplitter(Clauses(cap=cap))
        clauses = [clause for token in tokens for clause in splitter.push(token)] + splitter.flush()
        assert "".join("".join(clauses).split()) == "".join("".join(tokens).split())
        assert all(0 < len(clause) <= cap for clause in clauses)


class TestHeard:
    def test_a_word_counts_once_a_tenth_of_a_second_was_played(self) -> None:
        starts = (0, 8_000, 16_000)
        assert cut(starts, 0) == 0
        assert cut(starts, 1_600) == 1
        assert cut(starts, 8_500) == cut(starts, 8_001)
        assert cut(starts, 17_600) == 3
        assert cut((), 5) == 0
        assert cut((100, 200), 198) == 0
        assert cut((100, 200), 199) == 1

    def test_where_to_go_on(self) -> None:
        starts = (0, 8_000, 16_000)
        assert resume_at(starts, 9_000) == 8_000
        assert resume_at(starts, 15_500) == 15_500
        assert resume_at(starts, 19_999) == 16_000
        assert resume_at((), 500) == 500

    def test_a_word_of_unknown_length_is_not_said_twice_once_half_of_it_may_have_been_heard(self) -> None:
        assert resume_at((0, 8_000, 16_000), 20_000) == 20_000
        assert resume_at((0,), 2_399) == 0
        assert resume_at((0,), 2_400) == 2_400

    @given(st.lists(st.integers(0, 100_000), max_size=20).map(sorted), st.integers(0, 120_000))
    def test_never_more_than_was_begun(self, starts: list[int], played: int) -> None:
        result = cut(tuple(starts), played)
        begun = sum(start <= played for start in starts)
        assert begun - 1 <= result <= begun

    def test_marks(self) -> None:
        assert mark("we are open") == "[interrupted while saying: we are open…]"
        assert mark("") == "[interrupted]"


class TestIntents:
    @pytest.mark.parametrize(
        "text",
        ["can I speak to a human", "I want to talk to a real person please", "operator", "give me a person",
         "could you put me through to someone"],
    )  # fmt: skip
    def test_a_person(self, text: str) -> None:
        assert wants_person(text)

    @pytest.mark.parametrize(
        "text",
        ["I don't want to speak to a person", "I need someone to look at my boiler", "is the person nice", "hello"],
    )
    def test_no_person(self, text: str) -> None:
        assert not wants_person(text)

    def test_a_target_is_somebody_to_be_put_through_to(self) -> None:
        office = Target("office", phrases=("the office",))
        assert wanted_target("can I talk to the office", (office,)) == office
        assert wanted_target("tell the office I'll be late", (office,)) is None
        assert wanted_target("hello", (office,)) is None

    def test_emergencies(self) -> None:
        assert is_emergency("there is a Gas leak here", ("gas leak",))
        assert not is_emergency("there is not a gas leak", ("gas leak",))
        assert not is_emergency("hello", ("gas leak", ""))


class TestHistory:
    def test_a_late_result_takes_its_place(self) -> None:
        history = History([Message("tool", "{}", tool_call_id="a"), Message("user", "x")])
        assert history.replace_tool_result(Message("tool", "new", tool_call_id="a"))
        assert history.messages[0].text == "new"
        assert not history.replace_tool_result(Message("tool", "new", tool_call_id="b"))


def test_the_latest_words_win_in_the_state() -> None:
    state = ConversationState()
    state.merge((("day", "wednesday"),), 3)
    state.merge((("day", "tuesday"), ("name", "Ana")), 2)
    assert state.render() == "day: wednesday\nname: Ana"
    state.merge((("day", ""),), 4)
    assert state.render() == "name: Ana"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"ended": True}, "ended"),
        ({}, "connecting"),
        ({"up": True, "transferring": True}, "transferring"),
        ({"up": True, "contested": True}, "contested"),
        ({"up": True, "replying": True}, "replying"),
        ({"up": True, "speaking": True}, "hearing"),
        ({"up": True, "words": True}, "ending"),
        ({"up": True}, "listening"),
    ],
)
def test_the_phase_table(facts: dict[str, bool], expected: str) -> None:
    keys = ("ended", "up", "transferring", "contested", "replying", "speaking", "words")
    assert phase(**{key: facts.get(key, False) for key in keys}) == expected
