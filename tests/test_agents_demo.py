"""Two agents that stay, killed, started again and judged, as `make agents-demo` plays it."""

from pathlib import Path

from tests.test_demo import play


def test_two_agents_go_on_after_a_kill_and_one_of_them_is_promoted(tmp_path: Path) -> None:
    ended = play(tmp_path, program="agents_demo.py")
    said = ended.stdout
    assert ended.returncode == 0, said[-4000:]
    killed, judged = said.index("\n$ kill -9 "), said.index("\n$ attractor dimension submit quick")
    assert said.index("answered numbers: W") < killed < judged
    # On a slow machine, the other one may have answered before the kill.
    assert "todo/careful goes on" in said[killed:judged].splitlines()
    assert "careful: review: 2 files changed" in said[killed:judged]
    first, second = said[judged:].split("\n$ attractor dimension submit careful")
    assert "gate: no-go" in first
    assert "numbers-stay" in first
    assert "gate: go" in second
    assert "main is now" in second
    assert said.count("removed\n") == 2
