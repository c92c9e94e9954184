"""`status`, `logs`, `runs`, `report` and `gc` show stages, changes, workers, cost and disk use."""

import json
from pathlib import Path
from typing import Any

from attractor.engine.run_folder.open_run import open_run
from attractor.records.timeline import read_timeline
from tests.cli.running import attractor
from tests.pipeline.viewed_runs import make_viewed


def test_records_of_a_run_are_shown_as_text_and_json(tmp_path: Path) -> None:
    root, opened = make_viewed(tmp_path)
    variables = {"ATTRACTOR_STATE_DIR": str(opened.machine.state_dir)}

    def output_of(*words: str, code: int = 0) -> str:
        done = attractor(*words, folder=opened.root, variables=variables)
        assert done.returncode == code, done.stderr
        return done.stdout or done.stderr

    def read(*words: str) -> Any:
        return json.loads(output_of(*words, "--json"))

    lines = output_of("status", "--stages").splitlines()
    assert lines[0].split() == ["stage", "branch", "started", "time", "state", "next"]
    [right] = [line for line in lines if line.startswith("right@1.1")]
    assert "fail: tool_command ended with exit code 3: right" in right
    assert lines[-1] == "gate@1.1 waits for an answer"
    timeline = read_timeline(root)
    assert read("status", "--stages") == {
        "stages": [one.to_record() for one in timeline.attempts],
        "timeline": timeline.to_record(),
    }
    assert "  graph.goal = See it\n" in output_of("status", "--context")
    assert read("status", "--context")["context"]["graph.goal"] == "See it"
    assert "exclude each other" in output_of("status", "--stages", "--watch", code=2)

    assert output_of("logs", "--diff").endswith("+++ b/made.txt\n@@ -0,0 +1,2 @@\n+one\n+left\n")
    [changed] = read("logs", "--diff", "--stage", "left@1")["files"]
    assert (changed["path"], changed["added"]) == ("made.txt", 1)
    assert output_of("logs", "--diff", "--stage", "plan") == "No files were changed.\n"
    assert "unknown stage of this run 'lift'" in output_of(
        "logs", "--diff", "--stage", "lift", code=2
    )

    assert output_of("runs", "--live") == "No process executes a run.\n"
    with open_run(root, clock=opened.machine.clock, before_end=None):
        assert root.name in output_of("runs", "--live")
        [worker] = read("runs", "--live")
    assert (worker["run_id"], worker["status"]) == (root.name, "awaiting_human")
    assert read("runs", "--suite", "todo") == []

    assert output_of("report", "--daily").splitlines()[1].split()[1:] == [
        *("viewed", "-", "1", "$0.00", "$0.00", "0")
    ]
    assert [one["runs"] for one in read("report", "--daily")["days"]] == [1]
    assert output_of("report", "--daily", "--since", "2100-01-01").startswith("No run started")
    assert "free" in output_of("gc", "--usage").splitlines()[-1]
    assert [one["what"] for one in read("gc", "--usage")["folders"]][:2] == ["runs", "workspaces"]
