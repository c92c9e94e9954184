"""`attractor validate`, used by people and by programs."""

import codecs
import json
import os
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.running import attractor
from tests.language.pipelines import BRANCH
from tests.tables import table

BROKEN = """digraph G {
    start [shape=Mdiamond]
    work  [promt="Work"]
    exit  [shape=Msquare]
    start -> wrok -> exit
}
"""
FIXABLE = """digraph G {
    start [shape=Mdiamond]
    work [promt="Work"]
    exit [shape=Msquare]
    start -> work -> exit
}
"""
MENDED = FIXABLE.replace("promt", "prompt")
NOT_PORTABLE = "digraph { start; a [prompt=x label=y]; exit; start -> a -> exit }"
FIELDS = {
    *("rule", "severity", "message", "file", "line", "column", "end_line", "end_column"),
    *("node", "edge", "fix", "fixable"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {
        "good.dot": BRANCH.replace('the plan"', 'the plan", max_visits=4'),
        "broken.dot": BROKEN,
        "syntax.dot": "digraph G {\n  a -- b\n  c = \n}\n",
        "warned.dot": BRANCH.replace('prompt="Run tests"', 'foo="bar"'),
        "odd.dot": NOT_PORTABLE,
        "fixable.dot": FIXABLE,
        "empty.dot": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.dot").write_bytes(b"\x7fELF\0\0\xff")
    return tmp_path


def with_rules(folder: Path, *lines: str) -> None:
    (folder / "attractor.toml").write_text("\n".join(["[rules]", *lines, ""]))


def test_valid_pipeline_has_no_problems(folder: Path) -> None:
    result = attractor("validate", "good.dot", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "1 file, no problems found\n"
    result = attractor("validate", "empty.dot", folder=folder)
    assert result.returncode == 1
    assert "no graph in this file" in result.stdout
    result = attractor("validate", "-", folder=folder, typed="digraph G {\n a -- b }")
    assert result.returncode == 1
    assert result.stdout.startswith("<stdin>:2:4: error[syntax]")
    (folder / "typed.dot").write_text(MENDED.replace("work [", 'work [type="wait.humn", '))
    result = attractor("validate", "typed.dot", folder=folder)
    assert "fix: did you mean wait.human?" in result.stdout


def test_diagnostics_have_carets_and_a_summary(folder: Path, snapshot: SnapshotAssertion) -> None:
    result = attractor("validate", "broken.dot", "good.dot", "syntax.dot", folder=folder)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout == snapshot


@pytest.mark.parametrize("flags", [["--json"], ["--format", "json"]])
def test_json_output_is_complete(folder: Path, flags: list[str]) -> None:
    result = attractor("validate", "syntax.dot", "good.dot", *flags, folder=folder)
    assert result.returncode == 1
    record = json.loads(result.stdout)
    assert record.keys() == {"diagnostics", "summary"}
    assert record["summary"] | {"fixable": 0} == {
        "files": 2,
        "errors": 2,
        "warnings": 0,
        "infos": 0,
        "fixable": 0,
    }
    first = record["diagnostics"][0]
    assert first.keys() == FIELDS
    assert (first["rule"], first["severity"], first["file"]) == ("syntax", "error", "syntax.dot")
    assert (first["line"], first["column"], first["end_column"]) == (2, 5, 7)


def test_sarif_and_github_output(folder: Path) -> None:
    result = attractor("validate", "syntax.dot", "--format", "sarif", folder=folder)
    assert result.returncode == 1
    run = json.loads(result.stdout)["runs"][0]
    assert [one["ruleId"] for one in run["results"]] == ["syntax", "syntax"]
    assert run["tool"]["driver"]["rules"][0]["help"]["text"]
    assert run["invocations"] == [{"executionSuccessful": True}]
    result = attractor("validate", "syntax.dot", "--format", "github", folder=folder)
    assert result.returncode == 1
    first = result.stdout.splitlines()[0]
    place = "file=syntax.dot,line=2,col=5,endLine=2,endColumn=7,title=syntax"
    assert first == f"::error {place}::invalid edge '--': edges have a direction%0Ause ->"


def test_strict_reports_unportable_syntax_as_errors(folder: Path) -> None:
    lenient = attractor("validate", "odd.dot", folder=folder)
    strict = attractor("validate", "odd.dot", "--strict", folder=folder)
    assert (lenient.returncode, strict.returncode) == (0, 1)
    assert "2 infos in 1 file" in lenient.stdout
    assert "2 errors in 1 file" in strict.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.dot", "cannot read missing.dot: No such file"),
        ("binary.dot", "binary.dot is a binary file"),
        ("nothing", "no pipeline in nothing"),
    ],
)
def test_unreadable_file_hides_no_other_diagnostics(folder: Path, name: str, words: str) -> None:
    (folder / "nothing").mkdir()
    result = attractor("validate", name, "syntax.dot", folder=folder)
    assert result.returncode == 2
    assert words in result.stdout
    assert "syntax.dot:2:5: error[syntax]" in result.stdout
    record = json.loads(attractor("validate", name, "syntax.dot", "--json", folder=folder).stdout)
    assert [one["file"] for one in record["diagnostics"]] == ["syntax.dot", "syntax.dot", name]
    assert record["summary"]["files"] == 1


def test_a_folder_is_searched(folder: Path) -> None:
    result = attractor("validate", ".", "--json", folder=folder)
    assert result.returncode == 2
    record = json.loads(result.stdout)
    assert record["summary"]["files"] == 7
    assert {"binary.dot", "syntax.dot", "broken.dot"} <= {
        one["file"] for one in record["diagnostics"]
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_exits_with_2(folder: Path) -> None:
    (folder / "good.dot").chmod(0)
    assert attractor("validate", "good.dot", folder=folder).returncode == 2


@pytest.mark.parametrize("again", ["good.dot", "./good.dot"])
def test_a_file_named_twice_is_checked_once(folder: Path, again: str) -> None:
    result = attractor("validate", "good.dot", again, folder=folder)
    assert result.stdout == "1 file, no problems found\n"


def test_color_follows_the_setting(folder: Path) -> None:
    plain = attractor("validate", "broken.dot", folder=folder)
    chosen = attractor("-c", "output.color=always", "validate", "broken.dot", folder=folder)
    assert "\x1b[" not in plain.stdout
    assert "\x1b[33mbroken.dot:3:12: warning[unknown_attribute]" in chosen.stdout
    assert "\x1b[31mbroken.dot:3:5: error[reachability]" in chosen.stdout
    assert "      |     \x1b[31m^^^^\x1b[0m\n" in chosen.stdout


def test_levels_of_rules(folder: Path) -> None:
    with_rules(folder, 'unknown_attribute = "error"')
    (folder / "sub").mkdir()
    graver = attractor("validate", "../warned.dot", folder=folder / "sub")
    assert graver.returncode == 1
    assert "error[unknown_attribute]" in graver.stdout
    with_rules(folder, 'unknown_attribute = "off"')
    assert "unknown_attribute" not in attractor("validate", "warned.dot", folder=folder).stdout
    flag = "rules.unknown_attribute=error"
    assert attractor("-c", flag, "validate", "warned.dot", folder=folder).returncode == 1
    variables = {"ATTRACTOR_RULES__UNKNOWN_ATTRIBUTE": "error"}
    result = attractor("validate", "warned.dot", folder=folder, variables=variables)
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('unknown_atribute = "off"', "did you mean unknown_attribute?"),
        ('start_node = "off"', "the level of the rule start_node is always error"),
        ('reachability = "of"', "did you mean off?"),
    ],
)
def test_invalid_rule_setting_has_its_line(folder: Path, line: str, words: str) -> None:
    with_rules(folder, line)
    result = attractor("validate", "good.dot", folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert "attractor.toml:2: " in result.stderr
    assert words in result.stderr


def test_fixes_are_applied_and_listed(folder: Path) -> None:
    result = attractor("validate", "fixable.dot", "good.dot", "--fix", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert (folder / "fixable.dot").read_text() == MENDED
    output = result.stdout.splitlines()
    assert output[0].startswith("fixable.dot:3:11: fixed[unknown_attribute]: ")
    assert output[1:] == ["1 fixed in 1 file", "2 files, no problems found"]


def test_fixes_keep_a_byte_order_mark_and_the_line_ends(folder: Path) -> None:
    before, after = (
        codecs.BOM_UTF8 + text.encode().replace(b"\n", b"\r\n") for text in (FIXABLE, MENDED)
    )
    (folder / "fixable.dot").write_bytes(before)
    assert attractor("validate", "fixable.dot", "--fix", folder=folder).returncode == 0
    assert (folder / "fixable.dot").read_bytes() == after


def test_remaining_problems_are_reported_after_fixes(folder: Path) -> None:
    result = attractor("validate", "broken.dot", "--fix", "--json", folder=folder)
    assert result.returncode == 1
    record = json.loads(result.stdout)
    assert "unknown_attribute" in [one["rule"] for one in record["fixed"]]
    assert "reachability" in [one["rule"] for one in record["diagnostics"]]
    assert 'work  [prompt="Work"]' in (folder / "broken.dot").read_text()


def test_fixes_are_shown_without_being_applied(folder: Path) -> None:
    result = attractor("validate", "fixable.dot", "--fix", "--diff", folder=folder)
    assert result.returncode == 0
    assert '-    work [promt="Work"]\n+    work [prompt="Work"]\n' in result.stdout
    assert (folder / "fixable.dot").read_text() == FIXABLE


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--diff", "good.dot"], "--diff requires --fix"),
        (["--fix", "-"], "cannot fix standard input"),
        (["--watch", "-"], "cannot watch standard input"),
        (["--watch", "--json", "good.dot"], "--watch cannot be combined with"),
    ],
)
def test_incompatible_options_exit_with_2(folder: Path, words: list[str], hint: str) -> None:
    result = attractor("validate", *words, folder=folder)
    assert result.returncode == 2
    assert hint in result.stderr


def test_two_formats_contradict_each_other(folder: Path) -> None:
    result = attractor("validate", "good.dot", "--json", "--format", "sarif", folder=folder)
    assert result.returncode == 2
    message = json.loads(result.stdout)["error"]["message"]
    assert message == "--json cannot be combined with --format sarif"


@table(
    ("attributes", "variables", "lacking"),
    [
        ("llm_model=opus", {}, "missing API key of the provider 'anthropic'|set ANTHROPIC_API_KEY"),
        ("llm_model=opus", {"ANTHROPIC_API_KEY": "k"}, ""),
        (
            'llm_model="azure/x"',
            {"AZURE_API_KEY": "k"},
            "set AZURE_API_BASE",
        ),
        ("llm_model=x, llm_provider=groq", {}, "missing GROQ_API_KEY|set GROQ_API_KEY"),
        ("llm_model=opus, backend=claude", {}, ""),
        ("llm_model=opus, type=tool, tool_command=true", {}, ""),
    ],
)
def test_missing_variable_of_a_named_model_is_told(
    folder: Path, attributes: str, variables: dict[str, str], lacking: str
) -> None:
    # A model that two stages name is reported once.
    stages = f"a [prompt=x, {attributes}]; b [prompt=x, {attributes}]; start -> a -> b -> exit"
    graph = f"digraph g {{ start [shape=Mdiamond]; exit [shape=Msquare]; {stages} }}"
    (folder / "named.dot").write_text(graph)
    (folder / "attractor.toml").unlink(missing_ok=True)
    result = attractor("validate", "named.dot", "--json", folder=folder, variables=variables)
    assert result.returncode == 0
    found = [
        one for one in json.loads(result.stdout)["diagnostics"] if one["rule"] == "provider_ready"
    ]
    assert len(found) == bool(lacking)
    assert all(words in str(found) for words in lacking.split("|"))
    (folder / "attractor.toml").write_text("backends.default = 'claude'")
    result = attractor("validate", "named.dot", folder=folder, variables=variables)
    assert "provider_ready" not in result.stdout


def test_validate_imports_no_heavy_module(folder: Path) -> None:
    """Modules that are slow to import are not imported."""
    result = attractor(
        "validate", "good.dot", folder=folder, variables={"PYTHONPROFILEIMPORTTIME": "1"}
    )
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "attractor.language.reading" in imported
    heavy = {"lark", "pydantic", "asyncio", "litellm", "rich", "httpx", "platformdirs"}
    assert not heavy & imported
    assert not {"watchfiles", "difflib", "tomllib", "secrets", "attractor.llm"} & imported
    assert not {"attractor.fleet", "dbos", "obstore", "sqlalchemy"} & imported
