"""Options: each by command line or by an environment variable ``AIVOICE_CHATTERBOX_…`` (the command line wins)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "AIVOICE_CHATTERBOX_"


@dataclass(frozen=True, slots=True)
class Settings:
    """key: asked of every request but /health ("": of none). Seconds throughout."""

    model: str = "turbo"
    host: str = "0.0.0.0"
    port: int = 8004
    voices: Path = Path("voices")
    key: str = ""
    weights: str = ""
    device: str = "cuda"
    streaming: bool = False
    temperature: float = 0.8
    max_wait_s: float = 0.7
    max_speeches: int = 256
    drain_s: float = 30.0
    rtf: float = 0.3
    stretch_s: float = 0.5
    batch: int = 1


def parsed(arguments: Sequence[str] | None = None) -> Settings:
    """Ends the process with a usage line where something is wrong."""
    settings = _parser().parse_args(arguments)
    given = vars(settings)
    path = given.pop("key_file")
    try:
        key = Path(path).read_text().splitlines()[0].strip() if path else os.environ.get(PREFIX + "KEY", "")
    except (OSError, IndexError):
        raise SystemExit(f"aivoice-chatterbox: the key file {path} cannot be read or is empty") from None
    if not 0 < given["port"] < 65_536 and given["port"] != 0:
        raise SystemExit("aivoice-chatterbox: --port is 1 to 65535 (0: any free one)")
    return Settings(**given, key=key)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("aivoice-chatterbox", description=__doc__)
    own = Settings()

    def option(name: str, kind: Callable[[str], Any], default: object, text: str, **more: Any) -> None:
        variable = PREFIX + name.replace("-", "_").upper()
        # argparse converts a string default like an argument, so a wrong variable is told like a wrong option.
        value = os.environ.get(variable, default)
        parser.add_argument(f"--{name}", type=kind, default=value, help=f"{text} ({variable})", **more)

    option("model", str, own.model, "turbo, or stand-in: tones, for tests", choices=("turbo", "stand-in"))
    option("host", str, own.host, "address to listen on")
    option("port", int, own.port, "port to listen on")
    option("voices", Path, own.voices, "folder of the reference clips; a volume")
    option("key-file", str, "", f"file whose first line is the bearer key; or {PREFIX}KEY holds it")
    option("weights", str, own.weights, "folder of Turbo's weights; without it the package fetches them")
    option("device", str, own.device, "cuda, or cpu")
    option("streaming", _yes, own.streaming, "yes: audio inside a clause as it is made; no: whole pieces")
    option("temperature", float, own.temperature, "of sampling")
    option("max-wait-s", float, own.max_wait_s, "a request that would make a caller wait longer is refused")
    option("max-speeches", int, own.max_speeches, "open at once")
    option("drain-s", float, own.drain_s, "after SIGTERM, how long speeches under way may go on")
    option("rtf", float, own.rtf, "stand-in: seconds of work per second of audio")
    option("stretch-s", float, own.stretch_s, "stand-in: audio of one step (0: whole pieces)")
    option("batch", int, own.batch, "stand-in: utterances of one step")
    return parser


def _yes(text: str) -> bool:
    if text.lower() in ("yes", "true", "1", "on"):
        return True
    if text.lower() in ("no", "false", "0", "off"):
        return False
    raise argparse.ArgumentTypeError("yes or no")
