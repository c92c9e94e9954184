"""Writes a first suite to edit."""

from pathlib import Path

from attractor.base.errors import Refused, UsageError
from attractor.base.files import write_whole
from attractor.factory.resources.registration import drawn_pipelines
from attractor.pipeline.host.run_host import RunHost

_TEMPLATE = Path(__file__).with_suffix("")
_CANARY_BYTES = 16


def write_first_suite(folder: Path, pipeline: str, host: RunHost) -> list[Path]:
    """Write a suite for a pipeline (default: the only one of the project); return its files."""
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="name a new folder")
    values = {
        '"NAME"': f'"{folder.resolve().name}"',
        '"PIPELINE"': f'"{pipeline or _only(host)}"',
        "CANARY": f"canary-{host.randomness(_CANARY_BYTES).hex()}",
    }
    files: list[Path] = []
    for source in sorted(_TEMPLATE.rglob("*.toml")):
        text = source.read_text("utf-8")
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        file = folder / source.relative_to(_TEMPLATE)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
        files.append(file)
    return files


def _only(host: RunHost) -> str:
    """Return the name of the only pipeline of the project."""
    names = sorted(drawn_pipelines(host))
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise UsageError(
            f"the project has {len(names)} pipelines: {found}", hint="choose one with --pipeline"
        )
    return names[0]
