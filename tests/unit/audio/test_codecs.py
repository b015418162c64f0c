"""G.711 against the recommendation's tables and FFmpeg, resampling, stretching, concealment, Opus."""

from __future__ import annotations

from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.audio import g711
from aivoice.audio.conceal import PitchConcealer
from aivoice.audio.opus import OpusDecoder, OpusEncoder, available, version
from aivoice.audio.resample import Resampler, resample
from aivoice.audio.stretch import MAX_LAG, lengthen, shorten
from aivoice.errors import InputError, ProviderError

ALL = np.arange(-32_768, 32_768).astype("<i2")


def _values(segments: list[tuple[int, int]], start: int = 0) -> list[int]:
    """Decision values from (number of intervals, width) of each segment, as tables 1 and 2 of G.711 list them."""
    values = [start]
    for count, width in segments:
        values += [values[-1] + width * (i + 1) for i in range(count)]
    return values


MU_DECISIONS = _values([(1, 1), (15, 2), *((16, 4 << s) for s in range(7))])
A_DECISIONS = _values([(32, 2), *((16, 4 << s) for s in range(6))])


def test_the_decision_values_are_the_tables() -> None:
    assert MU_DECISIONS[:3] == [0, 1, 3]
    assert MU_DECISIONS[-1] == 8_159
    assert {31, 95, 223, 479, 991, 2_015, 4_063} <= set(MU_DECISIONS)
    assert A_DECISIONS[-1] == 4_096
    assert {64, 128, 256, 512, 1_024, 2_048} <= set(A_DECISIONS)


