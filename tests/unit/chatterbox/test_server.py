"""The server over real sockets: both HTTP ways to speak, the voices, what is refused and how, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from tests.unit.chatterbox.serving import RATE, Served, clip, served

from aivoice_chatterbox.cutting import cut
from aivoice_chatterbox.model import RefusedClipError
from aivoice_chatterbox.stand_in import StandInModel

TEXT = "We are open until six this evening."
PROTECTED = (("POST", "/v1/speak"), ("GET", "/v1/voices"), ("GET", "/metrics"), ("GET", "/v1/stream"))
LONG = "We are open on Saturdays until noon, and on other days by appointment only, [laugh] if you ask nicely. " * 12


def test_speech_is_streamed_as_it_is_made(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.3)) as it:
            started = time.monotonic()
            async with it.http.post(f"{it.url}/v1/speak", json={"text": TEXT}) as answer:
                assert answer.headers["x-sample-rate"] == "24000"
                await answer.content.readany()
                first = time.monotonic() - started
                pcm = await answer.read()
            assert len(pcm) % 2 == 0
            assert first < 0.4 * (time.monotonic() - started)

    asyncio.run(scenario())


def test_wav_and_pcm_are_the_same_audio(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it:
            pcm = await it.speak(TEXT)
            data = await it.speak(TEXT, format="wav")
            assert data[44:] == pcm
            assert data[:4] == b"RIFF"
            assert len(pcm) / 2 / RATE == pytest.approx(0.2 + len(TEXT) / 15, abs=0.01)

    asyncio.run(scenario())


def test_long_texts_are_cut_and_tags_reach_the_model(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it:
            it.model.begun.clear()
            await it.speak(LONG)
            assert max(map(len, it.model.begun)) <= 280
            assert " ".join(it.model.begun) == LONG.strip()
            assert sum(piece.count("[laugh]") for piece in it.model.begun) == 12

    asyncio.run(scenario())


def test_the_openai_client_is_served(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, key="secret") as it:
            pcm = await it.speak(TEXT)
            client = openai.AsyncOpenAI(api_key="secret", base_url=f"{it.url}/v1", max_retries=0)
            speech: Any = client.audio.speech
            whole = await speech.create(model="chatterbox-turbo", voice="default", input=TEXT, response_format="pcm")
            assert whole.content == pcm
            async with speech.with_streaming_response.create(
                model="chatterbox-turbo", voice="default", input=TEXT, response_format="wav", speed=1.0
            ) as stream:
                data = b"".join([piece async for piece in stream.iter_bytes()])
            assert data[44:] == pcm
            for wrong, kind, code in (
                ({"voice": "nobody"}, openai.NotFoundError, "voice_not_found"),
                ({"model": "tts-1"}, openai.NotFoundError, "model_not_found"),
                ({"response_format": "mp3"}, openai.BadRequestError, "format_unknown"),
                ({"speed": 2.0}, openai.BadRequestError, "option_unsupported"),
                ({"input": ""}, openai.BadRequestError, "text_empty"),
            ):
                asked = {"model": "chatterbox", "voice": "default", "input": TEXT, "response_format": "pcm", **wrong}
                with pytest.raises(kind) as caught:
                    await speech.create(**asked)
                assert caught.value.code == code
            await client.close()
            stranger = openai.AsyncOpenAI(api_key="wrong", base_url=f"{it.url}/v1", max_retries=0)
            with pytest.raises(openai.AuthenticationError):
                await stranger.audio.speech.create(model="chatterbox", voice="default", input=TEXT)
            await stranger.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "json_invalid"),
        (b"[]", 400, "json_invalid"),
        (b"\xff", 400, "json_invalid"),
        (b"[" * 100_000, 400, "json_invalid"),
        (b"{}", 400, "text_invalid"),
        (b'{"text": 7}', 400, "text_invalid"),
        (b'{"text": ""}', 400, "text_empty"),
        (b'{"text": " \\n "}', 400, "text_empty"),
        (b'{"text": "..."}', 400, "text_empty"),
        (b'{"text": "a\\u0000b"}', 400, "text_invalid"),
        (b'{"text": "\\ud800"}', 400, "text_invalid"),
        (b'{"text": "%s"}' % (b"a" * 5_000), 400, "text_too_long"),
        (b'{"text": "hi", "voice": "nobody"}', 404, "voice_not_found"),
        (b'{"text": "hi", "voice": "../../etc/passwd"}', 404, "voice_not_found"),
        (b'{"text": "hi", "voice": null}', 400, "voice_invalid"),
        (b'{"text": "hi", "format": "mp3"}', 400, "format_unknown"),
        (b'{"text": "hi", "call": 7}', 400, "call_invalid"),
        (b'{"text": "hi", "volume": 7}', 400, "member_unknown"),
    ],
)
def test_bad_requests_are_told_in_one_line(body: bytes, status: int, code: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it:
            assert await it.error("POST", "/v1/speak", data=body) == (status, code)
            assert len(await it.speak(TEXT)) > 0

    asyncio.run(scenario())


def test_the_key_is_asked_of_everything_but_health(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, key="secret") as it, aiohttp.ClientSession() as stranger:
            for method, path in (
                ("POST", "/v1/speak"),
                ("GET", "/v1/voices"),
                ("GET", "/metrics"),
                ("GET", "/v1/stream"),
            ):
                for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}):
                    async with stranger.request(method, it.url + path, headers=headers) as answer:
                        assert answer.status == 401, path
                        assert (await answer.json())["error"]["code"] == "bad_key"
            async with stranger.get(it.url + "/health") as answer:
                assert (await answer.json())["status"] == "ready"
            assert await it.error("GET", "/v1/nothing") == (404, "not_found")
            assert await it.error("PUT", "/v1/speak") == (405, "method_not_allowed")

    asyncio.run(scenario())


def test_voices_come_go_and_outlive_the_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it:
            before = it.server.revision()
            plain = await it.speak(TEXT)
            async with it.http.put(f"{it.url}/v1/voices/front-desk", data=clip(channels=2)) as answer:
                assert answer.status == 201
                made = await answer.json()
            assert made["seconds"] == 8.0
            assert it.server.revision() != before
            assert await it.speak(TEXT, voice="front-desk") != plain
            form = aiohttp.FormData()
            form.add_field("clip", clip(9.0), filename="sam.wav", content_type="audio/wav")
            async with it.http.post(f"{it.url}/v1/voices/front-desk", data=form) as answer:
                assert answer.status == 200
                assert (await answer.json())["revision"] != made["revision"]
        async with served(tmp_path) as it:
            async with it.http.get(f"{it.url}/v1/voices") as answer:
                assert [voice["id"] for voice in (await answer.json())["voices"]] == ["default", "front-desk"]
            async with it.http.delete(f"{it.url}/v1/voices/front-desk") as answer:
                assert answer.status == 204
            assert await it.error("DELETE", "/v1/voices/front-desk") == (404, "voice_not_found")
            assert await it.error("POST", "/v1/speak", json={"text": TEXT, "voice": "front-desk"}) == (
                404,
                "voice_not_found",
            )
        assert os.listdir(tmp_path) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("default", clip(), 409, "voice_fixed"),
        ("..%2Fup", clip(), 400, "voice_id_invalid"),
        ("UPPER", clip(), 400, "voice_id_invalid"),
        ("a" * 65, clip(), 400, "voice_id_invalid"),
        ("short", clip(3.0), 400, "clip_length"),
        ("text", b"hello", 400, "clip_not_wav"),
        ("big", BytesIO(bytes(13 * 2**20)), 413, "request_entity_too_large"),
        ("odd", clip(7.0), 400, "clip_refused"),
    ],
)
def test_bad_clips_leave_nothing_behind(name: str, data: Any, status: int, code: str, tmp_path: Path) -> None:
    class Picky(StandInModel):
        def prepare(self, clip: Path | None) -> Any:
            if clip is not None:
                raise RefusedClipError("nobody speaks in it")
            return super().prepare(clip)

    async def scenario() -> None:
        async with served(tmp_path, Picky(rtf=0.01)) as it:
            assert await it.error("PUT", f"/v1/voices/{name}", data=data) == (status, code)
        assert os.listdir(tmp_path) == []

    asyncio.run(scenario())


def test_a_clip_that_the_model_refuses_at_the_start_is_left_out(tmp_path: Path) -> None:
    class Picky(StandInModel):
        def prepare(self, clip: Path | None) -> Any:
            if clip is not None and clip.stem == "bad":
                raise RefusedClipError("nobody speaks in it")
            return super().prepare(clip)

    async def scenario() -> None:
        (tmp_path / "bad.wav").write_bytes(clip())
        (tmp_path / "good.wav").write_bytes(clip())
        (tmp_path / "notes.wav").write_text("no audio")
        async with served(tmp_path, Picky(rtf=0.01)) as it:
            async with it.http.get(f"{it.url}/v1/voices") as answer:
                assert [voice["id"] for voice in (await answer.json())["voices"]] == ["default", "good"]

    asyncio.run(scenario())


def test_ready_only_after_every_voice_has_spoken(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "good.wav").write_bytes(clip())
        model = StandInModel(rtf=0.05)
        async with served(tmp_path, model) as it:
            assert len(model.begun) == 2
            async with it.http.get(f"{it.url}/health") as answer:
                assert answer.status == 200
                assert (await answer.json())["voices"] == 2

    asyncio.run(scenario())


def test_a_step_that_fails_fails_its_speech_alone_and_three_end_the_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.01, fail_on="Boom.")) as it:
            for _ in range(2):
                assert await it.error("POST", "/v1/speak", json={"text": "Boom."}) == (500, "model_failed")
            assert await it.speak(TEXT)
            for _ in range(3):
                assert await it.error("POST", "/v1/speak", json={"text": "Boom."}) in (
                    (500, "model_failed"),
                    (503, "model_failed"),
                )
            async with it.http.get(f"{it.url}/health") as answer:
                assert (answer.status, (await answer.json())["status"]) == (503, "failed")
            assert await it.error("POST", "/v1/speak", json={"text": TEXT}) == (503, "not_ready_failed")
            assert await it.server.run() is False
            assert (await it.metrics())["failed_steps_total"] == 5

    asyncio.run(scenario())


def test_a_model_that_fails_midway_cuts_the_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        text = LONG.strip()
        async with served(tmp_path, StandInModel(rtf=0.05, fail_on=cut(text)[1].text)) as it:
            with pytest.raises(aiohttp.ClientPayloadError):
                await it.speak(text)

    asyncio.run(scenario())


async def _until_idle(it: Served) -> float:
    started = time.monotonic()
    while it.server.gpu.open:
        assert time.monotonic() - started < 1, "its places are still taken"
        await asyncio.sleep(0.005)
    return time.monotonic() - started


def test_hanging_up_frees_the_gpu(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.3)) as it:
            async with it.http.post(f"{it.url}/v1/speak", json={"text": LONG}) as answer:
                await answer.content.readany()
                answer.close()
            assert await _until_idle(it) < 0.3
            worked = it.model.worked_s
            await asyncio.sleep(0.3)
            assert it.model.worked_s - worked < 0.2, "at most the step under way"
            told = await it.metrics()
            assert (told["open_speeches"], told["queued_pieces"], told["cancelled_total"]) == (0, 0, 1)

    asyncio.run(scenario())


def test_when_full_a_request_is_refused_with_a_time_to_come_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.9)) as it:
            async with it.http.post(f"{it.url}/v1/speak", json={"text": LONG}) as answer:
                started = time.monotonic()
                async with it.http.post(f"{it.url}/v1/speak", json={"text": LONG}) as other:
                    assert other.status == 503
                    assert int(other.headers["retry-after"]) >= 1
                    assert (await other.json())["error"]["code"] == "at_capacity"
                assert time.monotonic() - started < 0.2
                answer.close()
            assert (await it.metrics())['rejected_total{reason="too_late"}'] == 1
        async with served(tmp_path, StandInModel(rtf=0.1), max_speeches=1, max_wait_s=99.0) as it:
            async with it.http.post(f"{it.url}/v1/speak", json={"text": LONG}) as answer:
                assert await it.error("POST", "/v1/speak", json={"text": TEXT}) == (503, "at_capacity")
                answer.close()

    asyncio.run(scenario())


def test_metrics_add_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.1)) as it:
            made = sum([len(await it.speak(TEXT)) for _ in range(3)]) / 2 / RATE
            told = await it.metrics()
            assert told["first_audio_seconds_count"] == 3
            assert told["first_audio_seconds_sum"] < 0.6
            assert told["audio_seconds_total"] == pytest.approx(made, abs=0.01)
            assert told["busy_seconds_total"] / made == pytest.approx(0.1, rel=0.6)
            assert told["open_speeches"] == told["queued_pieces"] == 0

    asyncio.run(scenario())


def test_draining_lets_speech_end_and_refuses_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, StandInModel(rtf=0.1)) as it:
            async with it.http.post(f"{it.url}/v1/speak", json={"text": TEXT * 3}) as answer:
                await answer.content.readany()
                it.server.drain()
                assert await it.error("POST", "/v1/speak", json={"text": TEXT}) == (503, "not_ready_draining")
                assert len(await answer.read()) > RATE
            assert await asyncio.wait_for(it.server.run(), 2)

    asyncio.run(scenario())


def test_the_command_serves_drains_at_sigterm_and_ends_well(tmp_path: Path) -> None:
    async def scenario() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "aivoice_chatterbox", "--model", "stand-in", "--host", "127.0.0.1", "--port", "0",
            "--voices", str(tmp_path), "--rtf", "0.1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "AIVOICE_CHATTERBOX_KEY": "secret"},
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 30)
            url = f"http://127.0.0.1:{int(line.split()[-1])}"
            async with aiohttp.ClientSession(headers={"authorization": "Bearer secret"}) as http:
                for _ in range(100):
                    async with http.get(f"{url}/health") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.05)
                async with http.post(f"{url}/v1/speak", json={"text": TEXT * 2, "format": "wav"}) as answer:
                    await answer.content.readany()
                    process.send_signal(signal.SIGTERM)
                    assert len(await answer.read()) > RATE, "what was begun is ended"
            assert await asyncio.wait_for(process.wait(), 5) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            process._transport.close()  # type: ignore[attr-defined]

    asyncio.run(scenario())


def test_a_wav_reader_takes_what_it_gets(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as it:
            data = await it.speak(TEXT, format="wav")
        fixed = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:40] + (len(data) - 44).to_bytes(4, "little")
        with wave.open(BytesIO(fixed + data[44:])) as reader:
            assert reader.getframerate() == RATE

    asyncio.run(scenario())
