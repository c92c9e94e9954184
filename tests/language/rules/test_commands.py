"""Rules about the commands of tool stages."""

from hypothesis import given, strategies as st

from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.rules.program_known import called_programs
from tests.language.rules.judging import found, inside, pointed_parts
from tests.tables import table


def test_a_tool_without_a_command_is_pointed_at() -> None:
    assert pointed_parts("a [shape=parallelogram]", "tool_has_command") == ["a"]
    assert pointed_parts('a [shape=parallelogram, tool_command=" "]', "tool_has_command") == ["a"]
    assert pointed_parts("a [shape=parallelogram, script=make]", "tool_has_command") == []


def test_shell_commands_with_a_syntax_error_are_reported() -> None:
    assert pointed_parts('a [tool_command="pytest -k \'a"]', "shell_syntax") == ['"pytest -k \'a"']
    assert pointed_parts('a ["tool_hooks.pre"="ls ) x"]', "shell_syntax") == ['"ls ) x"']
    assert pointed_parts("a [tool_command=then]", "shell_syntax") == ["then"]
    assert pointed_parts("a [tool_command=\"[[ a ]] && pytest -k 'a'\"]", "shell_syntax") == []
    (error,) = found(inside('a [tool_command="make &&"]'), "shell_syntax")
    assert error.message == ("invalid shell command: syntax error: unexpected end of file")

    def shell_error(command: str) -> str:
        raise AssertionError(command)

    text = 'a [tool_command=make]; b [tool_command="make -j 4"]'
    assert pointed_parts(text, "shell_syntax", vocabulary=Vocabulary(shell_error=shell_error)) == []


PROGRAMS = {
    "make test": ["make"],
    "cd a && npm test; git status | wc -l": ["npm", "git", "wc"],
    "X=1 Y=2 make": ["make"],
    './run.sh; /bin/ls; $TOOL; "$TOOL" x': [],
    "(make)": ["make"],
    "if true; then make; fi": ["make"],
    "for i in a b; do foo $i; done": ["foo"],
    "deploy() { make; }; deploy": [],
    "make 2>&1 >log": ["make"],
    "make && echo 'a; npm'": ["make"],
    "make\nnpm": ["make", "npm"],
    "cat <<EOF\nrm\nEOF": [],
    "case x in a) npm;; esac": [],
    "make 'a": [],
    "clang++ a.cc": ["clang++"],
    "export PATH=$PWD:$PATH; foo": [],
    ". venv/bin/activate && foo": [],
    "command -v foo && foo": [],
    "env -u A X=1 go test && env go": ["env", "go"],
    "timeout 9m cargo test; timeout -k 5s --signal=INT 1 npm test": ["timeout", "cargo", "npm"],
    "nohup nice -n 5 env -C web -i make >log; exec node": ["nohup", "nice", "env", "make", "node"],
    "env -S'go test' x; env; timeout 5": ["env", "timeout"],
    "env ./run go; timeout $T $TOOL go": ["env", "timeout"],
    "pip install ruff && ruff check": ["pip"],
}


def test_programs_called_by_a_plain_name() -> None:
    assert {command: called_programs(command) for command in PROGRAMS} == PROGRAMS


@given(st.text("'\"`$(){}\\ \n;&|#<>a", max_size=20))
def test_any_text_is_a_command_to_look_for_programs(command: str) -> None:
    assert set(called_programs(command)) <= {"a"}


def test_missing_programs_are_reported_once() -> None:
    command = "cd web && nmp test && make | tee log; ./run; $TOOL"
    assert pointed_parts(f'a [tool_command="{command}"]', "program_known") == ["nmp", "tee"]
    assert pointed_parts("a [tool_command=nmp]", "program_known", vocabulary=Vocabulary()) == []
    asked: list[str] = []

    def has_program(name: str) -> bool:
        asked.append(name)
        return True

    vocabulary = Vocabulary(has_program=has_program)
    text = 'a [tool_command="make; make x"]; b [tool_command=make]'
    assert pointed_parts(text, "program_known", vocabulary=vocabulary) == []
    assert asked == ["make"]
    assert pointed_parts('requires="make, nmp>=20, env:nmp"', "program_known") == ["nmp>=20"]


@table("name", ["tool_command", "receipt", "tool_hooks.pre", "tool_hooks.post"])
def test_each_command_is_checked(name: str) -> None:
    assert pointed_parts(f'a ["{name}"="nmp test"]', "program_known") == ["nmp"]


@table(
    ("text", "where"),
    [
        ("a [shape=parallelogram, tool_command=ls]", []),
        ("a [type=tool, shape=box, tool_command=ls]", []),
        ("a [prompt=x, tool_command=ls]", ["tool_command"]),
        ("a [shape=hexagon, tool_command=ls]", ["tool_command"]),
        ("a [prompt=x, script=ls]", ["script"]),
        ("a [type=lambda, tool_command=ls]", []),
        ("a [type=wait, tool_command=ls]", ["tool_command"]),
        ('a [prompt=x, tool_command=" "]', []),
        ("node [tool_command=ls]; a [shape=parallelogram]; b [prompt=x]", []),
        ("node [tool_command=ls]; a [prompt=x]; b [prompt=x]", ["tool_command"]),
    ],
)
def test_command_that_is_never_run_is_reported(text: str, where: list[str]) -> None:
    assert pointed_parts(text, "command_needs_tool") == where


@table(
    ("text", "where"),
    [
        ('a [receipt="make test"]', []),
        ("a [shape=parallelogram, tool_command=ls, receipt=ls]", ["receipt"]),
        ("a [type=prompt, receipt=ls]", ["receipt"]),
        ("a [type=lambda, receipt=ls]", ["receipt"]),
        ('a [receipt=" "]', ["receipt"]),
    ],
)
def test_receipt_that_never_runs_is_refused(text: str, where: list[str]) -> None:
    assert pointed_parts(text, "receipt_on_agent") == where


@table(
    ("requires", "where"),
    [
        ("git, node>=20, env:TOKEN", []),
        ("", []),
        ("git; node, env:T", ["git; node"]),
        ("git, evn:T, node=>3", ["evn:T", "node=>3"]),
    ],
)
def test_invalid_requirement_is_reported(requires: str, where: list[str]) -> None:
    assert pointed_parts(f'requires="{requires}"', "requires_syntax") == where
