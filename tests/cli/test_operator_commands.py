"""Processes that a run started cannot act as the operator."""

import json
import shlex
import sys
from pathlib import Path

from attractor.cli.invocation import OPERATOR_COMMANDS, command_registry, is_operator_command
from attractor.environments.orphan_processes import MARK
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.operator_process import Scope
from tests.cli.plain_desk import WORDS as WITHOUT_SANDBOX, Desk
from tests.cli.running import ATTRACTOR, attractor
from tests.cli.terminals import sit
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git
from tests.tables import table

REFUSED = 4
WORDS = {
    "token.create": ["token", "create", "x"],
    "decide": ["decide", "latest", "--approve", "--reason", "It is what was wanted."],
    "promote": ["promote", "latest"],
    "profile.create": ["profile", "create", "x"],
    "suite.register": ["suite", "register", "x"],
    "answer": ["answer", "latest", "yes"],
    "comment": ["comment", "main.py:1", "Why?"],
    "steer": ["steer", "latest", "Hurry"],
    "resume": ["resume", "latest"],
    "cancel": ["cancel", "latest"],
    "run": ["run", "pipeline.dot"],
    "judge": ["judge", "--", "true"],
    "login.allow": ["login", "allow", "claude"],
    "fork": ["fork", "latest", "make@1"],
    "gc": ["gc"],
    "rewind": ["rewind", "latest", "make@1"],
    "pause": ["pause", "latest"],
    "evaluate": ["evaluate", "latest"],
    "agent": ["agent", "Work"],
    "exec": ["exec", "1"],
    "new": ["new", "Work"],
    "spec.show": ["spec", "show"],
    "worker": ["worker"],
    "fleet.drain": ["fleet", "drain", "w"],
    "fleet.limit": ["fleet", "limit", "p"],
    "universe.archive": ["universe", "archive", "u"],
    "universe.caps": ["universe", "caps", "u"],
    "universe.create": ["universe", "create", "u"],
}
GROUPS = ("fleet", "universe", "token", "profile", "suite", "spec", "models")
PARTS = [
    ["models", "test", "m"],
    ["gate", "--operator"],
    ["evaluate", "--operator"],
    ["report", "--operator"],
]
ESCAPES = [
    "{command}",
    "env -u STARTED_BY_ATTRACTOR {command}",
    f"{sys.executable} -c 'import pty, sys; pty.spawn(sys.argv[1:])' {{command}}",
    "env -i PATH=$PATH ATTRACTOR_TOKEN=$T ATTRACTOR_STATE_DIR=$S {command}",
    "setsid --fork --wait {command}",
]


def test_every_operator_command_is_guarded() -> None:
    guarded = {one for one in command_registry() if is_operator_command(one)}
    assert guarded >= WORDS.keys()
    groups = {one.split(".")[0] for one in guarded}
    assert {"token", "profile", "suite", "decide", "promote"} <= groups | set(OPERATOR_COMMANDS)


@table("words", [*WORDS.values(), *PARTS])
def test_marked_process_is_refused(tmp_path: Path, words: list[str]) -> None:
    mark = {MARK: "01ARZ3NDEKTSV4RRFFQ69G5FAV.12-34.56"}
    refused = attractor(*words, folder=tmp_path, variables=mark)
    assert (refused.returncode, refused.stdout) == (REFUSED, "")
    assert "is only for the operator, and run 01ARZ3NDEKTSV4RRFFQ69G5FAV started" in refused.stderr
    named = words[: 2 if words[0] in GROUPS else 1]
    assert attractor(*named, "--help", folder=tmp_path, variables=mark).returncode == 0


def test_run_answers_no_question(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write(
        "digraph ask { start [shape=Mdiamond]; exit [shape=Msquare]; ask [shape=hexagon]"
        ' start -> ask; ask -> exit [label="[Y] Yes"] }'
    )
    assert desk.do("run", "pipeline.dot", *WITHOUT_SANDBOX).returncode == 3
    mark = {MARK: "01ARZ3NDEKTSV4RRFFQ69G5FAV.12-34.56"}
    answer = ["answer", "latest", "Y"]
    refused = attractor(*answer, folder=tmp_path, variables={**desk.environ, **mark})
    assert refused.returncode == REFUSED
    assert len(json.loads(desk.do("answer", "latest", "--json").stdout)) == 1
    assert desk.do(*answer).returncode == 0


def test_tool_of_an_unguarded_run_cannot_approve_another_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch()
    token, main = flow.make_token(), git(flow.project, "rev-parse", "main")
    file = tmp_path / "told.txt"
    commands = [
        escape.format(command=shlex.join([ATTRACTOR, *words]))
        for words, escapes in zip(
            [WORDS["decide"], WORDS["token.create"], WORDS["promote"]],
            [ESCAPES, ESCAPES[2:3], ESCAPES[:1]],
            strict=True,
        )
        for escape in escapes
    ]
    script = tmp_path / "attack.sh"
    script.write_text(
        f"export T={token} S={flow.machine.state_dir}\n"
        "export ATTRACTOR_TOKEN=$T ATTRACTOR_STATE_DIR=$S\n"
        f"cd {flow.project}\n" + "\n".join(f"{one} >> {file} 2>&1" for one in commands)
    )
    (flow.project / "pipeline.dot").write_text(
        "digraph attack { start [shape=Mdiamond]; exit [shape=Msquare];"
        f' make [shape=parallelogram, tool_command="bash {script}"]; start -> make -> exit }}'
    )
    flow.launch(suite="", workspace="none")
    assert file.read_text().count("is only for the operator, and run ") == len(commands)
    kinds = {one.kind for one in flow.opened.ledger.entries()}
    assert not kinds & {"decided", "promoted"}
    assert len(TokenStore(flow.machine.state_dir).list()) == 1
    assert git(flow.project, "rev-parse", "main") == main


def call(flow: Flow, *words: str, **variables: str) -> tuple[int, str, str]:
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    done = attractor(*words, folder=flow.project, variables=state | variables)
    return done.returncode, done.stdout, done.stderr


def test_token_is_created_at_a_terminal_or_by_a_token(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    code, _, output = call(flow, "token", "create", "ci")
    assert code == 2
    assert "there is no terminal (run it at a terminal, or set ATTRACTOR_TOKEN to" in output
    code, _, output = call(
        flow, "token", "create", "ci", ATTRACTOR_TOKEN=flow.make_token("operate")
    )
    assert code == 2
    assert "invalid token for the scope 'decide'" in output
    token = flow.make_token()
    code, secret, _ = call(flow, "token", "create", "ci", "--scope=read", ATTRACTOR_TOKEN=token)
    assert code == 0
    assert TokenStore(flow.machine.state_dir).holder(secret.strip(), Scope.READ, str) == "ci"
    state = str(flow.machine.state_dir)
    environ = {"PATH": "/usr/bin", "LANG": "C.UTF-8", "ATTRACTOR_STATE_DIR": state}
    for answer, exit_code in (("n", 130), ("y", 0)):
        with sit([ATTRACTOR, "token", "create", "me"], cwd=flow.project, environ=environ) as person:
            person.until("Create the token 'me' with the scope decide? [y/N]:")
            person.type(f"{answer}\n")
            assert person.ends_with() == exit_code
    listed = json.loads(call(flow, "token", "list", "--json")[1])
    assert [one["name"] for one in listed] == ["ann-operate", "ann-decide", "ci", "me"]
    assert call(flow, "token", "revoke", "me")[0] == 0
    assert "me" not in call(flow, "token", "list")[1]
