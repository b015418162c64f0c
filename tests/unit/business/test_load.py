"""A business file is read whole or refused whole, every problem with its line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aivoice.business.load import BusinessFileError, load_business
from aivoice.business.model import MESSAGES, Business
from aivoice.core.config import DEFAULT_CLIPS

EXAMPLES = Path(__file__).parents[3] / "examples"


def at(*parts: int) -> dt.datetime:
    """A local wall-clock time."""
    return dt.datetime(*parts)  # noqa: DTZ001 - opening hours have no zone


def write(folder: Path, text: str) -> Path:
    path = folder / "business.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(BusinessFileError) as caught:
        load_business(path)
    assert "\n" not in str(caught.value)
    assert caught.value.code == "business_file_invalid"
    return [line.removeprefix(f"{path}:") for line in caught.value.lines()]


@pytest.mark.parametrize("name", ["northside-dental", "harbour-plumbing"])
def test_the_examples_are_whole(name: str) -> None:
    business = load_business(EXAMPLES / name / "business.yaml")
    assert business.hours.known
    assert len(business.documents) >= 2
    assert {"check_availability", "take_message"} < {tool.name for tool in business.tools}
    assert business.emergency.target in {target.name for target in business.transfers}
    config = business.call_config()
    assert config.emergency.phrases == business.emergency.phrases
    own = [tool.name for tool in business.tools]
    assert [spec.name for spec in config.tools] == [*own, "transfer", "end_call"]
    for spec in config.tools:
        jsonschema.Draft202012Validator.check_schema(spec.parameters)
    transfer = config.tools[-2].parameters["properties"]["target"]["enum"]
    assert transfer == [target.name for target in config.targets]
    assert set(config.clips) >= set(DEFAULT_CLIPS)
    assert business.name in business.system_prompt()
    assert "Monday" in business.system_prompt()
    assert business.system_prompt() == business.system_prompt()


def test_a_name_is_enough(tmp_path: Path) -> None:
    business = load_business(write(tmp_path, "name: No\n"))
    assert business.name == "No"
    assert business.clips()["greeting"] == "Thank you for calling No. How can I help?"
    assert [(tool.name, tool.endpoint) for tool in business.tools] == [("take_message", MESSAGES)]
    assert [spec.name for spec in business.tool_specs()] == ["take_message", "end_call"]
    assert not business.hours.known
    assert business.facts() == ()


def test_everything_that_is_wrong_is_said_at_once_with_line_and_column(tmp_path: Path) -> None:
    text = """\
nam: Foo
greeting: Hi
greeting: there
timezone: Mars/Phobos
hours:
  monday: 9-5
  tuesdey: 9am-5pm
  holidays:
    - 2026-13-01
tools:
  - name: Book It
    description: x
    side_effects: maybe
    endpoint: ftp://x
    parameters:
      properties: {a: {type: strin}}
    fillers: 5
limits: {max_call_minutes: 900}
knowledge: [missing.md]
sentences: {filler.book_it: Hm.}
"""
    found = problems(tmp_path, text)
    starts = [
        "1:1: `name` is missing: add it",
        "1:1: unknown key `nam`: did you mean `name`?",
        "3:1: `greeting` is here a second time (first on line 2): remove one",
        "4:11: `timezone`: this is not a time zone: use a name like America/New_York",
        "6:11: `hours.monday`: these are not opening times: write it like",
        "7:3: unknown key `tuesdey`: did you mean `tuesday`?",
        "9:7: `hours.holidays[1].date`: this is not a date: write it like 2026-12-25",
        "11:11: `tools[1].name`: must be lower-case letters",
        "13:19: `tools[1].side_effects`: must be yes or no",
        "14:15: `tools[1].endpoint`: this is not an endpoint: use an http:// or https:// address",
        "16:7: `tools[1].parameters`: this is not a valid JSON Schema (at properties.a.type)",
        "18:28: `limits.max_call_minutes`: is too large: at most 240",
        "19:13: `knowledge[1]`: missing.md does not exist",
    ]
    assert len(found) == len(starts)
    for line, start in zip(found, starts, strict=True):
        assert line.startswith(start), line


def test_problems_between_keys_and_files_are_said_together(tmp_path: Path) -> None:
    (tmp_path / "k.md").write_bytes(b"\xff\xfe")
    (tmp_path / "k.pdf").write_bytes(b"x")
    text = """\
