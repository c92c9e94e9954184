"""One run at a time works in the folder of a project itself."""

import json
import os
import re
import signal

from tests.cli.plain_desk import PlainDesk, desk as desk
from tests.patience import PATIENCE_S, wait_until

IN_PLACE = ("--workspace", "in-place", "--sandbox", "none", "--backend", "simulate")
WAITING = """digraph waiting { start [shape=Mdiamond]; exit [shape=Msquare]
    wait [shape=parallelogram, tool_command="touch begun; until [ -e go ]; do sleep 0.05; done"]
    start -> wait -> exit }
"""


def test_second_writer_of_a_folder_is_refused_until_the_first_has_ended(desk: PlainDesk) -> None:
    desk.write(WAITING)
    run = ("run", "pipeline.dot", *IN_PLACE)
    first = desk.begin(*run)
    wait_until(lambda: (desk.folder / "begun").exists())
    [first_id] = [one["run_id"] for one in json.loads(desk.do("runs", "--json").stdout)]
    agent = ("agent", "Work", "--backend", "simulate", "--sandbox", "none")
    for words in (run, agent):
        refused = desk.do(*words)
        assert refused.returncode == 4, refused.stderr
        said = rf"process {first.pid} on {re.escape(os.uname().nodename)} since .*, run {first_id}"
        assert re.search(
            rf"another run works in {re.escape(str(desk.folder))}: {said}", refused.stderr
        )
        assert f"attractor cancel {first_id}" in refused.stderr
    # Nothing is left of the refused runs.
    assert len(json.loads(desk.do("runs", "--json").stdout)) == 1
    os.kill(first.pid, signal.SIGKILL)
    first.wait(PATIENCE_S)
    (desk.folder / "begun").unlink()
    second = desk.begin("resume", first_id)
    wait_until(lambda: (desk.folder / "begun").exists())
    assert desk.do(*agent).returncode == 4
    (desk.folder / "go").touch()
    assert second.wait(PATIENCE_S) == 0
    assert desk.do(*run).returncode == 0
