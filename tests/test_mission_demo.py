"""A night without a person, with a kill, as `make mission-demo` plays it."""

from pathlib import Path

from tests.test_demo import play


def test_mission_ends_with_one_decision_and_an_honest_report(tmp_path: Path) -> None:
    ended = play(tmp_path, program="mission_demo.py")
    said = ended.stdout
    assert ended.returncode == 0, said[-4000:]
    assert "\n$ kill -9 " in said
    report = said[said.index("\n$ attractor mission report") :]
    assert "greeting: ended, given up: moon" in report
    assert "verdict:  go" in report
    for landed in ("hello", "goodbye", "note"):
        assert f"landed           {landed}" in report
    assert "given up         moon, returned 3 times" in report
    assert report.count("gate: go") == 1
    assert "gate: no-go" not in report
