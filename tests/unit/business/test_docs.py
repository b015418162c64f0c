"""The reference names every key."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivoice.business.schema import BusinessShape, ToolShape

REFERENCE = (Path(__file__).parents[3] / "docs" / "business-file.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", list(BusinessShape.model_fields))
def test_every_key_of_a_business_is_in_the_reference(key: str) -> None:
    assert f"`{key}`" in REFERENCE


@pytest.mark.parametrize("key", list(ToolShape.model_fields))
def test_every_key_of_a_tool_is_in_its_example(key: str) -> None:
    assert f"{key}:" in REFERENCE.partition("## Tools")[2].partition("Optional hints")[0]
