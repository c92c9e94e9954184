"""The files that deploy a fleet name commands, options and settings that exist."""

import shlex
from collections.abc import Iterator
from typing import Any

import yaml

from attractor.config.schema import list_settings
from attractor.config.settings import Settings
from tests.examples import ROOT
from tests.tables import table
from tests.test_docs import is_command

FILES = sorted((ROOT / "examples" / "fleet").glob("*.yaml"))
SETTINGS = {f"ATTRACTOR_{one.key.replace('.', '__').upper()}" for one in list_settings(Settings)}


def containers(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a file that start the image."""
    match value:
        case {"image": "attractor", **rest}:
            yield rest
        case dict():
            for one in value.values():  # pyright: ignore[reportUnknownVariableType]
                yield from containers(one)
        case list():
            for one in value:  # pyright: ignore[reportUnknownVariableType]
                yield from containers(one)
        case _:
            return


def test_there_are_files() -> None:
    assert [one.name for one in FILES] == ["compose.yaml", "kubernetes.yaml"]


@table("file", FILES)
def test_commands_options_and_settings_exist(file: Any) -> None:
    found = [one for text in yaml.safe_load_all(file.read_text()) for one in containers(text)]
    commands = [
        shlex.split(one["command"]) if "command" in one else one["args"]
        for one in found
        if "command" in one or "args" in one
    ]
    assert sorted(words[0] for words in commands) == ["serve", "worker", "worker"]
    for words in commands:
        assert is_command(" ".join(one for one in words if one.startswith("--") or one == words[0]))
    names = [name for one in found for name in names_of(one)]
    assert "ATTRACTOR_FLEET__STORE" in names
    assert {one for one in names if one.startswith("ATTRACTOR_")} <= SETTINGS


def names_of(container: dict[str, Any]) -> list[str]:
    """Return the variables of a container."""
    listed = [one["name"] for one in container.get("env", [])]
    return [*container.get("environment", {}), *listed]


def test_settings_are_known_by_their_variables() -> None:
    assert {"ATTRACTOR_FLEET__URL", "ATTRACTOR_STATE_DIR"} <= SETTINGS