def test_mu_law_encodes_and_decodes_as_table_2() -> None:
    codes = np.frombuffer(g711.ulaw_encode(ALL.tobytes()), dtype=np.uint8)
    for sample, code in zip(ALL[::7].tolist(), codes[::7].tolist(), strict=True):
        value = sample >> 2
        magnitude = min(abs(value), 8_158)
        number = int(np.searchsorted(MU_DECISIONS, magnitude, side="right")) - 1
        assert code == (0x7F if value < 0 else 0xFF) - number
    levels = [0] + [(a + b) // 2 for a, b in pairwise(MU_DECISIONS[1:])]
    decoded = np.frombuffer(g711.ulaw_decode(bytes(range(256))), dtype="<i2")
    assert [int(decoded[0xFF - n]) for n in range(128)] == [4 * level for level in levels]
    assert [int(decoded[0x7F - n]) for n in range(128)] == [-4 * level for level in levels]


def test_a_law_encodes_and_decodes_as_table_1() -> None:
    codes = np.frombuffer(g711.alaw_encode(ALL.tobytes()), dtype=np.uint8)
    for sample, code in zip(ALL[::7].tolist(), codes[::7].tolist(), strict=True):
        value = sample >> 3
        magnitude = value if value >= 0 else -value - 1
        number = int(np.searchsorted(A_DECISIONS, magnitude, side="right")) - 1
        assert code ^ 0x55 == number + (0 if value < 0 else 0x80)
    levels = [(a + b) // 2 for a, b in pairwise(A_DECISIONS)]
    decoded = np.frombuffer(g711.alaw_decode(bytes(n ^ 0x55 for n in range(256))), dtype="<i2")
    assert [int(v) for v in decoded[128:]] == [8 * level for level in levels]
    assert [int(v) for v in decoded[:128]] == [-8 * level for level in levels]


@pytest.mark.parametrize(("name", "decode"), [("pcm_mulaw", g711.ulaw_decode), ("pcm_alaw", g711.alaw_decode)])
def test_decoding_agrees_with_ffmpeg(name: str, decode: object) -> None:
    context = av.CodecContext.create(name, "r")
    context.sample_rate = 8_000  # type: ignore[attr-defined]
    context.layout = "mono"  # type: ignore[attr-defined]
    frames = context.decode(av.Packet(bytes(range(256))))  # type: ignore[attr-defined]
    expected = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    assert np.frombuffer(decode(bytes(range(256))), dtype="<i2").tolist() == expected.tolist()  # type: ignore[operator]


@given(st.binary(max_size=200))
def test_codes_survive_a_round_trip(codes: bytes) -> None:
    # Mu-law has two zeros; the negative one decodes to 0 and so comes back as the positive one.
    assert g711.ulaw_encode(g711.ulaw_decode(codes)) == codes.replace(b"\x7f", b"\xff")
    assert g711.alaw_encode(g711.alaw_decode(codes)) == codes


def test_odd_pcm_is_refused() -> None:
    with pytest.raises(InputError, match="odd number"):
        g711.ulaw_encode(b"abc")


def tone(hz: float, rate: int, seconds: float) -> np.ndarray:
    return (10_000 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype("<i2")


RATES = [
    (8_000, 16_000),
    (24_000, 16_000),
    (48_000, 16_000),
    (16_000, 8_000),
    (44_100, 16_000),
    (16_000, 24_000),
]


@pytest.mark.parametrize(("source", "target"), RATES)
def test_streamed_resampling_is_seamless(source: int, target: int) -> None:
    converter = Resampler(source, target)
    pcm = tone(440, source, 2.0).tobytes()
    step = source // 50 * 2
    out = b"".join(converter.push(pcm[at : at + step]) for at in range(0, len(pcm), step))
    assert 0 < converter.delay_ms < 3.1
    assert len(out) / 2 / target > 2.0 - 0.0032
    out += converter.push(b"", last=True)
    assert abs(len(out) // 2 - 2 * target) <= 1
    got = np.frombuffer(out, dtype="<i2").astype(float)[target // 10 : -target // 10]
    expected = tone(440, target, 2.0).astype(float)[target // 10 : -target // 10]
    noise = np.mean((got[: len(expected)] - expected[: len(got)]) ** 2)
    assert 10 * np.log10(np.mean(expected**2) / noise) > 40


def test_equal_rates_pass_through_and_clear_forgets() -> None:
    same = Resampler(16_000, 16_000)
    assert same.push(b"\1\0") == b"\1\0"
    assert same.delay_ms == 0
    converter = Resampler(48_000, 16_000)
    converter.push(tone(440, 48_000, 0.5).tobytes())
    converter.clear()
    assert not any(converter.push(bytes(9_600)) + converter.push(b"", last=True))
    assert len(resample(np.zeros(4_800, np.float32), 48_000, 16_000)) == 1_600


def _pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16))
    return float(np.argmax(spectrum) * 16_000 / (1 << 16))


def test_stretching_keeps_pitch_and_level_and_leaves_no_click() -> None:
    voice = tone(200, 16_000, 0.02)
    pieces = {"short": [], "long": []}
    for at in range(200):
        frame = (8_000 * np.sin(2 * np.pi * 200 * (np.arange(320) + 320 * at) / 16_000)).astype(np.int16)
        pieces["short"].append(shorten(frame) if at % 3 == 0 else frame)
        pieces["long"].append(lengthen(frame) if at % 3 == 0 else frame)
    for name, factor in (("short", -1), ("long", 1)):
        joined = np.concatenate(pieces[name]).astype(float)
        assert factor * (len(joined) - 200 * 320) > 60 * 40
        assert _pitch(joined) == pytest.approx(200, abs=3)
        # The steepest step of a 200 Hz tone at 8 000 is 628; a click would be thousands.
        assert np.abs(np.diff(joined)).max() < 1_300
    assert len(voice) == 320


def test_noise_is_not_spliced_but_quiet_is() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 5_000, 320).astype(np.int16)
    assert len(shorten(noise)) in range(320 - MAX_LAG, 321)
    quiet = rng.normal(0, 5, 320).astype(np.int16)
    assert 320 - MAX_LAG <= len(shorten(quiet)) < 320
    assert len(shorten(np.zeros(30, np.int16))) == 30


def test_concealment_continues_the_voice_and_fades() -> None:
    concealer = PitchConcealer()
    voice = tone(160, 16_000, 0.5)
    concealer.good(voice[:7_680])
    made = np.concatenate([concealer.lost(320) for _ in range(5)]).astype(float)
    assert _pitch(made[:640]) == pytest.approx(160, abs=12)
    first, last = np.sqrt(np.mean(made[:160] ** 2)), np.sqrt(np.mean(made[-320:] ** 2))
    assert first == pytest.approx(7_071, rel=0.15)
    assert last == 0
    back = concealer.good(voice[:320])
    assert abs(int(back[0])) < 200
    assert back[100:].tolist() == voice[100:320].tolist()


def test_opus_round_trip_and_error_correction() -> None:
    assert available()
    assert version().startswith("libopus")
    encoder, decoder = OpusEncoder(), OpusDecoder()
    voice = tone(300, 16_000, 1.0).tobytes()
    packets = [encoder.encode(voice[at : at + 640]) for at in range(0, len(voice), 640)]
    assert all(decoder.samples(packet) == 320 for packet in packets)
    out = b"".join(decoder.decode(packet) for packet in packets)
    assert len(out) == len(voice)
    assert _pitch(np.frombuffer(out, dtype="<i2")[3_200:].astype(float)) == pytest.approx(300, abs=3)
    rng = np.random.default_rng(5)
    speech = (np.frombuffer(voice, "<i2") * np.repeat(rng.random(50), 320)).astype("<i2").tobytes()
    packets = [encoder.encode(speech[at : at + 640]) for at in range(0, len(speech), 640)]
    restored = [decoder.recover(packet, 320) for packet in packets]
    assert sum(len(pcm) == 640 for pcm in restored) > 15
    assert {len(pcm) for pcm in restored} <= {0, 640}
    assert len(decoder.conceal(320)) == 640
    assert decoder.decode(b"") == b""
    assert decoder.samples(b"\xff" * 3) in (0, 320, 640, 960, 1_920)
    with pytest.raises(ProviderError, match="640 bytes"):
        encoder.encode(b"\0" * 100)


def test_opus_without_error_correction_restores_nothing() -> None:
    encoder, decoder = OpusEncoder(expected_loss=0), OpusDecoder()
    packets = [encoder.encode(tone(300, 16_000, 0.02).tobytes()) for _ in range(10)]
    assert decoder.recover(packets[5], 320) == b""
