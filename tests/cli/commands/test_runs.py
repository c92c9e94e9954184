"""The list of runs: heading, goal, cost, age and filters."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from attractor.cli.commands import runs as module
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.records.summary import RunOverview
from tests.cli.plain_desk import WORDS, PlainDesk, desk as desk
from tests.patience import PATIENCE_S, wait_until

NOW = datetime(2026, 1, 31, tzinfo=UTC)
TOOL = """digraph {name} {{ goal="{goal}"
    start [shape=Mdiamond]; exit [shape=Msquare]; do [shape=parallelogram, tool_command="{command}"]
    start -> do -> exit }}"""


def test_a_row_has_age_cost_and_goal() -> None:
    table = module._table(  # pyright: ignore[reportPrivateUsage]
        [
            one_run("a", timedelta(days=3), Usage(9, 1, 1.5)),
            one_run("b", timedelta(minutes=5), Usage(900, 100), goal="\x1b[31mRed"),
            one_run("c", timedelta(seconds=5), trouble="it is damaged"),
        ],
        NOW,
        {},
    )
    assert table[0].split() == ["run", "age", "status", "outcome", "pipeline", "cost", "goal"]
    assert table[1].split() == ["a", "3d", "failed", "-", "flow", "$1.50", "Build", "it"]
    assert table[2].split()[:7] == ["b", "5m", "failed", "-", "flow", "1,000", "tokens"]
    assert "\x1b" not in table[2]
    assert table[3].split()[-3:] == ["$0.00", "Build", "it"]
    assert table[4] == "  trouble: it is damaged"


def test_run_outside_of_the_runs_folder_is_named(desk: PlainDesk) -> None:
    assert desk.do("runs").stdout.startswith("There are no runs yet.")
    wait = "touch begun; timeout 60 sh -c 'until test -e go; do sleep .1; done'"
    desk.write(TOOL.format(name="slow", goal="Be slow", command=wait))
    place = desk.folder / "else where"
    walking = desk.begin("run", "pipeline.dot", *WORDS, "--run-dir", str(place))
    wait_until(lambda: (desk.folder / "begun").exists())
    there = f"in {place}: attractor status '{place}'\n"
    assert desk.do("runs").stdout == f"The newest run is stored {there}"
    assert desk.do("runs", "--live").stdout == f"A process executes a run {there}"
    (desk.folder / "go").touch()
    walking.wait(PATIENCE_S)
    assert desk.do("runs", "--live").stdout == "No process executes a run.\n"


def one_run(
    run_id: str,
    age: timedelta,
    usage: Usage = NOTHING_USED,
    *,
    goal: str = "Build it",
    trouble: str = "",
) -> RunOverview:
    return RunOverview(
        run_id,
        Path("/runs") / run_id,
        "flow",
        goal,
        NOW - age,
        status="failed",
        usage=usage,
        trouble=trouble,
    )


def test_options_select_runs(desk: PlainDesk) -> None:
    for name, command in (("good", "true"), ("bad", "false"), ("other", "true")):
        desk.write(TOOL.format(name=name, goal=f"Be {name}", command=command))
        desk.run()
    desk.write(TOOL.format(name="slow", goal="Be slow", command="sleep 60"))
    desk.run("--max-duration", "1ms")
    for words, pipelines in (
        ((), ["slow", "other", "bad", "good"]),
        (("--status", "executing"), ["slow"]),
        (("--status", "executing, stopped"), ["slow"]),
        (("--status", "stopped"), ["slow"]),
        (("--status", "failed"), ["bad"]),
        (("--status", "fail"), ["bad"]),
        (("--status", "not judged: no suite"), ["other", "good"]),
        (("--pipeline", "good"), ["good"]),
        (("--limit", "2"), ["slow", "other"]),
        (("--since", "1h"), ["slow", "other", "bad", "good"]),
        (("--since", "2100-01-01"), []),
    ):
        lines = desk.do("runs", *words).stdout.splitlines()
        assert [line.split("  ")[-1].removeprefix("Be ") for line in lines[1:]] == pipelines, words
    none = desk.do("runs", "--status", "approved, promoted to main")
    assert none.stdout == "No run matches. All runs: attractor runs\n"
    wrong = desk.do("runs", "--status", "aproved")
    assert (wrong.returncode, "did you mean approved?" in wrong.stderr) == (2, True)
    assert desk.do("runs", "--since", "soon").returncode == 2
