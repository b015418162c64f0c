"""Loudness against FFmpeg's meter; echo cancellation on a simulated speakerphone."""

from __future__ import annotations

import av
import av.filter
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.audio.echo import HOLD_MS, EchoCanceller
from aivoice.audio.loudness import CEILING, SILENT_LUFS, TARGET_LUFS, amplify, gain_db, loudness, normalise
from aivoice.testing.webrtc_probe import babble


def ffmpeg_loudness(pcm: bytes, rate: int) -> float:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="s16", layout="mono", time_base=f"1/{rate}")  # type: ignore[arg-type]
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    graph.push(frame)
    graph.push(None)
    value = SILENT_LUFS
    while True:
        try:
            out = graph.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return value
        value = float(out.metadata.get("lavfi.r128.I", value))


def noisy(seconds: float, level: float, seed: int, rate: int = 16_000) -> bytes:
    rng = np.random.default_rng(seed)
    shape = np.repeat(0.2 + 0.8 * rng.random(int(seconds * 5) + 1) ** 2, rate // 5)[: int(seconds * rate)]
    return np.clip(rng.normal(0, level, len(shape)) * shape, -32_768, 32_767).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [48_000, 16_000])
@pytest.mark.parametrize(("level", "seed"), [(8_000, 1), (600, 2), (60, 3)])
def test_loudness_agrees_with_ffmpeg(rate: int, level: float, seed: int) -> None:
    pcm = noisy(6.0, level, seed, rate)
    # FFmpeg resamples to 48 kHz inside, which costs a little of the top octave at 16 kHz.
    assert loudness(pcm, rate=rate) == pytest.approx(ffmpeg_loudness(pcm, rate), abs=0.3)


def test_the_reference_tone_reads_as_specified() -> None:
    # BS.1770: a 997 Hz sine at 0 dBFS in one channel reads −3.01 LKFS.
    tone = np.sin(2 * np.pi * 997 * np.arange(48_000 * 3) / 48_000)
    assert loudness((tone * 32_767).astype("<i2").tobytes(), rate=48_000) == pytest.approx(-3.01, abs=0.05)


def test_pauses_do_not_count() -> None:
    speech = noisy(4.0, 3_000, 5)
    assert loudness(speech + bytes(64_000) + speech) == pytest.approx(loudness(speech), abs=0.5)


@given(st.integers(0, 50), st.floats(700, 12_000), st.floats(0.6, 4.0))
@settings(max_examples=40, deadline=None)
def test_voices_of_any_level_end_within_one_unit(seed: int, level: float, seconds: float) -> None:
    made = normalise(noisy(seconds, level, seed))
    assert loudness(made) == pytest.approx(TARGET_LUFS, abs=1.0)
    assert np.abs(np.frombuffer(made, "<i2").astype(int)).max() <= CEILING * 32_768 + 1


def test_silence_and_nothing_are_left_alone() -> None:
    assert loudness(b"") == loudness(bytes(3_200)) == SILENT_LUFS
    assert gain_db(bytes(32_000)) == 0
    assert normalise(bytes(32_000)) == bytes(32_000)
    assert normalise(b"") == b""


def test_pieces_of_a_stream_join_seamlessly_and_quiet_passages_are_only_scaled() -> None:
    pcm = noisy(1.0, 9_000, 8)
    whole = amplify(pcm, 9.0)
    assert b"".join(amplify(pcm[at : at + 640], 9.0) for at in range(0, len(pcm), 640)) == whole
    quiet = noisy(1.0, 500, 9)
    ratio = np.frombuffer(amplify(quiet, 6.0), "<i2") - np.frombuffer(quiet, "<i2") * 10**0.3
    assert np.abs(ratio).max() < 1.5


# ---------------------------------------------------------------- echo


def level(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(samples.astype(float) ** 2) + 1e-9))


def speakerphone(agent: np.ndarray, delay_ms: int, gain: float, seed: int) -> np.ndarray:
    """The agent's voice as a phone on a table sends it back: a room's tail, delayed and attenuated."""
    rng = np.random.default_rng(seed)
    room = rng.normal(0, 1, 1_600) * np.exp(-np.arange(1_600) / 300.0)
    room[0] = 3.0
    room *= 10 ** (gain / 20) / np.sqrt(np.sum(room**2))
    echo = np.convolve(agent, room)[: len(agent)]
    return np.concatenate((np.zeros(delay_ms * 16), echo))[: len(agent)]


