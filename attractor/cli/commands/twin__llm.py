"""Stand in for the model providers, with answers from a script or from recordings."""

import resource
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.twins import (
    ShutdownReason,
    Teller,
    is_told,
    line_of_call,
    places_of,
    stand_until_told,
    tell_unused,
    text_of_provider,
    twin_options,
)
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.recordings.recording import RecordingFile, Recordings, load_recordings
from attractor.twins.script.script import load_script
from attractor.twins.server.provider_twin import ProviderTwin

PACES = ("at-once", "recorded")
# Each connection takes one, and a usual limit is 1,024.
_OPEN_FILES = 65_536


def _help() -> str:
    wires = wire_registry()
    # What follows the comma tells who speaks.
    spoken = ", ".join(f"{name} ({wires.summary(name).partition(',')[0]})" for name in wires)
    return f"""Stand in for the model providers, with answers from a script or from recordings.

    It speaks the providers' own interfaces over real HTTP on this machine, streamed and not, and
    goes on until Ctrl-C. The printed variables send a provider's clients to it. The wires are
    {spoken}.

    With --script it answers by rules, with --replay as a provider once did; with both, recordings
    answer what no rule fits. With --record it asks the providers with the client's own key, passes
    on what they answer and keeps it without the key.

    What it was asked and which rules answered is shown at the control address to whoever has the
    printed token; there the script can be replaced and all be forgotten.
    """


@click.command(help=_help())
@click.option(
    "--script",
    "scripts",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Which request gets which answer, in TOML or Python (.py). Several are tried in order.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path, exists=True),
    help="Answer as was recorded in this file or folder.",
)
@click.option(
    "--pace",
    type=click.Choice(PACES),
    help="With --replay: when answers come, at once (else) or as they came then.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    help="Ask the providers, and add each exchange to this file (.jsonl) or folder.",
)
@click.option(
    "--to",
    "providers",
    multiple=True,
    metavar="[WIRE=]URL",
    help="With --record: where the provider is, of all wires or of one; else the real one.",
)
@twin_options
@json_option
def twin_llm(
    scripts: tuple[Path, ...],
    replay: Path | None,
    pace: str | None,
    record: Path | None,
    providers: tuple[str, ...],
    keep: int,
    port: int,
    control_port: int,
    is_verbose: bool | None,
    as_json: bool,
) -> ExitCode:
    """Stand in for the model providers, with answers from a script or from recordings."""
    _refuse_what_excludes(bool(scripts), replay, pace, record, providers)
    recordings = Recordings(load_recordings(replay), is_paced=pace == PACES[1]) if replay else None
    teller = Teller(line_of_call) if is_told(is_verbose, as_json=as_json) else None
    ending = ShutdownReason()
    twin = ProviderTwin(
        [load_script(one) for one in scripts],
        port=port,
        control_port=control_port,
        recordings=recordings,
        record=RecordingFile(record) if record else None,
        providers=providers,
        keep=keep,
        hears=teller,
        complains=ending.because_of,
    )
    if teller:
        teller.twin = twin
    _raise_limit()
    sources = _sources(twin, scripts, replay, len(recordings or ()), record) if as_json else None
    stand_until_told([twin], ending, partial(_tell, twin, sources))
    if teller:
        tell_unused(twin)
    return ExitCode.INTERRUPTED


def _refuse_what_excludes(
    has_script: bool,
    replay: Path | None,
    pace: str | None,
    record: Path | None,
    providers: Sequence[str],
) -> None:
    if record and (has_script or replay):
        other = "--script" if has_script else "--replay"
        hint = "record first, and replay in another call"
        raise UsageError(f"--record and {other} exclude each other", hint=hint)
    if providers and not record:
        raise UsageError("--to says where to record from", hint="add --record, or leave out --to")
    if pace and not replay:
        raise UsageError("--pace is that of recordings", hint="add --replay, or leave out --pace")
    if not (has_script or replay or record):
        hint = "give --script FILE, --replay FILE or --record FILE"
        raise UsageError("a twin needs something to answer by", hint=hint)


def _tell(twin: ProviderTwin, sources: dict[str, object] | None) -> None:
    if sources is None:
        show(text_of_provider(twin))
    else:
        show_json({**places_of(twin), **sources})


def _raise_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _sources(
    twin: ProviderTwin,
    scripts: Sequence[Path],
    replay: Path | None,
    recordings: int,
    record: Path | None,
) -> dict[str, object]:
    """Return what it answers by."""
    return {
        "wires": list(wire_registry()),
        "scripts": [str(one) for one in scripts],
        "rules": len(twin.state.usage()),
        "replay": {"path": str(replay), "recordings": recordings} if replay else None,
        "record": {"path": str(record), "providers": dict(twin.providers)} if record else None,
    }


part = twin_llm