name: X
knowledge: [missing.md, ../other.md, /etc/passwd, k.md, k.pdf, "none/*.md"]
tools:
  - {name: a, description: d, side_effects: no, endpoint: service}
  - {name: a, description: d, side_effects: no, endpoint: "https://example.com/x"}
  - {name: transfer, description: d, side_effects: no, endpoint: "https://example.com/x"}
emergency: {phrases: [fire], sentence: Leave the house., target: nobody}
sentences: {godbye: Bye., filler.zzz: Hm.}
"""
    found = problems(tmp_path, text)
    expected = (
        "`knowledge[1]`: missing.md does not exist",
        "`knowledge[2]`: leads out of this file's folder",
        "`knowledge[3]`: leads out of this file's folder",
        "`knowledge[4]`: k.md is not UTF-8 text",
        "`knowledge[5]`: k.pdf is not Markdown or text",
        "`knowledge[6]`: matches no file",
        "`tools[1].endpoint`: there is no `service:` in this file",
        "`tools[2].name`: is used twice",
        "`tools[3].name`: is built in",
        "`emergency.target`: no transfer has this name",
        "unknown key `godbye`: did you mean `goodbye`?",
        "unknown key `filler.zzz`",
    )
    for text in expected:
        assert any(text in line for line in found), (text, found)
    assert len(found) == len(expected)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("# secret")
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    found = problems(folder, 'name: X\nknowledge: ["*.md"]\n')
    assert len(found) == 1
    assert "leads out of this file's folder" in found[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: the file is empty"),
        ("- a\n", "1:1: the file must hold `key: value` lines"),
        ("just text", "1:1: the file must hold `key: value` lines"),
        ("a: &x 1\nb: *x\n", "1:4: anchors (&) and aliases (*) are not allowed"),
        ("name: !!python/object/apply:os.system ['x']\n", "1:7: tags (!) are not allowed"),
        ("name: x\n---\nname: y\n", "2:1: a second document begins here"),
        ("name: [1\n", "2:1: this is not valid YAML"),
        ("name: 'x\n", "this is not valid YAML"),
        ("name: \x07\n", "the file holds a character that YAML does not allow"),
        ("a: " * 5 + "b", "this is not valid YAML"),
        ("[" * 100, "nested deeper than"),
        ("{[a]: b}", "a key must be plain text"),
        ("name: x\ntools: {a: b}\n", "2:8: `tools`: must be a list"),
        ("name: x\nhours: 9-5\n", "2:8: `hours`: must be `key: value` lines"),
        ("name: [a]\n", "1:7: `name`: must be text"),
        ("name: ''\n", "1:7: `name`: is empty"),
        ('name: "a\\e[2Jb"\n', "1:7: `name`: holds the control character U+001B: remove it"),
    ],
)
def test_broken_files_get_one_clear_line(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in line for line in problems(tmp_path, text)), problems(tmp_path, text)


def test_big_files_are_refused_before_they_are_built(tmp_path: Path) -> None:
    assert "larger than" in problems(tmp_path, "name: x\n#" + "x" * 600_000)[0]
    many = "name: x\nprices:\n" + "- {item: a, price: b}\n" * 6_000
    assert any("values" in line for line in problems(tmp_path, many))


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    for path, what in ((tmp_path, "is a folder"), (tmp_path / "no.yaml", "does not exist"), ("a\x00b", "")):
        with pytest.raises(BusinessFileError) as caught:
            load_business(path)
        assert what in str(caught.value)
    (tmp_path / "latin.yaml").write_bytes("name: Caf\xe9".encode("latin-1"))
    with pytest.raises(BusinessFileError, match="not UTF-8"):
        load_business(tmp_path / "latin.yaml")


def test_plain_values_stay_what_was_written(tmp_path: Path) -> None:
    text = "name: no\nphone: 0555\ngreeting: 12:30\nlexicon: {yes: 1e3, 007: null-ish}\naddress: ~\n"
    business = load_business(write(tmp_path, text))
    assert (business.name, business.phone, business.greeting) == ("no", "0555", "12:30")
    assert business.lexicon == {"yes": "1e3", "007": "null-ish"}
    assert business.address == ""


def test_schemas_get_their_types(tmp_path: Path) -> None:
    text = """\
