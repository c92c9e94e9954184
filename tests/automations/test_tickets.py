"""Tickets that a command prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.automations.errors import InvalidAutomation
from attractor.automations.tickets import Ticket, parse_tickets, read_tickets
from attractor.base.processes import has_members
from tests.patience import wait_until
from tests.tables import table

VARIABLES = {"PATH": os.environ["PATH"]}


def test_each_id_is_one_ticket() -> None:
    output = '{"id": "A-1", "inputs": {"title": "x"}}\n\n{"id": "A-2"}\n{"id": "A-1"}\n'
    assert parse_tickets(output) == [Ticket("A-1", {"title": "x"}), Ticket("A-2")]


@table(
    ("line", "words"),
    [
        ("A-1", "invalid ticket in line 2"),
        ("[]", "it is no object"),
        ('{"inputs": {}}', "missing field 'id'"),
        ('{"id": 1}', "Ticket.id"),
        ('{"id": "A", "colour": 1}', "unknown field 'colour'"),
        ('{"id": ""}', "invalid id of the ticket in line 2"),
        ('{"id": "' + "x" * 201 + '"}', "invalid id of the ticket in line 2"),
    ],
)
def test_invalid_line_is_refused_with_its_number(line: str, words: str) -> None:
    with pytest.raises(InvalidAutomation, match=words):
        parse_tickets(f'{{"id": "A-1"}}\n{line}\n')


def test_command_is_run_in_the_folder_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "tickets.jsonl").write_text('{"id": "A-1"}\n')
    assert read_tickets("cat tickets.jsonl", tmp_path, VARIABLES) == [Ticket("A-1")]


@table(
    ("command", "words"),
    [
        ("echo no access >&2; exit 3", "failed with exit status 3: no access"),
        ("head -c 5000000 /dev/zero", "printed more than 4 MB"),
    ],
)
def test_failed_command_is_an_error(tmp_path: Path, command: str, words: str) -> None:
    with pytest.raises(InvalidAutomation, match=words):
        read_tickets(command, tmp_path, VARIABLES)


def test_command_ends_with_the_process_that_is_killed(tmp_path: Path) -> None:
    # The fifth field of this file is the process group.
    command = "cut -d' ' -f5 /proc/$$/stat >made; mv made group; sleep 300 | sleep 300"
    module, folder = read_tickets.__module__, f"__import__('pathlib').Path({str(tmp_path)!r})"
    code = f"from {module} import read_tickets\nread_tickets({command!r}, {folder}, {VARIABLES})"
    process = subprocess.Popen([sys.executable, "-c", code])
    wait_until((tmp_path / "group").exists)
    group = int((tmp_path / "group").read_text())
    assert has_members(group)
    process.kill()
    process.wait()
    wait_until(lambda: not has_members(group))
