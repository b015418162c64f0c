"""Callers' scripts: the shipped ones are usable, a broken one is told in one line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivoice.hosting.caller_script import ScriptError, load_script

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/caller.yaml")), ids=lambda path: path.parent.name)
def test_the_examples_have_callers_that_interrupt_once_and_have_another_voice(path: Path) -> None:
    script = load_script(path)
    assert sum(line.interrupt_after is not None for line in script.lines) == 1
    assert script.voice != "default"
    assert script.answers


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file"),
        ("lines: []", "lines"),
        ("lines: [{say: ''}]", "lines.1.say"),
        ("lines: [{say: hi, interrupt_after: soon}]", "lines.1.interrupt_after"),
        ("lines: [{say: hi}]\nanswers: [{when: '(', say: x}]", "answers.1.when"),
        ("lines: [{say: hi}]\nmood: grumpy", "mood"),
        ("lines: [unclosed", ":1:17: this is not YAML"),
        ("lines: [{say: hi}]\nlimit_s: 0", "limit_s"),
        ("lines: " + "[" * 5_000, "nested too deeply"),
        ("lines: [{say: 2026-99-99}]", "not YAML"),
    ],
)
def test_a_broken_script_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "caller.yaml"
    path.write_text(text)
    with pytest.raises(ScriptError) as caught:
        load_script(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_script_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"no script .* --script, .* --audio"):
        load_script(tmp_path / "caller.yaml")
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScriptError, match="not UTF-8"):
        load_script(tmp_path / "b")
