"""What a run is made of is loaded when its pipeline needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKS = "digraph G {{ start [shape=Mdiamond]; exit [shape=Msquare]; {node}; start -> w -> exit }}"
RUN = """
import sys
from attractor.cli.main import main
main(["run", "p.dot", "--sandbox", "none", "--workspace", "none", "--no-evaluate"])
sys.exit("httpx" in sys.modules)
"""


def loads_a_client(folder: Path, node: str) -> bool:
    (folder / "p.dot").write_text(WORKS.format(node=node))
    environ = {**os.environ, "HOME": str(folder), "OPENAI_API_KEY": "key-of-a-test"}
    # Nobody answers there: the stage fails, and that is all one here.
    environ["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1"
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "w: begins" in done.stderr
    return bool(done.returncode)


@pytest.mark.parametrize(
    "node", ['w [shape=parallelogram, tool_command="true"]', "w [shape=diamond]"]
)
def test_stages_that_ask_no_model_load_no_client(tmp_path: Path, node: str) -> None:
    assert not loads_a_client(tmp_path, node)


def test_a_task_loads_it(tmp_path: Path) -> None:
    node = 'w [prompt="Go", llm_model="gpt-5.2", llm_provider=openai, max_retries=0]'
    assert loads_a_client(tmp_path, node)
