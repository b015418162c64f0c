"""`providers.yaml`: what it may say, and what whoever wrote it wrongly is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivoice.hosting.catalogue import kind_of
from aivoice.hosting.house import examples_folder
from aivoice.hosting.provider_file import EMBEDDED, NO_FILE, KeyAt, ProviderFileError, find_providers, load_providers

GOOD = """\
providers:
  deepgram: {kind: deepgram, model: nova-3, key: {env: DEEPGRAM_API_KEY}}
  claude: {kind: claude, key: {env: ANTHROPIC_API_KEY}}
  second: {kind: openai, model: small, url: "http://127.0.0.1:11434/v1"}
chains:
  stt: [deepgram]
  llm: [claude, second]
hedging: {llm: true}
limits: {llm: 1.2}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "providers.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_embedded_ones_stand_at_the_end_of_each_chain(tmp_path: Path) -> None:
    content = load_providers(written(tmp_path, GOOD))
    assert content.chain("stt") == ("deepgram", "embedded-stt")
    assert content.chain("llm") == ("claude", "second", "receptionist")
    assert content.chain("tts") == ("embedded-tts",)
    assert content.chain("llm", ("second",)) == ("second", "receptionist")


def test_they_can_be_left_out_and_placed(tmp_path: Path) -> None:
    content = load_providers(written(tmp_path, GOOD + "fallback: false\n"))
    assert content.chain("stt") == ("deepgram",)
    assert content.chain("tts") == ("embedded-tts",), "a stage without a chain has what is there"
    placed = load_providers(written(tmp_path, "chains: {tts: [embedded-tts]}"))
    assert placed.chain("tts") == ("embedded-tts",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("providers: {a: {kind: claude, key: sk-ant-0123}}", "1:"),
        ("providers:\n  a: {kind: claude, key: {env: A, file: b}}", "2:26: providers.a.key: say where the key is"),
        ("providers: {a: {}}", "providers.a.kind: Field required"),
        ("chains: {stt: [deepgrm]}", "nothing here is called deepgrm: it is one of"),
        ("chains: {llm: [embedded-tts]}", "nothing here is called embedded-tts"),
        ("chains: {tts: [embedded-tts, embedded-tts]}", "stands here twice"),
        ("chains: {vad: [x]}", "chains.vad"),
        ("providers: {receptionist: {kind: claude}}", "receptionist is the product's own name"),
        ("providers: {Big Name: {kind: claude}}", "should match pattern"),
        ("hedging: {llm: perhaps}", "hedging.llm"),
        ("limits: {llm: 0}", "limits.llm"),
        ("limits: {llm: .nan}", "limits.llm"),
        ("wrong: 1", "wrong: Extra inputs are not permitted"),
        ("providers: [", "not valid YAML"),
        ("- a", "should be a valid dictionary"),
        ("a: &x 1", "anchors"),
    ],
)
def test_what_is_wrong_is_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ProviderFileError) as caught:
        load_providers(path)
    line = str(caught.value)
    assert line.startswith(f"{path}:")
    assert told in line
    assert "\n" not in line
    assert "sk-ant" not in line


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ProviderFileError, match="cannot be read"):
        find_providers(tmp_path, tmp_path / "nowhere.yaml")


def test_without_a_file_everything_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIVOICE_PROVIDERS", raising=False)
    assert find_providers(tmp_path).content is NO_FILE
    assert [NO_FILE.chain(stage) for stage in EMBEDDED] == [(name,) for name in EMBEDDED.values()]


def test_the_file_of_the_data_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIVOICE_PROVIDERS", raising=False)
    path = written(tmp_path, GOOD)
    assert find_providers(tmp_path).path == path


def test_keys_are_read_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("secret-1\nsecond line\n", encoding="utf-8")
    monkeypatch.setenv("A_KEY", " secret-2 ")
    assert KeyAt(file=str(tmp_path / "key")).read() == "secret-1"
    assert KeyAt(env="A_KEY").read() == "secret-2"
    assert KeyAt(env="NOT_SET_AT_ALL").read() == ""
    assert KeyAt(file=str(tmp_path / "nowhere")).read() == ""


def test_the_example_is_one() -> None:
    folder = examples_folder()
    assert folder is not None
    content = load_providers(folder / "providers.yaml")
    assert content.chain("llm") == ("claude", "second", "receptionist")
    for name, entry in content.providers.items():
        kind_of(name, entry)
        assert entry.key is not None
