"""Our engine, AgentSession and pipecat side by side in one run: `python -m benchmarks.peers [--quick] [--rows a,b]`.

Writes the figures as JSON and as Markdown (into docs/benchmarks.md with ``--docs``) and prints the table. Full: at
least 500 turns for every variant of a row; quick: a sample that shows the same in a few minutes.

Each variant runs in a process of its own. Variants of one row run at the same time, so that its figures were taken on
the same machine in the same minutes.
What is measured is written down after every row: a run that is stopped loses only what was not measured yet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import figures, goals, report, rows
from benchmarks.caller import Plan
from benchmarks.host import Job
from benchmarks.rows import Row, Variant

ROOT = Path(__file__).resolve().parent.parent
PEERS_PYTHON = ROOT / ".cache" / "bench-venv" / "bin" / "python"
MODULES = {
    "ours": "benchmarks.ours",
    "agentsession": "benchmarks.peer_agentsession",
    "pipecat": "benchmarks.peer_pipecat",
}
JOB_LIMIT_S = 1_200

Result = dict[str, Any]


class PeersError(Exception):
    """The benchmark cannot run or a process of it failed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Scale:
    """calls a variant, measured turns a call, calls a fault, seconds of a load row, loads."""

    name: str
    calls: int
    turns: int
    fault_calls: int
    load_s: float
    loads: tuple[int, ...]


FULL = Scale("full", calls=12, turns=42, fault_calls=10, load_s=40.0, loads=rows.LOADS)
QUICK = Scale("quick", calls=6, turns=4, fault_calls=2, load_s=10.0, loads=(10,))
"""A dozen calls a variant, all variants of a row at once, take about half of two cores. With three times as many the
peers' frames came 0.1 to 0.6 s late: that measures the machine."""
LIGHT_LOAD = 1
"""Calls of a load row up to which its engines run at the same time: with ten, the peers' frames came later for it."""


async def run_job(job: Job) -> dict[str, Any]:
    """Run one process; raises PeersError with the end of its stderr if it fails."""
    python = sys.executable if job.engine == "ours" else str(PEERS_PYTHON)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join((str(ROOT), str(ROOT / "src"))), PYTHONWARNINGS="ignore")
    process = await asyncio.create_subprocess_exec(
        python, "-m", MODULES[job.engine],
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=ROOT, env=environment,
    )  # fmt: skip
    try:
        async with asyncio.timeout(JOB_LIMIT_S):
            out, err = await process.communicate(json.dumps(asdict(job)).encode() + b"\n")
    except TimeoutError:
        raise PeersError(f"{job.engine}: no result after {JOB_LIMIT_S} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    for line in reversed(out.decode(errors="replace").splitlines()):
        if line.startswith('{"calls"'):
            answer: dict[str, Any] = json.loads(line)
            if answer["errors"]:
                raise PeersError(f"{job.engine}: {answer['errors'][0]}")
            return answer
    raise PeersError(f"{job.engine}: the process failed\n{err.decode(errors='replace')[-2000:]}")


def _plan(row: Row, scale: Scale) -> Plan:
    turns = row.plan.turns if row.kind in ("fault", "load") else scale.turns + 1
    if row.kind == "carry_on":
        turns = scale.turns // 2 * 2 + 2  # every second one is the cough
    return replace(row.plan, turns=turns, seed=1, warmup=1)


async def run_variant(row: Row, variant: Variant, scale: Scale) -> figures.Figures:
    """One variant in a process of its own, and its figures."""
    calls = scale.fault_calls if row.kind == "fault" else scale.calls
    answer = await run_job(Job(variant.engine, variant.settings, _plan(row, scale), calls))
    compute = {
        "fault": figures.fault_figures,
        "turns": figures.turn_figures,
        "pauses": figures.turn_figures,
        "interrupt": figures.interrupt_figures,
        "carry_on": figures.carry_on_figures,
    }[row.kind]
    return compute([answer])


async def run_load(row: Row, scale: Scale) -> dict[str, figures.Figures]:
    """One engine after the other, alone on the machine, or all at once with one call; then their null runs at once."""
    jobs = [
        Job(variant.engine, variant.settings, _plan(row, scale), row.calls, load_s=scale.load_s)
        for variant in row.variants
    ]
    if row.calls <= LIGHT_LOAD:
        answers = await asyncio.gather(*(run_job(job) for job in jobs))
    else:
        answers = [await run_job(job) for job in jobs]
    nulls = await asyncio.gather(*(run_job(replace(job, null=True)) for job in jobs))
    return {
        variant.label: figures.load_figures(answer, null, row.calls)
        for variant, answer, null in zip(row.variants, answers, nulls, strict=True)
    }


async def run_row(row: Row, scale: Scale) -> list[dict[str, Any]]:
    """Every variant of the row at the same time, but for rows of load."""
    results: dict[str, figures.Figures] = {}

    async def one(variant: Variant) -> None:
        results[variant.label] = await run_variant(row, variant, scale)

    if row.kind == "load":
        results = await run_load(row, scale)
    else:
        await asyncio.gather(*(one(variant) for variant in row.variants))
    return [
        {
            "engine": variant.engine,
            "label": variant.label,
            "settings": variant.settings,
            "figures": results[variant.label],
        }
        for variant in row.variants
    ]


async def run_all(chosen: Sequence[Row], scale: Scale, command: str, done: Callable[[Result], None]) -> Result:
    """The whole run as plain data. done: told what there is after every row."""
    measured: dict[str, dict[str, Any]] = {}
    result: Result = {
        "scale": scale.name,
        "command": command,
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system(),
            "load": round(os.getloadavg()[0], 1),
        },
        "failed": [],
        "rows": [],
    }  # fmt: skip

    async def kept(row: Row) -> None:
        print(f"… {row.title}", file=sys.stderr, flush=True)
        try:
            variants = await run_row(row, scale)
        except PeersError as error:  # an hour of other rows is not lost with this one
            print(f"{row.title}: {error}", file=sys.stderr, flush=True)
            result["failed"].append(row.key)
        else:
            measured[row.key] = {"key": row.key, "title": row.title, "kind": row.kind, "variants": variants}
            result["rows"] = [measured[each.key] for each in chosen if each.key in measured]
        done(result)

    for row in chosen:
        if row.kind != "fault":
            await kept(row)
    await asyncio.gather(*(kept(row) for row in chosen if row.kind == "fault"))  # a few calls each, mostly silence
    return result