name: x
tools:
  - name: t
    description: d
    side_effects: yes
    endpoint: http://127.0.0.1:1/x
    time_limit_ms: 700
    fillers: One moment.
    parameters:
      properties: {n: {type: integer, minimum: 1, enum: [1, 2, "3", true, null]}}
      required: [n]
"""
    tool = load_business(write(tmp_path, text)).tools[0]
    assert tool.parameters["properties"]["n"] == {"type": "integer", "minimum": 1, "enum": [1, 2, "3", True, None]}
    assert tool.parameters["type"] == "object"
    assert (tool.side_effects, tool.time_limit_ms, tool.fillers) == (True, 700, ("One moment.",))
    assert tool.spec().name == "t"


def test_clips_hold_the_owners_words(tmp_path: Path) -> None:
    text = """\
name: x
greeting: Hello there.
disclosure: This call is recorded.
sentences: {apology: So sorry., filler.t: Checking.}
tools:
  - {name: t, description: d, side_effects: no, endpoint: "https://a.example/t", fillers: [One., Two.]}
"""
    clips = load_business(write(tmp_path, text)).clips()
    assert clips["greeting"] == "Hello there. This call is recorded."
    assert clips["apology"] == "So sorry."
    assert (clips["filler.t"], clips["filler.t.2"]) == ("Checking.", "Two.")


KEYS = st.sampled_from(
    [
        "name",
        "greeting",
        "hours",
        "tools",
        "knowledge",
        "transfers",
        "emergency",
        "limits",
        "prices",
        "monday",
        "x",
        "holidays",
    ]
)
VALUES = st.recursive(
    st.one_of(
        st.text(max_size=12), KEYS, st.sampled_from(["9:00-17:00", "closed", "yes", "5", "{", "- a", "*a", "&b"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def as_yaml(value: object, indent: int = 0) -> str:
    """A sloppy writer: what comes out may or may not be YAML."""
    pad = "  " * indent
    if isinstance(value, dict):
        return "".join(f"\n{pad}{key}: {as_yaml(item, indent + 1)}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"\n{pad}- {as_yaml(item, indent + 1)}" for item in value)
    return str(value)


@given(st.one_of(VALUES.map(as_yaml), st.text(max_size=200)))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_business_or_a_list_of_problems(tmp_path: Path, text: str) -> None:
    path = tmp_path / "business.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(load_business(path), Business)
    except BusinessFileError as error:
        lines = error.lines()
        if not lines or any("\n" in line for line in lines):
            raise AssertionError(lines) from error


def test_hours_say_when_it_is_open(tmp_path: Path) -> None:
    text = """\
name: x
hours:
  weekdays: [8:00-12:00, 13:00-17:00]
  friday: 9am to noon
  saturday: 22:00-2:00
  every day: 24 hours
  holidays:
    - {date: 2026-12-24, to: 2026-12-26, name: Christmas}
    - {date: 2026-12-31, hours: 8:00-10:00}
"""
    hours = load_business(write(tmp_path, text)).hours
    monday = at(2026, 11, 23)
    assert hours.is_open(monday.replace(hour=8))
    assert not hours.is_open(monday.replace(hour=12))
    assert hours.is_open(monday.replace(hour=16, minute=59))
    assert not hours.is_open(monday.replace(hour=17))
    assert hours.is_open(at(2026, 11, 28, 23))
    assert hours.is_open(at(2026, 11, 29, 1, 59))  # Saturday's span past midnight
    assert hours.is_open(at(2026, 11, 29, 12))  # Sunday: every day
    assert not hours.is_open(at(2026, 12, 25, 9))
    assert hours.day_name(dt.date(2026, 12, 25)) == "Christmas"
    assert hours.is_open(at(2026, 12, 31, 9))
    assert not hours.is_open(at(2026, 12, 31, 10))
    assert hours.weekly_lines()[0] == "Monday to Thursday: 8:00 am to noon and 1:00 pm to 5:00 pm"
    assert hours.weekly_lines()[-1] == "Sunday: open 24 hours"
