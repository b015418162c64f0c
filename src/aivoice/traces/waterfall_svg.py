"""waterfall.svg: one row a turn, its stages as coloured stretches of time, both latency figures as numbers.

Self-contained (no script, no font, no link), follows the reader's light or dark scheme, and is described for those
who cannot see it: title and desc, a <title> on every stretch.
"""

from __future__ import annotations

from math import ceil
from xml.sax.saxutils import escape as escape_markup

from aivoice.traces.model import Trace, Turn, WaterfallEntry

# Families of one hue: hearing (blue), deciding (violet), thinking (amber), speaking (green).
STAGE_LABELS = {
    "vad": "voice activity",
    "transcript": "transcript",
    "endpointing": "end of turn",
    "context": "context",
    "first_token": "first token",
    "clause": "clause",
    "tts": "speech",
    "playout": "playout",
}
_COLOURS = {
    "vad": ("#1d6fd1", "#6cb0ff"),
    "transcript": ("#5c9be8", "#3b82d6"),
    "endpointing": ("#8a63d2", "#b392f0"),
    "context": ("#b8860b", "#8f6a10"),
    "first_token": ("#e0a526", "#f0b93c"),
    "clause": ("#c26a1b", "#d98236"),
    "tts": ("#2c9a63", "#4cc38a"),
    "playout": ("#7cc79f", "#2a7d55"),
}
_OTHER = ("#8b949e", "#8b949e")

_WIDTH, _LEFT, _RIGHT, _ROW, _BAR, _TOP = 960, 236, 178, 46, 22, 92
_SPAN = _WIDTH - _LEFT - _RIGHT


def render_waterfall(trace: Trace) -> str:
    """The picture as SVG text. A call without a measured turn gives a picture that says so."""
    rows = [(turn, turn.waterfall) for turn in trace.turns if turn.waterfall is not None]
    axis = nice_axis(max((max(fall.total_ms, fall.first_sound_ms) for _, fall in rows), default=1000.0))
    height = _TOP + max(1, len(rows)) * _ROW + 44
    parts = [_head(trace, rows, height), _legend(rows), _grid(axis, height)]
    if not rows:
        parts.append(f'<text class="dim" x="{_LEFT}" y="{_TOP + 28}">No turn was answered in this call.</text>')
    parts += [_row(turn, fall, axis, _TOP + index * _ROW) for index, (turn, fall) in enumerate(rows)]
    return "\n".join([*parts, "</svg>", ""])


def nice_axis(longest_ms: float) -> tuple[float, float]:
    """(end, step) in ms: a round step that gives four to eight intervals and an end that holds `longest_ms`."""
    for step in (50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000):
        if longest_ms <= 8 * step:
            return max(4, ceil(longest_ms / step)) * step, step
    step = ceil(longest_ms / 8 / 10_000) * 10_000
    return ceil(longest_ms / step) * step, step


def escape(text: str) -> str:
    """Text for XML: markup escaped, control characters (which XML has no way to write) left out."""
    return escape_markup("".join(letter for letter in text if letter.isprintable()))


def describe(trace: Trace, rows: list[tuple[Turn, WaterfallEntry]]) -> str:
    """The picture in words."""
    if not rows:
        return "No turn was answered in this call."
    said = [
        f"Turn {turn.turn}: first sound after {fall.first_sound_ms:,.0f} ms, answer after {fall.answer_ms:,.0f} ms ("
        + ", ".join(f"{STAGE_LABELS.get(name, name)} {ms:,.0f} ms" for name, ms in fall.stages if ms >= 0.5)
        + ")."
        for turn, fall in rows
    ]
    return " ".join(said)


