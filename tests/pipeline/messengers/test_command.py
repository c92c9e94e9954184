"""Notification by a command: time limit and errors."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.json import JsonObject
from attractor.pipeline.messengers.command import send
from attractor.pipeline.project.project import Notify

NOTICE: JsonObject = {
    "run_id": "R",
    "node": "gate",
    "question": {"id": "gate@1.1", "text": "Ship\0 it? \u2713", "deadline": ""},
    "parked": True,
    "choices": [{"key": "Y", "label": "[Y] Yes"}, {"key": "N", "label": "[N] No"}],
}


def send_notice(folder: Path, command: str, seconds: float = 10.0) -> str:
    notify = Notify(
        command=command,
        folder=folder,
        time_limit=timedelta(seconds=seconds),
        variables={"PATH": "/usr/bin:/bin", "MINE": "here"},
    )
    return asyncio.run(send(NOTICE, notify))


def test_command_gets_json_and_short_fields_as_variables(tmp_path: Path) -> None:
    command = 'cat > all.json; echo "$MINE|$NOTIFY_QUESTION|$NOTIFY_PARKED" > short'
    assert send_notice(tmp_path, f'{command}; echo "$NOTIFY_CHOICES" >> short') == ""
    assert json.loads((tmp_path / "all.json").read_text()) == NOTICE
    short = (tmp_path / "short").read_text()
    assert short == "here|Ship it? \u2713|true\nY\t[Y] Yes\nN\t[N] No\n"


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("exit 3", "exit code 3"),
        ("echo a; echo b >&2; echo c >&2; exit 1", "exit code 1: c"),
        ("echo said; false", "exit code 1: said"),
    ],
)
def test_nonzero_exit_status_is_a_fault(tmp_path: Path, command: str, fault: str) -> None:
    assert send_notice(tmp_path, command) == fault


def test_missing_command_is_named(tmp_path: Path) -> None:
    assert "no-such-program" in send_notice(tmp_path, "no-such-program --now")


def test_command_may_ignore_its_input(tmp_path: Path) -> None:
    assert send_notice(tmp_path, "exec <&-; true") == ""
