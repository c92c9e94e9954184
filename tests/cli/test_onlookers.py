"""Lines wait while somebody is asked where they go."""

from datetime import UTC, datetime

import pytest

from attractor.base.events import Event
from attractor.cli.onlookers import Lines

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def begins(node: str) -> Event:
    return Event(time=NOW, run_id="r", type="StageStarted", node=node, visit=1)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split("  ", 1)[1] for line in capsys.readouterr().err.splitlines()]


def test_what_happens_meanwhile_is_told_afterwards_in_its_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()
    lines(begins("a"))
    with lines.held():
        lines(begins("b"))
        lines(begins("c"))
        assert told(capsys) == ["a: begins"]
    assert told(capsys) == ["b: begins", "c: begins"]
    lines(begins("d"))
    assert told(capsys) == ["d: begins"]


def test_what_happens_before_somebody_leaves_is_told_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()

    def leave() -> None:
        with lines.held():
            lines(begins("a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert told(capsys) == ["a: begins"]