def cancel(agent: np.ndarray, microphone: np.ndarray) -> tuple[np.ndarray, EchoCanceller]:
    canceller = EchoCanceller()
    near = np.clip(microphone, -32_768, 32_767).astype("<i2").tobytes()
    far = agent.astype("<i2").tobytes()
    out = []
    for at in range(0, len(far) - 639, 640):
        canceller.played(far[at : at + 640])
        out.append(canceller.process(near[at : at + 640]))
    return np.frombuffer(b"".join(out), "<i2"), canceller


@pytest.mark.parametrize("delay_ms", [40, 120, 300])
@pytest.mark.parametrize("gain", [-12, -20, -30])
def test_the_echo_sinks_to_the_noise_and_the_caller_does_not(delay_ms: int, gain: int) -> None:
    agent = np.frombuffer(babble(7.0, 1), "<i2").astype(float)
    caller = np.frombuffer(babble(7.0, 77), "<i2").astype(float)
    caller[: 16_000 * 5] = 0
    noise = np.random.default_rng(3).normal(0, 8, len(agent))
    echo = speakerphone(agent, delay_ms, gain, 2)
    out, _ = cancel(agent, echo + caller + noise)
    alone = slice(16_000 * 2, 16_000 * 5)
    reduced = level((echo + noise)[alone]) - level(out[alone])
    # 18 to 21 dB were measured from the third second on, 34 dB later; down to the microphone's own noise at −30 dB.
    assert reduced >= min(16.0, level(echo[alone]) - level(noise[alone]) - 3)
    first = slice(16_000 // 2, 16_000)
    assert level((echo + noise)[first]) - level(out[first]) >= 5  # still learning: 7 to 25 dB were measured
    together = slice(16_000 * 5 + 4_000, len(out))
    assert level(caller[together]) - level(out[together]) < 9


def test_it_rests_while_the_agent_is_silent_and_wakes_converged() -> None:
    voice = np.frombuffer(babble(4.0, 4), "<i2").astype(float)
    agent = np.concatenate((voice, np.zeros(16_000 * 4), voice))
    echo = speakerphone(agent, 120, -12, 5)
    noise = np.random.default_rng(3).normal(0, 8, len(agent))
    out, canceller = cancel(agent, echo + noise)
    pause = slice(16_000 * 4 + (HOLD_MS + 200) * 16, 16_000 * 8)
    assert (out[pause] == np.clip(echo + noise, -32_768, 32_767).astype("<i2")[pause]).all()
    assert canceller.active_frames < 2 * 200 + 2 * HOLD_MS // 20 + 5
    again = slice(16_000 * 8 + 8_000, len(out))
    assert level((echo + noise)[again]) - level(out[again]) > 20


@pytest.mark.parametrize("noise_level", [8, 120])
def test_on_a_line_without_echo_an_interrupting_caller_is_not_touched(noise_level: int) -> None:
    agent = np.frombuffer(babble(10.0, 1), "<i2").astype(float)
    agent[16_000 * 3 : 16_000 * 5] = 0  # a first sentence, a pause, a second one
    caller = np.frombuffer(babble(10.0, 77), "<i2").astype(float)
    caller[: 16_000 * 7] = 0
    caller[16_000 * 8 :] = 0
    microphone = caller + np.random.default_rng(4).normal(0, noise_level, len(agent))
    out, canceller = cancel(agent, microphone)
    expected = np.clip(microphone, -32_768, 32_767).astype("<i2")
    assert canceller.watch.echo is False
    interruption = slice(16_000 * 6, 16_000 * 9)
    assert (out[interruption] == expected[interruption]).all()


def test_nothing_played_means_nothing_touched() -> None:
    canceller = EchoCanceller()
    frame = babble(0.02, 1)
    for _ in range(50):
        canceller.played(bytes(640))
        assert canceller.process(frame) == frame
    assert not canceller.active
    assert canceller.active_frames == 0