def _head(trace: Trace, rows: list[tuple[Turn, WaterfallEntry]], height: int) -> str:
    light = "".join(f".s-{name}{{fill:{pair[0]}}}" for name, pair in _COLOURS.items())
    dark = "".join(f".s-{name}{{fill:{pair[1]}}}" for name, pair in _COLOURS.items())
    p50 = trace.latency
    summary = (
        f"Median of {p50.turns} turns: first sound {p50.first_sound_p50:,.0f} ms, answer {p50.answer_p50:,.0f} ms"
        if p50.first_sound_p50 is not None and p50.answer_p50 is not None
        else "No measured turn"
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" \
height="{height}" role="img" aria-labelledby="wf-title wf-desc">
<title id="wf-title">Where each turn's time went: call {escape(trace.call_id)}</title>
<desc id="wf-desc">{escape(describe(trace, rows))}</desc>
<style>
:root{{color-scheme:light dark}}
svg{{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;background:#ffffff}}
text{{fill:#1b1f24}}.h{{font-size:18px;font-weight:650}}.dim{{fill:#57606a}}.n{{font-weight:650;font-variant-numeric:tabular-nums}}
.in{{fill:#0d1117;font-size:11px;text-anchor:middle;font-variant-numeric:tabular-nums}}
.grid{{stroke:#d8dee4}}.mark{{fill:#1b1f24;stroke:#ffffff;paint-order:stroke}}.track{{fill:#f3f5f7}}.bg{{fill:#ffffff}}.s-other{{fill:{_OTHER[0]}}}{light}
@media (prefers-color-scheme:dark){{svg{{background:#0d1117}}text{{fill:#e6edf3}}.dim{{fill:#9aa4af}}.in{{fill:#0d1117}}
.grid{{stroke:#30363d}}.mark{{fill:#e6edf3;stroke:#0d1117;stroke-width:2}}.track{{fill:#161b22}}.bg{{fill:#0d1117}}{dark}}}
</style>
<rect class="bg" width="{_WIDTH}" height="{height}"/>
<text class="h" x="24" y="34">Where each turn's time went</text>
<text class="dim" x="{_WIDTH - 24}" y="34" text-anchor="end">{escape(summary)}</text>"""


def _legend(rows: list[tuple[Turn, WaterfallEntry]]) -> str:
    used = {name for _, fall in rows for name, ms in fall.stages if ms > 0}
    parts: list[str] = []
    x = 24.0
    for name, label in STAGE_LABELS.items():
        if name not in used:
            continue
        parts.append(f'<rect class="s-{name}" x="{x:.0f}" y="50" width="11" height="11" rx="3"/>')
        parts.append(f'<text class="dim" x="{x + 16:.0f}" y="60" font-size="12">{label}</text>')
        x += 30 + len(label) * 6.4
    if any(fall.first_sound_ms < fall.answer_ms for _, fall in rows):
        parts.append(f'<path class="mark" d="M{x + 5:.0f} 49l6 6.5-6 6.5-6-6.5z"/>')
        parts.append(f'<text class="dim" x="{x + 16:.0f}" y="60" font-size="12">first sound (filler)</text>')
    return "\n".join(parts)


def _grid(axis: tuple[float, float], height: int) -> str:
    end, step = axis
    parts: list[str] = []
    for index in range(round(end / step) + 1):
        x = _LEFT + _SPAN * index * step / end
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{height - 36}"/>')
        parts.append(
            f'<text class="dim" x="{x:.1f}" y="{height - 18}" text-anchor="middle" font-size="12">'
            f"{index * step:,.0f}{' ms' if index == 0 else ''}</text>"
        )
    return "\n".join(parts)


def _row(turn: Turn, fall: WaterfallEntry, axis: tuple[float, float], y: int) -> str:
    scale = _SPAN / axis[0]
    said = " ".join(" ".join(entry.text for entry in turn.caller).split())
    words = said if len(said) <= 30 else said[:29].rstrip() + "…"
    early = ' <tspan class="dim" font-size="11">prepared early</tspan>' if fall.speculative else ""
    middle = y + _BAR / 2 + 5
    parts = [
        f'<text class="n" x="24" y="{y + 8}">Turn {turn.turn}{early}</text>',
        f'<text class="dim" x="24" y="{y + 25}" font-size="12">{escape(words)}</text>',
        f'<rect class="track" x="{_LEFT}" y="{y}" width="{_SPAN}" height="{_BAR}" rx="5"/>',
    ]
    x = float(_LEFT)
    for name, ms in fall.stages:
        width = ms * scale
        if width <= 0:
            continue
        known = name if name in _COLOURS else "other"
        label = STAGE_LABELS.get(name, name)
        parts.append(
            f'<rect class="s-{known}" x="{x:.2f}" y="{y}" width="{max(width - 1, 0.6):.2f}" height="{_BAR}" rx="3">'
            f"<title>{escape(label)}: {ms:,.1f} ms</title></rect>"
        )
        if width >= 7 * len(f"{ms:,.0f}") + 6:
            parts.append(f'<text class="in" x="{x + width / 2:.2f}" y="{middle - 1:.1f}">{ms:,.0f}</text>')
        x += width
    if fall.first_sound_ms < fall.answer_ms:
        at = _LEFT + fall.first_sound_ms * scale
        parts.append(
            f'<path class="mark" d="M{at:.2f} {y + _BAR / 2 - 7}l6 7-6 7-6-7z"><title>first sound (filler): '
            f"{fall.first_sound_ms:,.0f} ms</title></path>"
        )
    right = _WIDTH - 24
    parts.append(
        f'<text class="n" x="{right}" y="{y + 8}" text-anchor="end">{fall.first_sound_ms:,.0f} ms '
        '<tspan class="dim" font-weight="400" font-size="12">first sound</tspan></text>'
    )
    parts.append(
        f'<text class="n" x="{right}" y="{y + 25}" text-anchor="end">{fall.answer_ms:,.0f} ms '
        '<tspan class="dim" font-weight="400" font-size="12">answer</tspan></text>'
    )
    return "\n".join(parts)
