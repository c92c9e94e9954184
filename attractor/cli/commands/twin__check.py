"""Compare a service twin with recordings of the real service."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show_result
from attractor.cli.twins import read_paths
from attractor.twins.services.check import CheckedRequest, check_recording
from attractor.twins.services.recordings import load_recording
from attractor.twins.services.service import Service, load_service

EXISTING = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("file", type=EXISTING)
@click.argument("recordings", nargs=-1, type=EXISTING, metavar="[RECORDING]...")
@click.option(
    "--ignore",
    multiple=True,
    metavar="PATH",
    help="Ignore this JSON path, such as $.id. May be repeated.",
)
@json_option
def twin_check(
    file: Path, recordings: tuple[Path, ...], ignore: tuple[str, ...], as_json: bool
) -> ExitCode:
    """Compare a service twin with recordings of the real service.

    Replay each RECORDING (default: all recordings in the folder 'recordings' beside FILE) against a
    fresh twin of the service in FILE. Report differences in status, headers and JSON, except for
    differences that the [check] section of FILE ignores. The twin injects no faults.
    """
    service = load_service(file)
    declared = service.table.check
    settings = declared.model_copy(update={"ignore": (*declared.ignore, *read_paths(ignore))})
    played = {
        recording: check_recording(service, load_recording(recording), settings=settings)
        for recording in recordings or _own_recordings(service)
    }
    record = {
        "service": service.name,
        "recordings": [
            {
                "file": str(file),
                "equal": not any(one.differences for one in all_of),
                "requests": [asdict(one) for one in all_of],
            }
            for file, all_of in played.items()
        ],
    }
    show_result(record, *_lines(played), as_json=as_json)
    is_equal = not any(one.differences for all_of in played.values() for one in all_of)
    return ExitCode.DONE if is_equal else ExitCode.FAILED


def _own_recordings(service: Service) -> Sequence[Path]:
    found = sorted((service.folder / "recordings").glob("*.jsonl"))
    if not found:
        message = f"no recordings in {service.folder / 'recordings'}"
        raise UsageError(message, hint="pass a recording after the service file")
    return found


def _lines(played: dict[Path, Sequence[CheckedRequest]]) -> list[str]:
    lines: list[str] = []
    for file, all_of in played.items():
        differing = [one for one in all_of if one.differences]
        message = f"{len(differing)} of {len(all_of)} requests differ" if differing else "equal"
        lines.append(
            f"{file}: {message}" + ("" if differing else f", {number_of(len(all_of), 'request')}")
        )
        for one in differing:
            lines.append(f"  {one.number}. {one.method} {one.path}")
            lines += [
                f"     {it.where}: recorded {it.recorded}, twin {it.twin}" for it in one.differences
            ]
    return lines


part = twin_check
