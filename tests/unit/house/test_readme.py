"""What the README says is there: each command, each link; and the changelog's fragments are in order."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from aivoice.cli.app import run_cli

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:make|\.venv/bin/aivoice).*?)(?:  +#.*)?$", README, re.MULTILINE)


GROUPS = {"tenant", "tool", "knowledge"}
GUIDES = {
    f"{path.name}: {command}": command
    for path in sorted((ROOT / "docs").glob("*.md"))
    for command in re.findall(r"^    aivoice (.*?)(?:  +#.*)?$", path.read_text(encoding="utf-8"), re.MULTILINE)
}


@pytest.mark.parametrize("command", GUIDES.values(), ids=GUIDES.keys())
def test_each_command_of_the_guides_exists_with_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    _exists(command.split(), capsys)


def test_the_commands_are_found() -> None:
    assert len(GUIDES) >= 15
    assert {"make call", "make serve", "make test", "make bench", "make prove"} <= set(COMMANDS)
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make")])
def test_each_make_target_sets_up_what_it_needs(command: str) -> None:
    done = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert "scripts/setup.py" in done.stdout


@pytest.mark.parametrize("command", [command for command in COMMANDS if "aivoice" in command])
def test_each_aivoice_command_exists_with_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = command.split()[1:]
    if words == ["--help"]:
        assert run_cli(words) == 0
        return
    _exists(words, capsys)


def _exists(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command = words[:2] if words[0] in GROUPS else words[:1]
    assert run_cli([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    for word in words[1:]:
        if word.startswith("--"):
            assert word in shown


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!\w+:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_fragments_become_a_version(tmp_path: Path) -> None:
    module = runpy.run_path(str(ROOT / "scripts" / "changelog.py"))
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "README.md").write_text("how")
    (tmp_path / "changes" / "b.fixed.md").write_text("The pause\nis shorter.")
    (tmp_path / "changes" / "a.added.md").write_text("A button.")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n{module['MARK']}\n\n## 0.1.0 (2026-11-01)\n")
    module["release"](tmp_path, "0.2.0", "2026-12-01")
    page = (tmp_path / "CHANGELOG.md").read_text()
    assert page.index("## 0.2.0 (2026-12-01)") < page.index("- A button.") < page.index("- The pause is shorter.")
    assert page.index("shorter") < page.index("## 0.1.0")
    assert [path.name for path in (tmp_path / "changes").iterdir()] == ["README.md"]
    with pytest.raises(SystemExit, match="no fragment"):
        module["release"](tmp_path, "0.3.0", "2026-12-02")


@pytest.mark.parametrize(
    ("name", "text", "says"), [("x.md", "y", "kind"), ("x.bug.md", "y", "kind"), ("x.fixed.md", " ", "empty")]
)
def test_a_wrong_fragment_is_told(tmp_path: Path, name: str, text: str, says: str) -> None:
    module = runpy.run_path(str(ROOT / "scripts" / "changelog.py"))
    (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit, match=says):
        module["fragments"](tmp_path)


def test_our_own_fragments_are_in_order() -> None:
    module = runpy.run_path(str(ROOT / "scripts" / "changelog.py"))
    assert any(module["fragments"](ROOT / "changes").values())
