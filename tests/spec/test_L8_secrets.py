"""L8 and events: no secret reaches a prompt, a log, the checkpoint or any other file."""

import asyncio
import json
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from attractor.base.errors import ExitCode, Refused, UsageError
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.run_folder.result import RunResult
from attractor.language.diagnostics import NotRunnable, ValidationError
from attractor.language.drawing.draw import draw
from attractor.pipeline.execute import resume
from attractor.pipeline.orders import Orders
from attractor.pipeline.project.project import Project
from attractor.records.drawing import read_drawn
from attractor.records.request import NO_OVERRIDES, Overrides, RunRequest
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, script, use, uses
from tests.cli.plain_desk import PlainDesk
from tests.patience import PATIENCE_S
from tests.pipeline.projects import adjusted, make_project, open_project, simulated, start
from tests.tables import table

KEY, PASSWORD = "sk-SuperSecret/Value+12345", 'päss wörd "quoted" 123'
TOKEN, OWN = "ghp_0123456789abcdef", "the own secret of this run"
SECRETS = (KEY, PASSWORD, TOKEN, OWN)
ENVIRON = {"MY_API_KEY": KEY, "DB_PASSWORD": PASSWORD, "GH_TOKEN": TOKEN}

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
EVERYWHERE = f"""digraph everywhere {{
    inputs = "plain, own:secret"
    {ENDS}
    make  [prompt="Make ${{inputs.plain}} for $goal", tool_hooks.post="cat leak.txt >&2; exit 1"]
    show  [shape=parallelogram, tool_command="cat leak.txt; cat leak.txt >&2"]
    write [shape=parallelogram, secrets="own", max_retries=1,
           tool_command="@write.sh", if_interrupted="repeat"]
    inner [type=pipeline, file="inner.dot", inputs="word=inputs.plain, own=inputs.own"]
    ask   [shape=hexagon, label="Ship it?"]
    start -> make -> show -> write -> inner -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> make [label="[N] No"]
}}
"""
# Its first attempt fails, and its leftovers are set aside.
WRITE = """
echo "$ATTRACTOR_INPUT_OWN" > own.txt
cat leak.txt > copy.txt
test -e "$HOME/again" || { touch "$HOME/again"; exit 3; }
echo "$ATTRACTOR_INPUT_OWN"
"""
INNER = f"""digraph inner {{
    inputs = "word, own:secret"; outputs = "last_response"
    {ENDS}
    think [prompt="Think of ${{inputs.word}}", backend="simulate"]
    tell  [shape=parallelogram, secrets="own", tool_command="echo $ATTRACTOR_INPUT_OWN"]
    start -> think -> tell -> exit
}}
"""
LEAK = "\n".join(
    [
        *(KEY, PASSWORD, TOKEN, b64encode(KEY.encode()).decode(), quote(PASSWORD, safe="")),
        *(KEY.encode().hex(), KEY.replace("/", "%2f").replace("+", "%2b"), f"{KEY[:9]}\n{KEY[9:]}"),
        "",
    ]
)
SIMPLE = f"""digraph simple {{
    inputs = "own:secret, plain="
    {ENDS}
    push [shape=parallelogram, secrets="own", tool_command="echo got $ATTRACTOR_INPUT_OWN"]
    else [shape=parallelogram, tool_command="env"]
    ask  [shape=hexagon, label="Ship it?"]
    start -> push -> else -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> push [label="[N] No"]
}}
"""


def options(opened: Project, *, goal: str = "", **inputs: str) -> RunRequest:
    return simulated(opened.root, goal=goal, inputs=inputs, workspace="none", interviewer="park")


def simple(folder: Path, text: str = SIMPLE, **environ: str) -> Project:
    return with_variables(open_project(make_project(folder / "project", text)), environ)


def with_variables(opened: Project, more: Mapping[str, str]) -> Project:
    return adjusted(opened, environ={**opened.machine.environ, **more})


def go(opened: Project, *, goal: str = "", **inputs: str) -> RunResult:
    return asyncio.run(start(options(opened, goal=goal, **inputs), opened))


def go_on(root: Path, opened: Project, overrides: Overrides = NO_OVERRIDES) -> RunResult:
    return asyncio.run(resume(root, opened, replace(overrides, interviewer="auto_approve")))


def orders(root: Path, opened: Project) -> Orders:
    return Orders(
        root=root,
        by="somebody",
        clock=opened.machine.clock,
        randomness=opened.machine.randomness,
        redactor=opened.redactor,
    )


