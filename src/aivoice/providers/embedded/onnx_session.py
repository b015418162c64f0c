"""ONNX Runtime sessions as we use them: one thread, no spinning, quiet."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

onnxruntime: Any = importlib.import_module("onnxruntime")  # ships no types


def open_session(model: Path | bytes) -> Any:
    """A session on the CPU. Safe to `run` on several threads at once. Its types are not shipped, hence Any."""
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    session: Any = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return session


def with_output(model: bytes, name: str) -> bytes:
    """The model with one more output, an inner tensor it computes anyway.

    Protocol Buffers merge messages that are appended to each other, so a second, tiny ModelProto { graph { output {
    name } } } (fields 7, 12 and 1) adds the output without a library to edit ONNX files.
    """
    return model + _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
