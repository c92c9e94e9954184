"""Serve scripted or recorded answers in place of model providers."""

import resource
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.twins import (
    RequestLog,
    ShutdownReason,
    call_line,
    log_unused_rules,
    logs_requests,
    provider_twin_text,
    read_paths,
    serve_until_signal,
    twin_options,
    twin_record,
)
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.recordings.recording import RecordingFile, Recordings, load_recordings
from attractor.twins.script.script import load_script
from attractor.twins.server.provider_twin import ProviderTwin

PACES = ("at-once", "recorded")
# Each connection takes a file descriptor; a common limit is 1,024.
_OPEN_FILES = 65_536


def _help() -> str:
    wires = wire_registry()
    # The summary names the API before the comma.
    apis = ", ".join(f"{name} ({wires.summary(name).partition(',')[0]})" for name in wires)
    return f"""Serve scripted or recorded answers in place of model providers.

    The twin serves the providers' own HTTP interfaces on this machine, with and without streaming.
    Stop it with Ctrl-C. Set the printed environment variables to point clients at the twin. The
    supported APIs are {apis}.

    With --script or --example, rules choose the answers. A rule of a script is a table [[rules]],
    such as when = {{ first_user = "Plan" }} with answer = {{ text = "Done." }}. With --replay,
    recorded answers are replayed; with both, recordings answer requests that match no rule. With
    --record, requests are forwarded with the API key of the client, and the exchanges are saved
    without this API key.

    The control API lists requests and the rules that answered them; it needs the printed token.
    It can also replace the script and reset the twin.
    """


@click.command(help=_help())
@click.option(
    "--script",
    "scripts",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Answer by the rules in this TOML or Python (.py) file. May be repeated; files are tried "
    "in the order of the options.",
)
@click.option(
    "--example",
    help="Answer as the models of an example of 'attractor grow init', such as lending.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path, exists=True),
    help="Replay the recordings in this file or folder.",
)
@click.option(
    "--pace",
    type=click.Choice(PACES),
    help="Replay without pauses or at the recorded pace (default: at-once). Requires --replay.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="PATH",
    help="Ignore this JSON path in requests, such as '$.input[*].output'. May be repeated. "
    "Requires --replay.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    help="Forward requests and append each exchange to this file (.jsonl) or folder.",
)
@click.option(
    "--to",
    "providers",
    multiple=True,
    metavar="[API=]URL",
    help="Forward to this URL, for all APIs or only one (default: the real provider). Requires "
    "--record.",
)
@twin_options
@json_option
def twin_llm(
    scripts: tuple[Path, ...],
    example: str | None,
    replay: Path | None,
    pace: str | None,
    ignore: tuple[str, ...],
    record: Path | None,
    providers: tuple[str, ...],
    keep: int,
    port: int,
    control_port: int,
    is_verbose: bool | None,
    as_json: bool,
) -> ExitCode:
    """Serve scripted or recorded answers in place of model providers."""
    for option, value in (("--pace", pace), ("--ignore", ignore)):
        if value and not replay:
            raise UsageError(f"{option} requires --replay", hint=f"add --replay or remove {option}")
    scripts = (*scripts, *_script_of(example))
    _refuse_what_excludes(bool(scripts), replay, record, providers)
    recordings = None
    if replay:
        paced, paths = pace == PACES[1], read_paths(ignore)
        recordings = Recordings(load_recordings(replay), is_paced=paced, ignore=paths)
    teller = RequestLog(call_line) if logs_requests(is_verbose, as_json=as_json) else None
    ending = ShutdownReason()
    twin = ProviderTwin(
        [load_script(script) for script in scripts],
        port=port,
        control_port=control_port,
        recordings=recordings,
        record=RecordingFile(record) if record else None,
        providers=providers,
        keep=keep,
        on_request=teller,
        on_error=ending.because_of,
    )
    if teller:
        teller.twin = twin
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    sources: dict[str, object] | None = (
        {
            "wires": list(wire_registry()),
            "scripts": [str(script) for script in scripts],
            "rules": len(twin.state.usage()),
            "replay": {"path": str(replay), "recordings": len(recordings or ())}
            if replay
            else None,
            "record": {"path": str(record), "providers": dict(twin.providers)} if record else None,
        }
        if as_json
        else None
    )
    serve_until_signal([twin], ending, partial(_tell, twin, sources))
    if teller:
        log_unused_rules(twin)
    return ExitCode.INTERRUPTED


def _script_of(example: str | None) -> Sequence[Path]:
    """Return the script of an example that an app begins with."""
    if not example:
        return ()
    # Imported here, because only commands of growth need it.
    from attractor.growth.building import shipped_example

    return (shipped_example(example) / "twin.py",)


def _refuse_what_excludes(
    has_script: bool,
    replay: Path | None,
    record: Path | None,
    providers: Sequence[str],
) -> None:
    if record and (has_script or replay):
        other = "--script" if has_script else "--replay"
        hint = "record first, then replay in a second call"
        raise UsageError(f"--record cannot be combined with {other}", hint=hint)
    if providers and not record:
        raise UsageError("--to requires --record", hint="add --record or remove --to")
    if not (has_script or replay or record):
        hint = "pass one of them, such as --script FILE"
        raise UsageError("missing --script, --replay or --record", hint=hint)


def _tell(twin: ProviderTwin, sources: dict[str, object] | None) -> None:
    if sources is None:
        show(provider_twin_text(twin))
    else:
        show_json({**twin_record(twin), **sources})


part = twin_llm
