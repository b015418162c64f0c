"""The locks are whole, and the page about dependencies is in step with them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


def names(lines: list[str]) -> list[str]:
    return [match.group().lower() for line in lines if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line))]


def inputs(name: str) -> list[str]:
    return names((ROOT / name).read_text(encoding="utf-8").splitlines())


DIRECT = {
    "run": names(PROJECT["project"]["dependencies"]),
    "dev": names(PROJECT["dependency-groups"]["dev"]),
    "models": inputs("requirements-models.in"),
    "bench": inputs("requirements-bench.in"),
    "bootstrap": inputs("requirements-bootstrap.in"),
}


@pytest.mark.parametrize("name", [name for group in DIRECT.values() for name in group])
def test_every_direct_dependency_has_its_reason_and_licence(name: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and re.search(rf"[ ,|]{name}[ ,|]", line)]
    assert rows, f"{name} is not on the page"
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("|")), f"{name}: an empty cell"


def test_the_page_names_nothing_that_is_not_there() -> None:
    known = {name for group in DIRECT.values() for name in group}
    for line in PAGE.split("## Considered")[0].splitlines():
        if line.startswith("|") and not line.startswith(("|---", "| package")):
            for name in re.sub(r"\(.*?\)", "", line.strip("|").split("|")[0]).split(","):
                assert name.strip() in known, f"{name.strip()} is described but not asked for"


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_by_hash_and_no_address_stands_in_a_lock(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    pins = [block for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if "==" in block]
    assert pins
    for block in pins:
        assert "--hash=sha256:" in block, f"{block.split('==')[0]} has no hash"


@pytest.mark.parametrize(
    ("group", "lock"),
    [
        ("run", "requirements.lock"),
        ("run", "requirements-dev.lock"),
        ("dev", "requirements-dev.lock"),
        ("models", "requirements-models.lock"),
        ("bench", "requirements-bench.lock"),
        ("bootstrap", "requirements-bootstrap.lock"),
    ],
)
def test_the_locks_hold_what_is_asked_for(group: str, lock: str) -> None:
    pinned = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
    missing = {name.replace("_", "-") for name in DIRECT[group]} - pinned
    assert not missing, f"run `make lock`: {lock} lacks {', '.join(sorted(missing))}"


def test_the_development_lock_has_the_versions_of_the_product() -> None:
    def versions(lock: str) -> dict[str, str]:
        return dict(
            re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==([^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
        )

    product, development = versions("requirements.lock"), versions("requirements-dev.lock")
    assert {name: development.get(name) for name in product} == product
