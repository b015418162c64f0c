"""The commands and their options. What they do stands in a module each, imported when the command runs."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from aivoice import __version__
from aivoice.cli.asking import Data, Key, Server
from aivoice.cli.developer import knowledge_app, tool_app
from aivoice.cli.output import EXIT_ERROR, EXIT_INTERRUPTED, report
from aivoice.cli.running import Interrupted
from aivoice.cli.tenant import tenant_app
from aivoice.errors import InputError, VoiceError

app = typer.Typer(
    name="aivoice",
    help="AI receptionists for business phone lines: talk with one, watch it, take a call apart.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Businesses = Annotated[list[Path] | None, typer.Argument(help="Business files (YAML). Default: the examples.")]
Business = Annotated[Path | None, typer.Argument(help="A business file (YAML). Default: the first example.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]
Providers = Annotated[
    Path | None, typer.Option("--providers", help="The services that calls use (YAML). Default: in the data folder.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the calls' files.")]


app.add_typer(tenant_app, name="tenant")
app.add_typer(tool_app, name="tool")
app.add_typer(knowledge_app, name="knowledge")


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens inside to standard error.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def serve(
    businesses: Businesses = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0: any free one.")] = 8000,
    control_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port of the control plane; 0: any. Default: the next one.")
    ] = None,
    lines: Annotated[int, typer.Option(min=1, max=500, help="Most calls at a time; more are refused.")] = 8,
    out: Out = Path("calls"),
    data: Data = None,
    providers: Providers = None,
) -> None:
    """Answer calls: a page with a Call button at http://127.0.0.1:8000, and WHIP for any WebRTC client."""
    from aivoice.cli.serve import serve_command

    serve_command(
        businesses or [],
        host=host,
        port=port,
        control_port=_next(port) if control_port is None else control_port,
        lines=lines,
        out=out,
        data=data,
        providers=providers,
    )


def _next(port: int) -> int:
    return port + 1 if 0 < port < 65_535 else 0


@app.command()
def call(
    business: Business = None,
    audio: Annotated[Path | None, typer.Option(help="A WAV file that is the caller, instead of the script.")] = None,
    script: Annotated[
        Path | None, typer.Option(help="What the caller says (YAML). Default: beside the business.")
    ] = None,
    out: Out = Path("calls"),
    server: Annotated[str, typer.Option(help="Address of a server that runs, to call instead.")] = "",
    number: Annotated[str, typer.Option(help="With --server: the number to dial.")] = "",
    caller: Annotated[str, typer.Option(help="With --server: the number that calls.")] = "",
    as_json: Json = False,
) -> None:
    """Start a server, let a simulated caller dial it over WebRTC, and show the conversation."""
    from aivoice.cli.call import call_command, dial_command

    if server or number or caller:
        asked = {name: value for name, value in (("number", number), ("caller", caller)) if value}
        dial_command(server or "http://127.0.0.1:8000", asked, audio=audio, script=script, as_json=as_json)
        return
    call_command(business, audio=audio, script=script, out=out, as_json=as_json)


@app.command()
def simulate(
    calls: Annotated[int, typer.Option(min=1, help="How many calls.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same calls, byte for byte.")] = 1,
    processes: Annotated[int, typer.Option(min=0, help="0: one a core. Changes no call.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the journals of calls that break a contract.")] = None,
    docs: Annotated[Path | None, typer.Option(help="Markdown file whose section on this is rewritten.")] = None,
    as_json: Json = False,
) -> None:
    """Hold calls in virtual time with simulated callers and failing providers, and check every contract."""
    from aivoice.cli.simulate import simulate_command

    simulate_command(calls=calls, seed=seed, processes=processes, out=out, docs=docs, as_json=as_json)


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="A call's journal.jsonl.")],
    as_json: Json = False,
) -> None:
    """Feed a call's events to a fresh core: the same commands, or the first difference (status 1)."""
    from aivoice.cli.replay import replay_command

    replay_command(journal, as_json=as_json)


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Measure this engine beside others (needs the source checkout). Arguments, --help too, go to the benchmarks."""
    from aivoice.cli.bench import bench_command

    bench_command(context.args)


@app.command()
def doctor(data: Data = None, providers: Providers = None, as_json: Json = False) -> None:
    """Say what is installed, missing or slow here, and how to mend it (status 1 if something is)."""
    from aivoice.cli.doctor import doctor_command

    doctor_command(as_json=as_json, data=data, providers=providers)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Business files (YAML).")],
    as_json: Json = False,
) -> None:
    """Read business files and say everything that is wrong with them, by line."""
    from aivoice.cli.check import check_command

    check_command(files, as_json=as_json)


@app.command()
def api(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, PATCH or DELETE.")],
    path: Annotated[str, typer.Argument(help="A path of the control plane: /v1/tenants.")],
    body: Annotated[str, typer.Option(help="JSON.")] = "",
    data: Data = None,
    server: Server = "",
    key: Key = "",
) -> None:
    """Ask the control plane anything (docs/api.md): a server's, or that of this machine."""
    from aivoice.cli.developer import api_command

    api_command(method, path, body, data, server, key)