def forms_of(secret: str) -> list[str]:
    written = (json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    encoded = b64encode(secret.encode()).decode().rstrip("=")
    split = [secret[:9], secret[9:]]
    return [*split, secret, *written, encoded, quote(secret, safe=""), secret.encode().hex()]


def found_in(folder: Path) -> list[str]:
    """Return the files that contain a secret, in any encoding."""
    wanted = {form.encode() for one in SECRETS for form in forms_of(one)}
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert len(files) > 10
    return [
        str(one.relative_to(folder))
        for one in files
        if any(form in one.read_bytes() for form in wanted)
    ]


def test_L8_no_file_of_a_run_directory_holds_a_secret(tmp_path: Path) -> None:
    files = {"leak.txt": LEAK, "write.sh": WRITE, "inner.dot": INNER}
    project = make_project(tmp_path / "project", EVERYWHERE, **files)
    opened = with_variables(open_project(project), ENVIRON)
    asked = replace(
        options(opened, goal=f"goal {PASSWORD}", plain=KEY, own=OWN),
        backend="agent",
        model=MODELS["openai"],
        provider="openai",
        workspace="isolated",
    )
    answers = [
        uses(use("shell", {"command": f"echo {TOKEN}"})),
        uses(use("report_outcome", {"outcome": "success", "notes": f"used {KEY}"})),
        says(f"I used {KEY} and {OWN}"),
    ]
    with in_background(ProviderTwin(script(*answers))) as twin:
        at_work = with_variables(opened, twin.environ())
        result = asyncio.run(asyncio.wait_for(start(asked, at_work), PATIENCE_S))
        root = result.directory
        assert result.question is not None, result.reason
        orders(root, opened).answer("y", why=f"because {TOKEN}")
        given = Overrides(goal=f"goal {PASSWORD}", inputs={"plain": KEY, "own": OWN})
        assert go_on(root, at_work, given).exit_code is ExitCode.DONE
    assert "because ***" in next((root / "inbox" / "done").iterdir()).read_text()
    assert list(root.rglob("left-*.patch")), "what the first attempt left was not set aside"
    drawn = asyncio.run(draw(read_drawn(RunDirectory(root)).picture))
    assert not [form for one in SECRETS for form in forms_of(one) if form in drawn]
    assert list(root.glob("children/*/manifest.json"))
    assert found_in(root) == []


def test_L8_message_with_a_secret_is_refused(tmp_path: Path) -> None:
    opened = simple(tmp_path, **ENVIRON)
    root = go(opened, own=OWN).directory
    with (
        open_run(root, clock=opened.machine.clock, before_end=None),
        pytest.raises(Refused, match="contains a secret"),
    ):
        orders(root, opened).steer(f"Log in with {TOKEN}")
    assert list((root / "inbox").glob("*.json")) == []


def test_L8_a_secret_input_reaches_the_command_that_asks_for_it_alone(tmp_path: Path) -> None:
    opened = simple(
        tmp_path, ATTRACTOR_INPUT_OTHER="another value", PG="the own secret of this run"
    )
    result = go(opened, own=OWN)
    assert (result.directory / "push" / "stdout.txt").read_text() == "got ***\n"
    others = (result.directory / "else" / "stdout.txt").read_text()
    assert "PATH=" in others
    given = [one for one in others.splitlines() if one.startswith("ATTRACTOR_INPUT_")]
    assert given == ["ATTRACTOR_INPUT_PLAIN="]
    assert "PG=" not in others


def test_L8_a_secret_is_given_by_its_variable(tmp_path: Path) -> None:
    opened = simple(tmp_path, ATTRACTOR_INPUT_OWN=OWN)
    result = go(opened)
    assert (result.directory / "push" / "stdout.txt").read_text() == "got ***\n"
    manifest = read_manifest(RunDirectory(result.directory))
    assert manifest.options["inputs"] == {"own": "***"}
    assert go_on(result.directory, opened).exit_code is ExitCode.DONE


def test_L8_a_secret_in_a_prompt_is_an_error(tmp_path: Path) -> None:
    text = SIMPLE.replace("ask  [", 'say [prompt="Use ${inputs.own}"]; else -> say -> ask; ask [')
    with pytest.raises(ValidationError, match="must not occur in a prompt"):
        go(simple(tmp_path, text), own=OWN)


def test_L8_an_agent_cannot_ask_for_a_secret(tmp_path: Path) -> None:
    text = SIMPLE.replace("ask  [", 'say [prompt="Push", secrets="own"]; else -> say -> ask; ask [')
    with pytest.raises(ValidationError, match="its type is codergen"):
        go(simple(tmp_path, text), own=OWN)


@table(
    ("inputs", "message"),
    [
        ({}, "the secret input own is missing"),
        ({"own": "short"}, "is shorter than 8 characters"),
        ({"own": "  short  "}, "is shorter than 8 characters"),
        ({"own": "a\0bcdefghij"}, "contains a NUL byte"),
    ],
)
def test_L8_unkeepable_secret_is_refused(
    tmp_path: Path, inputs: dict[str, str], message: str
) -> None:
    needs = 'inputs = "own:secret, plain="; requires="no-such-program-of-ours"'
    opened = simple(tmp_path, SIMPLE.replace('inputs = "own:secret, plain="', needs))
    with pytest.raises(NotRunnable, match=message) as refused:
        go(opened, **inputs)
    assert "no-such-program-of-ours" in str(refused.value)
    assert not opened.runs_dir.exists()


def test_L8_withheld_values_are_passed_again_on_resume(tmp_path: Path) -> None:
    opened = simple(tmp_path, MY_API_KEY=KEY)
    root = go(opened, goal=f"Use {KEY}", own=OWN, plain=f"with {KEY}").directory
    with pytest.raises(NotRunnable) as refused:
        go_on(root, opened)
    for message in ("the goal contains a secret", "the input own", "the input plain", "@env:NAME"):
        assert message in str(refused.value)
    # On another machine nothing marks it as a secret.
    elsewhere = adjusted(
        opened, environ={"PATH": opened.machine.environ["PATH"], "HOME": str(tmp_path)}
    )
    given = Overrides(goal=f"Use {KEY}", inputs={"own": OWN, "plain": f"with {KEY}"})
    assert go_on(root, elsewhere, given).exit_code is ExitCode.DONE
    assert found_in(root) == []


def test_L8_resume_rejects_other_values(tmp_path: Path) -> None:
    opened = simple(tmp_path)
    root = go(opened, own=OWN, plain="open").directory
    with pytest.raises(UsageError, match="the input 'plain' of the run cannot change"):
        go_on(root, opened, Overrides(inputs={"own": OWN, "plain": "another"}))


@table("name", ["pipeline.dot", "prompt.md"])
def test_L8_a_pipeline_that_holds_a_secret_is_refused(tmp_path: Path, name: str) -> None:
    text = SIMPLE.replace("ask  [", 'say [prompt="@prompt.md"]; else -> say -> ask; ask [')
    opened = simple(tmp_path, text, MY_API_KEY=KEY)
    (opened.root / "prompt.md").write_text("Say it")
    file = opened.root / name
    file.write_text(f"{file.read_text()}\n// {KEY}\n")
    with pytest.raises(
        NotRunnable, match=r"contains the value of the variable MY_API_KEY"
    ) as refused:
        go(opened, own=OWN)
    assert name in str(refused.value)
    assert "env -u MY_API_KEY" in refused.value.hint
    assert not opened.runs_dir.exists()


@table(
    ("child", "given", "message"),
    [
        ("own:secret", "own=context.x", "only accepts a secret input of this pipeline"),
        ("own:secret", "own=a-literal-secret", "only accepts a secret input of this pipeline"),
        ("own:secret", "own=inputs.plain", "only accepts a secret input of this pipeline"),
        ("open", "open=inputs.own", "which the child pipeline does not declare as a secret"),
    ],
)
def test_L8_secrets_stay_secrets(tmp_path: Path, child: str, given: str, message: str) -> None:
    text = SIMPLE.replace(
        "ask  [", f'sub [type=pipeline, file="c.dot", inputs="{given}"]; else -> sub -> ask; ask ['
    )
    opened = simple(tmp_path, text)
    inner = f'digraph c {{ inputs="{child}"; {ENDS}; a [prompt="x"]; start -> a -> exit }}'
    (opened.root / "c.dot").write_text(inner)
    with pytest.raises(NotRunnable, match=message):
        go(opened, own=OWN)


def test_L8_secret_can_be_given_without_the_command_line(tmp_path: Path) -> None:
    desk = PlainDesk(tmp_path)
    desk.write(SIMPLE)
    (tmp_path / "secret.txt").write_text(f"{OWN}\n")
    ended: subprocess.CompletedProcess[str] = desk.do(
        *("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none"),
        *("--workspace", "none", "--no-evaluate", "--input", "own=@file:secret.txt"),
    )
    assert ended.returncode == 3, ended.stderr
    refused = desk.do("resume", "latest", "--interviewer", "auto_approve")
    assert refused.returncode == 2
    assert "the input own contains a secret and was not stored" in refused.stderr
    again = ("--input", "own=@file:secret.txt", "--interviewer", "auto_approve", "--no-evaluate")
    assert desk.do("resume", "latest", *again).returncode == 0
