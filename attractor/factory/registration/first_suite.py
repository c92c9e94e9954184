"""Writes a first suite: of examples, of unit tests, or one to edit."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError
from attractor.base.files import write_whole
from attractor.config.checks import require_name
from attractor.factory.registration.register_suite import drawn_pipelines
from attractor.factory.registration.unit_tests import UnitTestFile
from attractor.pipeline.project.project import Project
from attractor.scenarios.suite_files import FIXTURES, SCENARIO_END, SUITE_FILE

_TEMPLATE = Path(__file__).with_suffix("")
_EXAMPLES = _TEMPLATE.with_name("example_suite")
_UNIT_TESTS = _TEMPLATE.with_name("unit_test_suite")
_CANARY_BYTES = 16
_SETUP = """
[setup]
run = {} # builds the program once an evaluation; each trial gets a copy of the result
"""
_RUN = re.compile(r"^run = .*$", re.MULTILINE)
_WALLED = re.compile(r"^\./")
_PATH = re.compile(r'^path = "', re.MULTILINE)
ARROW = "=>"
FORM = f"write 'COMMAND {ARROW} OUTPUT', such as 'python3 total.py 1 2 {ARROW} 3'"


@dataclass(frozen=True)
class Example:
    """A command, and the output that it will print when a wish has come true."""

    command: str
    output: str


def read_example(text: str) -> Example:
    """Read `COMMAND => OUTPUT`."""
    command, arrow, output = (one.strip() for one in text.partition(ARROW))
    if not (command and arrow and output):
        raise UsageError(f"invalid example {text!r}", hint=FORM)
    return Example(command, output)


def read_examples(texts: Sequence[str]) -> tuple[Example, ...]:
    """Read the examples of a suite: the first for agents, the others hidden; or none."""
    examples = tuple(dict.fromkeys(map(read_example, texts)))
    if len(examples) == 1:
        are_equal = len(texts) > 1
        raise UsageError(
            "the examples are equal" if are_equal else "missing hidden example",
            hint=f"give two{' different ones' * are_equal}: agents see the first, the others judge",
        )
    return examples


def require_suite_name(name: str) -> None:
    """Refuse a name that no suite may have."""
    try:
        require_name(name)
    except ValueError as cause:
        raise UsageError(f"invalid name of a suite: {name!r}", hint=str(cause)) from cause


def write_first_suite(
    folder: Path,
    pipeline: str,
    project: Project,
    examples: Sequence[Example] = (),
    build: Sequence[str] = (),
    prefix: str = "",
    unit_tests: Sequence[UnitTestFile] = (),
) -> list[Path]:
    """Write a suite for a pipeline (default: the only one of the project); return its files.

    Without examples, unit tests judge behind a wall; without these too, it is a suite to edit.
    `build` are the commands of its setup. `prefix` is the path of the project in its repository, at
    whose top steps start, with a slash at the end.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="name a new folder")
    require_suite_name(folder.resolve().name)
    values = {
        '"NAME"': toml_text(folder.resolve().name),
        '"PIPELINE"': toml_text(pipeline or _only(project)),
        "CANARY": f"canary-{project.machine.randomness(_CANARY_BYTES).hex()}",
    }
    if examples:
        texts = _example_files(examples, values)
    elif unit_tests:
        texts = _unit_test_files(unit_tests, values, prefix)
    else:
        texts = _files_to_edit(values)
    if build:
        texts[SUITE_FILE] += _SETUP.format(json.dumps([*build], ensure_ascii=False))
    for path, text in texts.items():
        if path.endswith(SCENARIO_END):
            text = _below(prefix, text)
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    copied = () if examples else sorted({path for one in unit_tests for path in one.fixtures})
    for path in copied:
        file = folder / FIXTURES / path
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, (project.root / path).read_bytes())
    return [folder / path for path in (*texts, *(f"{FIXTURES}/{one}" for one in copied))]


def _below(prefix: str, scenario: str) -> str:
    """Return a scenario whose steps start in a folder of the repository; its top is the default."""
    if not prefix:
        return scenario
    cwd = f"cwd = {toml_text(prefix.rstrip('/'))}"
    scenario = _RUN.sub(lambda found: f"{found[0]}\n{cwd}", scenario)
    return _PATH.sub(lambda found: found[0] + toml_text(prefix)[1:-1], scenario)


def _files_to_edit(values: Mapping[str, str]) -> dict[str, str]:
    return {
        str(path.relative_to(_TEMPLATE)): _filled(path.read_text("utf-8"), values)
        for path in sorted(_TEMPLATE.rglob("*.toml"))
    }


def _example_files(examples: Sequence[Example], values: Mapping[str, str]) -> dict[str, str]:
    form = (_EXAMPLES / f"example{SCENARIO_END}").read_text("utf-8")
    files = {SUITE_FILE: _filled((_EXAMPLES / SUITE_FILE).read_text("utf-8"), values)}
    for number, one in enumerate(examples):
        split, name = ("holdout", f"hidden-{number}") if number else ("train", "example")
        hidden = f"Agents never see the scenarios in holdout/. {values['CANARY']}"
        more = {
            "NOTE": hidden if number else _SEEN,
            '"ID"': toml_text(name),
            '"TITLE"': toml_text(f"Hidden example {number}" if number else "Example"),
            '"STORY"': toml_text(f"A person types {one.command}"),
            '"COMMAND"': toml_text(one.command),
            '"OUTPUT"': toml_text(one.output),
        }
        files[f"{split}/{name}{SCENARIO_END}"] = _filled(form, more)
    return files


def _unit_test_files(
    unit_tests: Sequence[UnitTestFile], values: Mapping[str, str], prefix: str
) -> dict[str, str]:
    form = (_UNIT_TESTS / f"unit{SCENARIO_END}").read_text("utf-8")
    files = {SUITE_FILE: _filled((_UNIT_TESTS / SUITE_FILE).read_text("utf-8"), values)}
    for one in unit_tests:
        name = re.sub(r"[^a-z0-9_-]+", "-", one.path.lower().rpartition(".")[0]).strip("-_")
        fixtures = (
            f"    {{ from = {toml_text(path)}, to = {toml_text(prefix + path)} }},\n"
            for path in one.fixtures
        )
        variables = (f"{key} = {toml_text(value)}" for key, value in one.variables.items())
        more = {
            **values,
            '"ID"': toml_text(name),
            '"TITLE"': toml_text(f"The unit tests in {one.path} pass"),
            '"STORY"': toml_text(f"What {one.path} tests works as before."),
            "FIXTURES": f"[\n{''.join(fixtures)}]",
            "MODULES": json.dumps([_WALLED.sub(f"./{prefix}", name) for name in one.modules]),
            '"COMMAND"': toml_text(one.command),
            "ENVIRONMENT\n": f"env = {{ {', '.join(variables)} }}\n\n" if one.variables else "\n",
        }
        files[f"holdout/{name}{SCENARIO_END}"] = _filled(form, more)
    return files


_SEEN = "Agents may see the scenarios in train/, which 'attractor suite try' plays."


def _filled(text: str, values: Mapping[str, str]) -> str:
    # At once: a value may contain the name of another placeholder.
    places = "|".join(map(re.escape, values))
    return re.sub(places, lambda found: values[found[0]], text)


def toml_text(text: str) -> str:
    """Quote a text; JSON and TOML have the same escapes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _only(project: Project) -> str:
    """Return the name of the only pipeline of the project; `*` for several, or for agents alone."""
    names = drawn_pipelines(project)
    return next(iter(names)) if len(names) == 1 else "*"
