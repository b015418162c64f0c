"""What a language model is shown of the tools that the core carries out itself."""

from __future__ import annotations

import pytest
from tests.unit.core.playing import call

from aivoice.core import commands as c
from aivoice.core.built_in import built_in_tools
from aivoice.core.config import CallConfig, Target


def test_without_anybody_to_transfer_to_only_the_end_is_offered() -> None:
    assert [tool.name for tool in built_in_tools(())] == ["end_call"]


def test_a_transfer_names_those_who_can_be_reached() -> None:
    transfer, end = built_in_tools(("office", "emergency line"))
    assert transfer.parameters["properties"]["target"]["enum"] == ["office", "emergency line"]
    assert (transfer.name, end.name) == ("transfer", "end_call")


@pytest.mark.parametrize(
    ("tool", "arguments", "leads_to"), [(0, '{"target": "office"}', c.Transfer), (1, "{}", c.Finish)]
)
def test_what_is_shown_is_what_the_core_carries_out(tool: int, arguments: str, leads_to: type[c.Command]) -> None:
    shown = built_in_tools(("office",))
    toy = call(CallConfig(targets=(Target("office"),), tools=shown))
    toy.voice("what are your opening hours?")
    toy.generate("As you wish. ", tools=(("id", shown[tool].name, arguments),))
    toy.synthesise()
    toy.pass_time(2_000)
    assert toy.said(leads_to)
    assert not toy.said(c.RunTool)
