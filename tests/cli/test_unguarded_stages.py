"""Stages without a sandbox: their orphans end with them, and a terminal is no proof meanwhile."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.base.locks import SharedLock
from attractor.cli.invocation import Invocation
from attractor.cli.runs.orders import prove_operator
from attractor.environments.orphan_processes import UNGUARDED, can_find_orphans, find_process
from attractor.factory.decisions.decide import Proof
from attractor.factory.ledger.tokens import TokenStore
from tests.cli.plain_desk import WORDS, Desk
from tests.cli.running import ATTRACTOR
from tests.cli.terminals import sit
from tests.patience import wait_until

pytestmark = [pytest.mark.skipif(not can_find_orphans(), reason="no /proc")]

# An own process: within the tests, a run adopts no orphans.
PROGRAM = [sys.executable, "-m", "attractor"]
ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
STAY = r"echo \$\$ > OUT/pid.new; mv OUT/pid.new OUT/pid; exec sleep 1000"
# Twice in a session of its own, without variables: neither mark nor session nor parent is left.
DAEMON = f"""
env -i setsid sh -c 'env -i setsid sh -c "{STAY}" >/dev/null 2>&1 &' >/dev/null 2>&1 &
until [ -s OUT/pid ]; do sleep 0.01; done
"""
LOOK = 'kill -0 "$(cat OUT/pid)" && touch OUT/alive; true'
TWO = f"""digraph two {{ {ENDS}
    one [shape=parallelogram, tool_command="sh OUT/daemon.sh"]
    two [shape=parallelogram, tool_command="sh OUT/look.sh"]
    start -> one -> two -> exit }}
"""
WORK = f"""digraph work {{ {ENDS}
    work [shape=parallelogram, tool_command="sh OUT/work.sh"]
    ask  [shape=hexagon, label="Go on?"]
    start -> work -> ask
    ask -> exit [label="[Y] Yes"]
}}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def write(desk: Desk, pipeline: str, **scripts: str) -> None:
    texts = {"pipeline.dot": pipeline, **{f"{name}.sh": one for name, one in scripts.items()}}
    for name, text in texts.items():
        desk.write(text.replace("OUT", str(desk.folder)), name)


def test_double_fork_of_a_stage_without_a_sandbox_ends_with_the_stage(desk: Desk) -> None:
    write(desk, TWO, daemon=DAEMON, look=LOOK)
    with sit(
        [*PROGRAM, "run", "pipeline.dot", *WORDS], cwd=desk.folder, environ=desk.environ
    ) as it:
        assert it.ends_with() == 0, it.shown
    assert find_process(int((desk.folder / "pid").read_text())) is None
    assert not (desk.folder / "alive").exists()


# The run adopts it: neither mark nor session nor parent is left, and the stage still executes.
ANSWER = """
env -i HOME=OUT ATTRACTOR_STATE_DIR=OUT/state setsid sh -c 'setsid sh OUT/tell.sh &' \
    </dev/null >/dev/null 2>&1
until [ -e OUT/told ]; do sleep 0.01; done
"""
TELL = f"""cd OUT; {sys.executable} -m attractor answer latest Y >OUT/said 2>&1; touch OUT/told"""
BOTH = f"""digraph both {{ {ENDS}
    fork [shape=component]; join [shape=tripleoctagon]
    ask  [shape=hexagon, label="Go on?"]
    evil [shape=parallelogram, tool_command="sh OUT/answer.sh"]
    fork -> ask; fork -> evil; evil -> join
    ask -> join [label="[Y] Yes"]
    start -> fork; join -> exit }}
"""


def test_double_fork_of_a_stage_answers_no_question(desk: Desk) -> None:
    write(desk, BOTH, answer=ANSWER, tell=f"sleep 1; {TELL}")
    words = [*PROGRAM, "run", "pipeline.dot", *WORDS]
    done = subprocess.run(
        words, cwd=desk.folder, env=desk.environ, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 3
    said = (desk.folder / "said").read_text()
    assert "'attractor answer' is only for the operator, and a run started this process" in said
    assert desk.do("answer", "latest", "Y").returncode == 0


def test_no_token_is_created_while_a_stage_executes_without_a_sandbox(desk: Desk) -> None:
    write(desk, WORK, work="touch OUT/begun; until [ -e OUT/go ]; do sleep 0.01; done")
    tokens, lock = TokenStore(desk.folder / "state"), desk.folder / "state" / UNGUARDED

    def create(name: str) -> tuple[int, str]:
        words = [ATTRACTOR, "token", "create", name]
        with sit(words, cwd=desk.folder, environ=desk.environ) as person:
            person.until("Create the token")
            person.type("y\n")
            return person.ends_with(), person.shown

    words = [*PROGRAM, "run", "pipeline.dot", *WORDS]
    with sit(words, cwd=desk.folder, environ=desk.environ) as it:
        wait_until(lambda: (desk.folder / "begun").exists())
        code, shown = create("early")
        assert (code, tokens.list()) == (4, ())
        assert "refused while a stage executes without a sandbox" in shown
        (desk.folder / "go").touch()
        it.until("Go on?")
        wait_until(lambda: not SharedLock.is_held(lock))
        # The run lives, and waits for a person.
        assert create("late")[0] == 0
        assert [one.name for one in tokens.list()] == ["late"]
        it.type("y\n")
        assert it.ends_with() == 0, it.shown


@dataclass
class AtTerminal(Invocation):
    """An invocation by a person at a terminal."""

    @property
    def has_terminal(self) -> bool:
        """Return that there is a terminal."""
        return True


def test_terminal_is_no_proof_while_a_stage_executes_without_a_sandbox(desk: Desk) -> None:
    state = desk.folder / "state"
    state.mkdir()
    here, lock = AtTerminal(environ=desk.environ), SharedLock(state / UNGUARDED)
    lock.acquire()
    with pytest.raises(Refused, match="a proof by terminal is refused while a stage executes"):
        prove_operator(here, sandboxed=True)
    lock.release()
    assert prove_operator(here, sandboxed=True).proof is Proof.TERMINAL
