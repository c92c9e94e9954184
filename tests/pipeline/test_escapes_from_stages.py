"""Escapes are tried from each place where commands of agents run.

The places are a tool call, its hook, a tool stage, and a program of the user. Files that the
commands plant for git start nothing outside.
"""

import asyncio
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.engine.state.run_state import FAILED
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, script, use, uses
from tests.cli.test_killed_runner import TwinDesk
from tests.counts import IS_FULL
from tests.environments.test_escapes import NETWORK, PROCESSES, READ, WRITE, contents, outside
from tests.needs import needs_kind
from tests.patience import PATIENCE_S
from tests.pipeline.projects import git, make_project, open_project, simulated, start

PIPELINE = """digraph escapes {
    graph ["tool_hooks.pre"="sh attack.sh hook"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    tool    [shape=parallelogram, tool_command="sh attack.sh tool"]
    call    [prompt="Attack"]
    program [prompt="Attack", backend=command]
    start -> tool -> call -> program -> exit
}"""
PLACES = ("tool", "hook", "call", "program")
SETTINGS = """[backends.command]
run = '''sh attack.sh program; echo '{"outcome": "success"}' > "$ATTRACTOR_STATUS_FILE"'''
"""
# Every program that git could be configured to start.
PLANT = """
[ -e .git ] || git init -q .
printf '#!/bin/sh\\necho "$0" >> "%s/ran"\\ncat\\n' "$home" > trap.sh && chmod +x trap.sh
mkdir -p .git/hooks
for hook in post-checkout post-commit post-index-change pre-commit reference-transaction; do
    cp trap.sh .git/hooks/$hook
done
for name in core.fsmonitor core.pager core.sshCommand diff.external filter.evil.clean \
    filter.evil.smudge diff.evil.textconv merge.evil.driver; do
    git config $name "$PWD/trap.sh"
done
git config core.worktree "$home/project"
echo '* filter=evil diff=evil merge=evil' > .gitattributes
mkdir -p linked && echo "gitdir: $home/project/.git" > linked/.git
"""


def attack(variables: dict[str, str]) -> str:
    """Return a script that records the successful attempts, at the place that it gets."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines += ["{", f"{PLANT}"]
    for section in (READ, WRITE, NETWORK, PROCESSES):
        for name, command in section.items():
            if "python3" not in command:
                tell = f"echo {shlex.quote(name)} >> got-$1"
                lines.append(f"if bash -c {shlex.quote(command)}; then {tell}; fi")
    return "\n".join([*lines, "} >/dev/null 2>&1", "echo $1 >> tried-$1", "true\n"])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TwinDesk]:
    (tmp_path / "desk").mkdir()
    desk = TwinDesk(tmp_path / "desk")
    yield desk
    desk.end()


# Both kinds of sandbox are always attacked in `tests/environments/test_escapes.py`.
KINDS = ["bubblewrap", "landlock", "none"] if IS_FULL else ["bubblewrap", "none"]


@needs_kind
@pytest.mark.parametrize("sandbox", KINDS)
def test_escapes_from_each_place(sandbox: str, desk: TwinDesk) -> None:
    answers = (
        uses(use("shell", {"command": "sh attack.sh call"})),
        uses(use("report_outcome", {"outcome": "success"})),
        says("done"),
    )
    home = desk.folder / "home"
    with (
        outside(home) as variables,
        in_background(ProviderTwin(script(*answers))) as desk.twin,
    ):
        files = {"attack.sh": attack(variables), "attractor.toml": SETTINGS}
        desk.make(PIPELINE, **files)
        before = contents(home)
        words = ("--model", MODELS["openai"], "--provider", "openai", "--sandbox", sandbox)
        done = desk.do("run", "pipeline.dot", "--backend", "agent", "--no-evaluate", *words)
        assert done.returncode == 0, done.stderr
        assert (contents(home) == before) == (sandbox != "none")
    [run] = desk.runs()
    branch = f"attractor/run/{run.name}"
    made = git(desk.project, "ls-tree", "--name-only", branch).split()
    found = [one for one in made if one.startswith(("got-", "tried-"))]
    # Without a sandbox they succeed: this proves the attempts at all places.
    wanted = ["got", "tried"] if sandbox == "none" else ["tried"]
    assert found == [f"{one}-{place}" for one in wanted for place in sorted(PLACES)]


TRACED = "import ctypes, os; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0); os.kill(os.getpid(), 10)"
FAILING = PIPELINE[: PIPELINE.index("    tool ")].replace("sh attack.sh hook", "true") + (
    """fail [shape=parallelogram, tool_command="exec python3 traced.py"]
    start -> fail -> exit
}"""
)


@needs_kind
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock", "none"])
def test_traced_command_fails_its_stage_and_not_the_sandbox(sandbox: str, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", FAILING, **{"traced.py": TRACED})
    work = start(simulated(project, sandbox=sandbox), open_project(project))
    result = asyncio.run(asyncio.wait_for(work, PATIENCE_S))
    assert result.status == FAILED
    assert "-10" in (result.directory / "events.jsonl").read_text()
