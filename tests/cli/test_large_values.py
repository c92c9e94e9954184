"""A value too large for the context is complete in a fork, and after a rewind."""

import json
from pathlib import Path

import pytest

from tests.cli.git_desk import (
    GitDesk,
    desk as desk,  # a fixture
)

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
LENGTH = 1_000_000
OUTCOMES = {"write": {"outcome": "success", "context_updates": {"big": "x" * LENGTH}}}
LINE = f"""digraph one {{ {ENDS}
    write [prompt="Write much"]
    look  [prompt="@look.j2"]
    start -> write -> look -> exit }}
"""


def make(desk: GitDesk) -> tuple[str, ...]:
    desk.make(LINE, **{"look.j2": "{{ context.big | length }}"})
    outcomes = desk.folder / "outcomes.json"
    outcomes.write_text(json.dumps(OUTCOMES))
    return ("--outcomes", str(outcomes))


def size_seen(run: Path) -> int:
    return int((run / "look" / "prompt.md").read_text().splitlines()[-1])


@pytest.mark.parametrize("command", ["fork", "rewind"])
def test_large_value_is_available_in_a_fork(desk: GitDesk, command: str) -> None:
    words = make(desk)
    old = desk.run(*words)
    assert size_seen(old) == LENGTH
    new = Path(desk.json(command, "latest", "look", "--no-evaluate")["directory"])
    assert new != old
    assert size_seen(new) == LENGTH
    for run in (old, new):
        sizes = [(run / name).stat().st_size for name in ("events.jsonl", "checkpoint.json")]
        assert max(sizes) < 50_000
        assert len(list((run / "artifacts").glob("*.json"))) == 1