@app.command()
def cost(
    call: Annotated[str, typer.Argument(help="A call's folder or journal, or TENANT/CALL. Default: a month.")] = "",
    minutes: Annotated[int, typer.Option(min=1, help="Of conversation a month.")] = 50_000,
    speech_share: Annotated[float, typer.Option(min=0.01, max=1, help="Of a minute in which the agent speaks.")] = 0.4,
    open_hours: Annotated[int, typer.Option(min=1, max=744, help="Hours of a month in which calls come.")] = 198,
    rush: Annotated[
        float, typer.Option(min=1, max=100, help="Calls at once, the busiest hour over the average.")
    ] = 2.5,
    gpu_hour: Annotated[float | None, typer.Option(min=0, help="Price of a GPU hour. Default: the list's.")] = None,
    rtf: Annotated[float, typer.Option(min=0.001, max=10, help="GPU seconds for a second of speech.")] = 0.17,
    prompt: Annotated[int, typer.Option(min=1, help="Tokens of a request to the language model.")] = 5_000,
    cached: Annotated[float, typer.Option(min=0, max=1, help="Share of them from the provider's cache.")] = 0.6,
    prices: Annotated[Path | None, typer.Option(help="Your prices (JSON, docs/costs.md), before the list's.")] = None,
    model_only: Annotated[bool, typer.Option("--model", help="Reckon only: ask no installation.")] = False,
    providers: Providers = None,
    data: Data = None,
    server: Server = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """What a minute costs: a voice of one's own or a hosted one, everything together, this deployment, one call."""
    from aivoice.billing.cost import Assumptions
    from aivoice.cli.cost import Where, cost_command

    given = Assumptions(
        minutes=minutes,
        speech_share=speech_share,
        open_hours=open_hours,
        rush=rush,
        rtf=rtf,
        prompt=prompt,
        cached=cached,
    )
    cost_command(
        call,
        given,
        Where(data, server, key),
        gpu_hour=gpu_hour,
        prices_file=prices,
        providers_file=providers,
        reckoned=model_only,
        as_json=as_json,
    )


def main() -> None:
    """The `aivoice` program."""
    sys.exit(run_cli(sys.argv[1:]))


def run_cli(arguments: list[str]) -> int:
    """Run one command; its exit status. Prints any error as the package promises."""
    as_json = "--json" in arguments
    try:
        return int(app(arguments, prog_name="aivoice", standalone_mode=False) or 0)
    except typer.Exit as exit_:
        return exit_.exit_code
    except TyperException as error:
        message = str(getattr(error, "format_message", error.__str__)()).strip()
        if not arguments:
            typer.echo(message)  # the help: nothing was asked for
            return 0
        report(InputError(f"{message} (see: aivoice --help)", code="usage", stage="cli"), as_json=as_json)
    except Interrupted:
        return EXIT_INTERRUPTED
    except VoiceError as error:
        report(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone: nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if "AIVOICE_TRACEBACK" in os.environ:
            raise
        what = f"{type(error).__name__} inside aivoice; run it again with AIVOICE_TRACEBACK=1 to see where"
        report(VoiceError(f"unexpected: {what}", code="internal", stage="cli"), as_json=as_json)
    return EXIT_ERROR
