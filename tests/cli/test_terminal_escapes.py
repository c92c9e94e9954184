"""What a tool, an agent or a goal writes reaches the terminal without control characters."""

from pathlib import Path

from tests.cli.plain_desk import PlainDesk

CONTROLS = set("\x1b\x07\x9b\u202e\x08")
HOSTILE = r"printf '\033]0;owned\007\033[2J\302\2332J\342\200\256' >&2; exit 1"


def test_no_command_passes_escapes_of_a_tool_or_a_goal_on(tmp_path: Path) -> None:
    desk = PlainDesk(tmp_path)
    desk.write(
        "digraph G { start [shape=Mdiamond]; exit [shape=Msquare];"
        f'tool [shape=parallelogram, tool_command="{HOSTILE}"]; start -> tool -> exit }}'.replace(
            "\\", "\\\\"
        )
    )
    goal = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202e"
    ran = desk.do(*desk.to_run("--goal", goal))
    assert ran.returncode == 1, ran.stderr
    shown = [ran.stdout, ran.stderr]
    for command in (
        "status",
        "logs",
        "diagnose",
        "runs",
        "gate",
        "answer",
        "estimate pipeline.dot",
    ):
        words = command.split()
        target = ["latest"] if command not in ("runs", "estimate pipeline.dot") else []
        done = desk.do(*words, *target)
        shown += [done.stdout, done.stderr]
    assert "owned" in "".join(shown)
    assert [text for text in shown if CONTROLS & set(text)] == []
