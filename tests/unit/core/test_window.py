"""The window, its budgets and repairs: properties over any history, and the places where they bind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aivoice.core.config import CallConfig, Window
from aivoice.core.context import History
from aivoice.core.fit import CUT, fitted, shortened, within
from aivoice.core.prompt import Message, Passage, ToolCall, ToolSpec
from aivoice.core.repair import UNKNOWN, repaired
from aivoice.core.state import ConversationState
from aivoice.core.tokens import Scale, message_tokens, passage_tokens, request_tokens, text_tokens
from aivoice.core.window import compose, fitting, fixed_tokens, most_tokens

IDS = st.sampled_from(["a", "b", "c", ""])
CALLS = st.lists(st.builds(ToolCall, IDS, st.just("look"), st.just("{}")), max_size=2).map(tuple)
TEXTS = st.sampled_from(["", "  ", "yes", "word " * 30])
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant", "tool"]), TEXTS, CALLS, st.none() | IDS), max_size=14
)


def valid(messages: tuple[Message, ...]) -> bool:
    owed: list[str] = []
    seen: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if not owed or message.tool_call_id != owed.pop(0) or not message.text.strip() or message.tool_calls:
                return False
            continue
        if owed or message.tool_call_id is not None or not (message.text.strip() or message.tool_calls):
            return False
        if message.tool_calls and message.role != "assistant":
            return False
        owed = [call.id for call in message.tool_calls]
        if any(not each or each in seen for each in owed) or len(set(owed)) != len(owed):
            return False
        seen.update(owed)
    return not owed


@given(MESSAGES)
def test_whatever_the_history_it_is_valid_after_repair(messages: list[Message]) -> None:
    once = repaired(messages)
    assert valid(once)
    assert repaired(once) == once
    if valid(tuple(messages)):
        assert once == tuple(messages)


def test_an_id_that_is_used_again_is_another_call() -> None:
    asked = Message("assistant", "", (ToolCall("r1", "look", "{}"), ToolCall("r1", "look", "{}")))
    first, second = (Message("tool", text, tool_call_id="r1") for text in ("one", "two"))
    later = (Message("assistant", "", (ToolCall("r1", "look", "{}"), ToolCall("r1_2", "look", "{}"))), second)
    out = repaired([asked, first, *later])
    assert valid(out)
    assert [message.text for message in out if message.role == "tool"] == ["one", UNKNOWN, "two", UNKNOWN]
    assert [call.id for message in out for call in message.tool_calls] == ["r1", "r1_3", "r1_4", "r1_2"]


def test_a_result_before_its_call_is_moved_behind_it() -> None:
    asked = Message("assistant", "", (ToolCall("t", "look", "{}"),))
    assert repaired([Message("tool", "{}", tool_call_id="t"), asked])[1].text == "{}"


SIZES = st.sampled_from([0, 1, 30, 400, 9_000])
BIG = st.lists(
    st.builds(
        lambda role, size, calls, arguments, result: Message(
            role, "w " * size, tuple(ToolCall(each, "look", arguments) for each in calls), result
        ),
        st.sampled_from(["user", "assistant", "tool"]),
        SIZES,
        st.lists(IDS, max_size=2),
        st.sampled_from(["{}", '{"day":"' + "x" * 6_000 + '"}']),
        st.none() | IDS,
    ),
    max_size=16,
)


@given(BIG, BIG, st.integers(400, 4_000), st.integers(0, 3_000))
def test_whatever_is_said_the_history_keeps_to_its_budget(
    messages: list[Message], tail: list[Message], high: int, over: int
) -> None:
    history = History([Message("user", "hello"), *messages], over=over)
    shown = history.window(high, high // 2, tail)
    assert valid(shown)
    most = history.high(high, high // 2)
    assert sum(map(message_tokens, shown)) <= most + 2 * len(shown)
    assert history.window(high, high // 2, tail) == shown, "building it again changes nothing"


@given(MESSAGES, st.integers(20, 400), st.integers(0, 14))
def test_a_window_is_valid_and_begins_where_it_began_until_it_must_move(
    messages: list[Message], high: int, more: int
) -> None:
    history = History(messages[:more])
    history.window(high, high // 2)
    before, history.messages = history.start, [*messages]
    kept = History([*messages], start=min(before, len(messages)))
    everything = kept.window(1_000_000, 1_000_000)
    shown = history.window(high, high // 2)
    assert valid(shown)
    assert history.start >= min(before, len(messages))
    if sum(map(message_tokens, everything)) <= high:
        assert history.start == kept.start, "a window inside its budget does not move"


def test_a_prompt_begins_like_the_last_one_but_where_the_window_moves() -> None:
    history = History()
    before: tuple[Message, ...] = ()
    moves = 0
    for turn in range(300):
        history.messages.append(Message("user", f"question {turn} " + "w" * 60))
        if turn in (3, 90, 91, 200):
            call = ToolCall(f"t{turn}", "look", "{}")
            history.messages += [
                Message("assistant", "", (call,)),
                Message("tool", '{"found":"' + "x" * 900 + '"}', tool_call_id=call.id),
            ]
        start = history.start
        shown = history.window(1_000, 500)
        moves += history.start != start
        if history.start == start:
            assert shown[: len(before)] == before
        before = shown
        history.messages.append(Message("assistant", "a" * 60))
        history.scale.learn(1_000, 1_000 + turn % 3)
    assert 10 <= moves <= 60
    assert any(call.id == "t200" for message in before for call in message.tool_calls)


def test_too_much_of_everything_leaves_out_the_oldest() -> None:
    calls = tuple(ToolCall(f"t{n}", "look", "{}") for n in range(3))
    messages = [Message("user", f"old {n}") for n in range(40)]
    messages += [Message("assistant", "", calls), *(Message("tool", "r" * 99, tool_call_id=each.id) for each in calls)]
    shown = within(messages, 150)
    assert valid(shown)
    assert sum(map(message_tokens, shown)) <= 150
    assert shown[-4].tool_calls == calls
    assert within(messages, 10)[0].tool_calls == calls, "the newest always stays"


def test_arguments_that_are_too_long_to_show_again_are_left_out() -> None:
    long = ToolCall("a", "send", '{"text":"' + "x" * 4_000 + '"}')
    short = ToolCall("b", "look", "{}")
    cut = fitted(Message("assistant", "I'm sending that. " * 10, (long, short)), 80)
    assert [call.arguments for call in cut.tool_calls] == ['{"omitted":true}', "{}"]
    assert message_tokens(cut) <= 81
    words = fitted(Message("assistant", "I'm sending that. " * 40, (short,)), 80)
    assert words.tool_calls == (short,)
    assert words.text.endswith(CUT)


def test_where_no_summary_has_come_the_turns_themselves_stand_in() -> None:
    history = History()
    for number in range(20):
        history.messages += [
            Message("user", f"fact {number} is word{number}, and then some more about it"),
            Message("assistant", "Noted."),
        ]
    history.messages[4:4] = [Message("user", "  "), Message("tool", '{"booked":true}', tool_call_id="t")]
    assert history.recap(200) == ""
    history.window(160, 80)
    recap = history.recap(200)
    assert "Caller: fact 0 is word0" in recap
    assert 'Result: {"booked":true}' in recap
    assert text_tokens(recap) <= 200
    history.summarise_upto(4, "They gave facts 0 and 1. " * 20)
    both = history.recap(200)
    assert both.startswith("They gave facts 0 and 1.")
    assert "Caller: fact 5" in both
    assert text_tokens(both) <= 200
    few = history.recap(30)
    assert "fact 5" not in few, "where there is too little room, the newest"
    assert text_tokens(few) <= 30
    assert len(history.recap(1)) < 100


def test_instructions_over_their_budget_take_it_from_the_history() -> None:
    window = Window(system=100, history=1_000, history_low=400)
    messages = [Message("user" if n % 2 == 0 else "assistant", "word " * 20) for n in range(200)]
    for length, most in ((100, 1_000), (500, 600), (5_000, 400)):
        history = History([*messages])
        config = CallConfig(system="s" * length * 4, window=window)
        request = compose(config, history, ConversationState(), tail=(), passages=(), call_time="", turn=1)
        assert sum(map(message_tokens, request.messages)) <= most
        if length <= 700:
            assert request_tokens(request) + request.answer_tokens <= most_tokens(window)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(100, 600))
def test_turns_of_ordinary_length_keep_to_the_budget(lengths: list[int], high: int) -> None:
    history = History()
    for length in lengths:
        history.messages += [Message("user", "w" * length), Message("assistant", "a" * length)]
        shown = history.window(high, high // 2)
        newest = history.messages[-2:]
        assert sum(map(message_tokens, shown)) <= max(high, sum(map(message_tokens, newest)))
        assert list(shown[-2:]) == newest


def test_the_last_tool_calls_are_shown_wherever_the_window_begins() -> None:
    history = History([Message("user", "book"), Message("assistant", "", (ToolCall("t", "book", "{}"),))])
    history.messages.append(Message("tool", '{"ok":1}', tool_call_id="t"))
    for number in range(30):
        history.messages += [Message("user", f"question {number} " * 5), Message("assistant", "answer " * 10)]
    shown = history.window(200, 100)
    assert history.start > 3
    assert shown[0].tool_calls[0].id == "t"
    assert shown[1].text == '{"ok":1}'
    assert shown[2].role == "user"


def test_a_turn_that_is_longer_than_all_is_kept_and_cut() -> None:
    history = History([Message("user", "one. " * 500)])
    (only,) = history.window(100, 50)
    assert only.text.endswith(CUT)
    assert message_tokens(only) <= 60


def test_a_summary_moves_the_window_and_an_old_one_does_not() -> None:
    history = History([Message("user" if n % 2 == 0 else "assistant", f"text {n}") for n in range(10)])
    history.summarise_upto(4, "They talked.")
    history.summarise_upto(2, "Older.")
    assert (history.summary, history.start, history.summarised) == ("They talked.", 4, 4)
    history.summarise_upto(99, "All.")
    assert history.summarised == 10
    assert history.turns_from(0) == 5


def test_texts_are_shortened_at_sentences() -> None:
    assert shortened("short", 10) == "short"
    assert shortened("One sentence here. Another sentence that is long.", 8) == f"One sentence here.{CUT}"
    assert shortened("a" * 100, 5) == "a" * 16 + CUT
    assert shortened("a" * 100, 0) == CUT


def test_passages_are_taken_whole_best_first() -> None:
    best, long, last = (Passage(text, "faq") for text in ("short one", "A sentence. " * 60, "never"))
    assert fitting((best, long, last), 1_000) == (best, long, last)
    kept = fitting((best, long, last), 100)
    assert kept[0] == best
    assert kept[1].text.endswith(CUT)
    assert len(kept) == 2
    assert sum(map(passage_tokens, kept)) <= 102
    assert fitting((best, long), passage_tokens(best) + 20) == (best,)


def test_a_prompt_of_everything_at_its_most_stays_inside_the_whole() -> None:
    window = Window()
    state = ConversationState()
    state.merge(tuple((f"key{n}", "value " * 40) for n in range(100)), 1)
    history = History([Message("user" if n % 2 == 0 else "assistant", "word " * 50) for n in range(400)])
    history.summarise_upto(100, "sentence. " * 2_000)
    config = CallConfig(system="s" * 3_600, notes="n" * 5_000, window=window)
    request = compose(
        config,
        history,
        state,
        tail=(Message("user", "now"),),
        passages=tuple(Passage("text " * 300, "faq") for _ in range(20)),
        call_time="2026-11-27T15:00:00+00:00",
        turn=200,
    )
    assert request.messages[-1].text == "now"
    assert request_tokens(request) + request.answer_tokens <= most_tokens(window)
    assert text_tokens(request.summary) <= window.summary
    assert text_tokens(request.notes) + text_tokens(request.call_time) <= window.metadata
    assert fixed_tokens(config) == 900


def test_tools_count_with_their_schemas() -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string", "enum": ["monday", "tuesday"]}}}
    bare = CallConfig(system="s" * 40)
    tooled = CallConfig(system="s" * 40, tools=(ToolSpec("book", "Books a day.", schema, side_effects=True),))
    assert fixed_tokens(tooled) > fixed_tokens(bare) + 20


def test_the_scale_learns_from_what_is_charged_and_passes_nonsense_over() -> None:
    scale = Scale()
    for estimated, charged in ((10, 100), (1_000, 0), (1_000, 5_000), (1_000, 100)):
        scale.learn(estimated, charged)
    assert (scale.ratio, scale.known) == (1.0, False)
    scale.learn(1_000, 1_200)
    assert scale.ratio == 1.2
    scale.learn(1_000, 1_000)
    assert 1.1 < scale.ratio < 1.2
    assert 850 <= scale.own(1_000) < 900
    fewer = Scale()
    fewer.learn(1_000, 700)
    assert (fewer.ratio, fewer.own(1_000)) == (0.7, 1_000)


def test_missing_results_are_unknown() -> None:
    asked = Message("assistant", "", (ToolCall("t", "look", "{}"),))
    assert repaired([asked])[1] == Message("tool", UNKNOWN, tool_call_id="t")
    assert repaired([asked, Message("tool", " ", tool_call_id="t")])[1].text == UNKNOWN
    odd = Message("tool", "{}", (ToolCall("x", "y", "{}"),), "t")
    assert repaired([asked, odd])[1] == Message("tool", "{}", tool_call_id="t")