def write(result: Result, path: Path, docs: Path | None) -> None:
    """The figures as JSON, and as a section of the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if docs is not None:
        reached = goals.goals(result)
        report.write_section(docs, "peers", report.markdown(result, reached), reached)


def all_rows(scale: Scale) -> tuple[Row, ...]:
    return (*rows.turn_rows(), *rows.barge_rows(), *rows.fault_rows(), *rows.load_rows(scale.loads))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 when all goals of the rows were met, 1 when one was missed or a row could not be measured, 2 when
    nothing was tried."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description="our engine and its peers side by side")
    parser.add_argument("--quick", action="store_true", help="a sample of every row (minutes, not an hour)")
    parser.add_argument("--rows", default="", help="only these rows, comma-separated; a prefix is enough")
    parser.add_argument("--ours", action="store_true", help="without the peers")
    parser.add_argument(
        "--json", type=Path, default=ROOT / ".cache" / "bench" / "peers.json", help="where the figures go"
    )
    parser.add_argument("--docs", type=Path, help="Markdown file whose section of this benchmark is rewritten")
    options = parser.parse_args(argv)
    told = ["--quick"] * options.quick + ["--rows", options.rows] * bool(options.rows) + ["--ours"] * options.ours
    scale = QUICK if options.quick else FULL
    chosen = all_rows(scale)
    if options.rows:
        wanted = tuple(options.rows.split(","))
        chosen = tuple(row for row in chosen if row.key.startswith(wanted))
    if options.ours:
        chosen = tuple(replace(row, variants=tuple(v for v in row.variants if v.engine == "ours")) for row in chosen)
    if not chosen:
        print(f"no row is called that; there are {', '.join(row.key for row in all_rows(scale))}", file=sys.stderr)
        return 2
    if not PEERS_PYTHON.exists() and any(v.engine != "ours" for row in chosen for v in row.variants):
        print("the peers are not installed: run `make setup-bench`", file=sys.stderr)
        return 2
    command = shlex.join(["aivoice", "bench", "peers", *told])
    try:
        result = asyncio.run(run_all(chosen, scale, command, lambda so_far: write(so_far, options.json, options.docs)))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    reached = goals.goals(result)
    print(report.markdown(result, reached))
    return 0 if goals.all_met(reached) and not result["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
