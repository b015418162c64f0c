"""The window, its budgets and repairs: properties over any history, and the places where they bind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aivoice.core.config import CallConfig, Window
from aivoice.core.context import CUT, History, shortened
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


@given(MESSAGES, st.integers(20, 400), st.integers(0, 14))
def test_a_window_is_valid_and_begins_where_it_began_until_it_must_move(
    messages: list[Message], high: int, more: int
) -> None:
    history = History(messages[:more])
    history.window(high, high // 2)
    before, history.messages = history.start, [*messages]
    shown = history.window(high, high // 2)
    assert valid(shown)
    assert history.start >= min(before, len(messages))
    if history.cost(before) <= high:
        assert history.start == before, "a window inside its budget does not move"


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
    assert text_tokens(request.notes) <= window.metadata
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
    assert scale.own(1_000) < 1_000


def test_missing_results_are_unknown() -> None:
    asked = Message("assistant", "", (ToolCall("t", "look", "{}"),))
    assert repaired([asked])[1] == Message("tool", UNKNOWN, tool_call_id="t")
    assert repaired([asked, Message("tool", " ", tool_call_id="t")])[1].text == UNKNOWN
    odd = Message("tool", "{}", (ToolCall("x", "y", "{}"),), "t")
    assert repaired([asked, odd])[1] == Message("tool", "{}", tool_call_id="t")
