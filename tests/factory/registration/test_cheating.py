"""Cheats are played against a suite: which does it believe, and what guards it?"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.cheat import Solution, all_cheats
from attractor.factory.registration.cheating import CheatResult, Cheats, PlayedCheats
from attractor.factory.resources.suites import Proof, suite_record
from attractor.factory.resources.versions import cheat_words
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.sealed_suite import seal_suite
from attractor.scenarios.suite_lint import SuiteRefused
from tests.cli.running import attractor
from tests.factory.registration.test_register_suite import SUITE, register
from tests.needs import require
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.ports import free_port
from tests.scenarios.suites import write_files, write_suite
from tests.tables import table

SCENARIO = """
id = "works"
title = "It works"
story = "A number is found."
fixtures = {fixtures}

[[steps]]
name = "test"
run = "{run}"

[[checks]]
kind = "exit"
step = "test"
"""
PYTHON_TEST = """
import unittest
from calc import half

class HalfTest(unittest.TestCase):
    def test_half(self):
        self.assertEqual(half(3), 1.5)
        with self.assertRaises(TypeError):
            half("a")
"""
PYTHON = {"calc.py": "def half(n):\n    return n / 2\n"}
NODE_TEST = """
const test = require("node:test");
const assert = require("node:assert");
const { half } = require("./calc.js");
test("half", () => assert.strictEqual(half(3), 1.5));
"""
NODE_THROWS = NODE_TEST.replace("strictEqual(half(3), 1.5)", "throws(() => half('a'))")
NODE = {"calc.js": "exports.half = (n) => n / 2;\n"}
SHELL = {"half.sh": "#!/bin/sh\necho 1\n"}
MAKE = {"Makefile": "test:\n\tsh half.sh\n", **SHELL}
SAYS = '[[checks]]\nkind = "stdout"\nstep = "test"\ncontains = "1"\n'
UNITTEST, NODE_RUN = "python3 -m unittest -q calc_test", "node --test calc.test.js"
REPORT = '[[checks]]\nkind = "file"\npath = "out/score.txt"\ncontains = "100"\n'
PORT = free_port()
SERVICE = f"""
[[steps]]
name = "serve"
service = "python3 calc.py {PORT}"
port = {PORT}
ready = "5s"

[[steps]]
name = "ask"
port = {PORT}

[[checks]]
kind = "http"
step = "ask"
"""
BODY = '[[checks]]\nkind = "json"\nstep = "ask"\npath = "$.half"\nequals = 1.5\n'

OF_PYTHON = {f"python-{one}" for one in ("exits", "says-ok", "replaces-runner", "hides-modules")}
OF_NODE = {"javascript-exits", "javascript-says-ok", "javascript-replaces-assert"}
CASES = [
    (PYTHON, PYTHON_TEST, UNITTEST, "", OF_PYTHON),
    (PYTHON, PYTHON_TEST, UNITTEST, 'wall = ["calc"]', set[str]()),
    (NODE, NODE_TEST, NODE_RUN, "", OF_NODE),
    (NODE, NODE_TEST, NODE_RUN, 'wall = ["./calc.js"]', set[str]()),
    (SHELL, "", "sh half.sh", "", {"shell-exits", "prints-expected"}),
    (SHELL, "", "sh half.sh", SAYS, {"prints-expected"}),
    (MAKE, "", "make test", "", {"shell-exits", "prints-expected", "targets-do-nothing"}),
    (PYTHON, PYTHON_TEST, UNITTEST, REPORT, {"writes-reports"}),
]

RUST = {
    "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2024"\n',
    "src/lib.rs": "#![deny(warnings)]\npub fn half(n: f64) -> f64 {\n    n / 2.0\n}\n",
    "src/main.rs": 'fn main() {\n    println!("{}", calc::half(3.0));\n}\n',
}
RUST_TEST = "#[test]\nfn halves() {\n    assert_eq!(calc::half(3.0), 1.5);\n}\n"
RUST_RUN = "cargo test --offline --quiet"
JAVA = {
    "Calc.java": """class Calc {
    static double half(double n) { return n / 2; }
    public static void main(String[] args) { System.out.println(half(3)); }
}
"""
}
JAVA_TEST = """class CalcTest {
    public static void main(String[] args) { assert Calc.half(3) == 1.5; }
}
"""
JAVA_RUN = "javac Calc.java CalcTest.java && java -ea CalcTest"
C = {
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.5)
project(calc C)
enable_testing()
add_executable(calc_test calc.c calc_test.c)
add_test(NAME half COMMAND calc_test)
""",
    "calc.h": "double half(double n);\n",
    "calc.c": '#include "calc.h"\ndouble half(double n) { return n / 2; }\n',
    "main.c": '#include <stdio.h>\n#include "calc.h"\nint main() { printf("%g", half(3)); }\n',
}
C_TEST = '#include "calc.h"\nint main() { return half(3) != 1.5; }\n'
GCC = "gcc -Wall -Wextra -Werror calc.c"
C_RUN, CMAKE = (
    f"{GCC} calc_test.c && ./a.out",
    "cmake -B b && cmake --build b && ctest --test-dir b",
)
FIXTURES = {
    UNITTEST: "calc_test.py",
    NODE_RUN: "calc.test.js",
    RUST_RUN: "tests/calc.rs",
    JAVA_RUN: "CalcTest.java",
    **dict.fromkeys((C_RUN, CMAKE), "calc_test.c"),
}
PRINTS = '[[checks]]\nkind = "stdout"\nstep = "test"\ncontains = "1.5"\n'
OF_RUST = {"rust-exits", "rust-says-ok", "rust-rewrites-tests"}
OF_JAVA, OF_C = {"java-exits", "java-says-ok"}, {"c-exits", "c-says-ok"}
COMPILED = {
    "cargo": ("cargo", RUST, RUST_TEST, RUST_RUN, "", OF_RUST),
    "rust": ("cargo", RUST, "", "cargo run --offline --quiet", PRINTS, set[str]()),
    "javac": ("javac", JAVA, JAVA_TEST, JAVA_RUN, "", OF_JAVA),
    "java": ("javac", JAVA, "", "javac Calc.java && java Calc", PRINTS, set[str]()),
    "gcc": ("gcc", C, C_TEST, C_RUN, "", OF_C),
    "cmake": ("cmake", C, C_TEST, CMAKE, "", OF_C | {"targets-do-nothing"}),
    "c": ("gcc", C, "", f"{GCC} main.c && ./a.out", PRINTS, set[str]()),
}


def write(folder: Path, files: dict[str, str], test: str, run: str, more: str) -> OpenProject:
    """Write a project whose last commit solves nothing, and its suite."""
    project = make_project(folder / "project", **dict.fromkeys(files, ""))
    name = FIXTURES.get(run, "")
    scenario = SCENARIO.format(fixtures=json.dumps([name] if name else []), run=run)
    head, steps, rest = scenario.partition("\n[[steps]]")
    text = f"{head}\n{more}{steps}{rest}" if more.startswith("wall") else f"{scenario}{more}"
    write_suite(folder / "suite", suite=SUITE, works=text)
    train = SCENARIO.replace('"works"', '"seen"').replace("number is", "sum is")
    seen = f"{train.format(fixtures='[]', run='true')}{more if more == REPORT else SAYS}"
    write_files(folder / "suite" / "train", {"seen.scenario.toml": seen})
    write_files(folder / "suite" / "fixtures", {name: test} if name else {})
    write_files(project, files)
    write_files(folder / "suite" / "reference", {"works.patch": git(project, "diff", "HEAD")})
    git(project, "checkout", "--quiet", "--", ".")
    return OpenProject(open_project(project))


def all_played(opened: OpenProject, folder: Path) -> PlayedCheats:
    async def play() -> PlayedCheats:
        async with known_trees(RunScope.of(opened.project), sandbox="none") as trees:
            return await Cheats(seal_suite(folder, folder.with_name("store")), trees).play()

    return asyncio.run(play())


def played(opened: OpenProject, folder: Path) -> Sequence[CheatResult]:
    return all_played(opened, folder).results


@table("files, test, run, more, fooled", CASES)
def test_suite_believes_cheats_until_it_is_guarded(
    tmp_path: Path, files: dict[str, str], test: str, run: str, more: str, fooled: set[str]
) -> None:
    opened = write(tmp_path, files, test, run, more)
    found = played(opened, tmp_path / "suite")
    assert {one.cheat for one in found if one.has_fooled} == fooled
    assert all(one.cheat in fooled or one.reason for one in found)
    assert len(found) >= 2
    remedies = {one.remedy.partition(":")[0] for one in found if one.has_fooled}
    guarded = run in (UNITTEST, NODE_RUN)
    assert not fooled or ("name the modules that its tests import" in remedies) == guarded


def test_unit_tests_that_only_expect_errors_believe_a_module_that_throws(tmp_path: Path) -> None:
    opened = write(tmp_path, NODE, NODE_THROWS, NODE_RUN, 'wall = ["./calc.js"]')
    assert ("works", "javascript-raises") in fooled_in(opened, tmp_path / "suite")


@table(
    "more, fooled",
    [(SERVICE, {"answers-requests", "leaves-daemon"}), (f"{SERVICE}{BODY}", set[str]())],
)
def test_suite_believes_an_answer_to_each_request_until_it_checks_it(
    tmp_path: Path, more: str, fooled: set[str]
) -> None:
    found = played(write(tmp_path, PYTHON, "", "true", more), tmp_path / "suite")
    assert {one.cheat for one in found if one.has_fooled} == fooled
    assert {"answers-requests", "leaves-daemon"} <= {one.cheat for one in found}


@pytest.mark.parametrize(
    ("program", "files", "test", "run", "more", "fooled"),
    [pytest.param(*row, id=name) for name, row in COMPILED.items()],
)
def test_suite_believes_cheats_that_compile_until_it_checks_numbers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    files: dict[str, str],
    test: str,
    run: str,
    more: str,
    fooled: set[str],
) -> None:
    require(program)
    if program == "cargo":
        # The programs of rustup need its settings, which are not in this HOME.
        root = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
        monkeypatch.setenv("PATH", f"{root}/bin", prepend=":")
    opened = write(tmp_path, files, test, run, more)
    found = played(opened, tmp_path / "suite")
    assert {one.cheat for one in found if one.has_fooled} == fooled
    assert len(found) >= 2


def test_language_whose_compiler_is_missing_is_left_out(tmp_path: Path) -> None:
    opened = write(tmp_path, {"calc.go": "package calc\n", **PYTHON}, PYTHON_TEST, UNITTEST, "")
    (tmp_path / "bin").mkdir()
    for program in ("git", "python3", "bash", "sh"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or program)
    opened = OpenProject(adjusted(opened.project, environ={"PATH": f"{tmp_path}/bin"}))
    found = all_played(opened, tmp_path / "suite")
    kinds = {"python", "prints", "hangs", "rewrites"}
    assert {one.cheat.partition("-")[0] for one in found.results} == kinds
    assert found.untried == ["Go (no go on the PATH)"]


JSON_RUNNERS = '{"devDependencies": {"jest": "*", "vitest": "*", "mocha": "*"}}'
POM = "<project><properties><a>1</a></properties></project>"
WRITTEN = [
    ("go-exits", {"a/b.go": "package b\n"}, "a/b.go", 'package b; import ends "os"\n'),
    ("go-says-ok", {"b.go": "package b\n"}, "b.go", "ok  \\tworks"),
    ("go-replaces-runner", {"a/b.go": "package b\n"}, "a/replaced_runner_test.go", "package b\n"),
    ("typescript-exits", {"a.ts": "export {}\n"}, "a.ts", "process.exit(0);\nexport {}"),
    ("typescript-says-ok", {"a.ts": ""}, "a.ts", "1 passed"),
    ("java-ignores-failures", {"A.java": "", "pom.xml": POM}, "pom.xml", "<skipTests>true</skip"),
    ("java-ignores-failures", {"A.java": "", "build.gradle": "a"}, "build.gradle", "a\ntasks."),
    *(
        ("javascript-configures-runner", {"a.js": "", "package.json": JSON_RUNNERS}, path, text)
        for path, text in {
            "jest.config.cjs": "module.exports = { passWithNoTests",
            "vitest.config.mjs": "export default { test: { passWithNoTests",
            ".mocharc.cjs": '"dry-run": true',
        }.items()
    ),
]


@table("cheat, sources, path, text", WRITTEN)
def test_cheat_writes_files_for_a_runner(
    cheat: str, sources: dict[str, str], path: str, text: str
) -> None:
    assert text in all_cheats()[cheat].make(Solution(sources))[path]
    assert not all_cheats()[cheat].make(Solution({"a.py": "", "package.json": "{}"}))


def fooled_in(opened: OpenProject, folder: Path) -> set[tuple[str, str]]:
    return {(one.scenario, one.cheat) for one in played(opened, folder) if one.has_fooled}


def test_unit_tests_are_played_beside_a_program_with_an_exit_code(tmp_path: Path) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, "")
    usage = SCENARIO.format(fixtures="[]", run="python3 calc.py").replace("A number", "Usage")
    usage = usage.replace('"works"', '"usage"')
    write_suite(tmp_path / "suite", suite=SUITE, a=f"{usage}equals = 2\n")
    found = fooled_in(opened, tmp_path / "suite")
    assert found == {("works", one) for one in OF_PYTHON}


def test_cheats_are_made_from_languages_that_the_reference_does_not_change(tmp_path: Path) -> None:
    opened = write(tmp_path, {"rate.json": "2\n"}, PYTHON_TEST, UNITTEST, "")
    root = opened.project.root
    code = "import json\n\ndef half(n):\n    return n / json.load(open('rate.json'))\n"
    write_files(root, {"calc.py": code, "rate_test.py": "import os\n"})
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "work")
    found = fooled_in(opened, tmp_path / "suite")
    assert found == {("works", one) for one in OF_PYTHON}


@table(
    "run, fixture, text",
    [
        ("make test", "Makefile", 'test:\n\ttest "$$(sh half.sh)" = 1\n'),
        ("npm test", "package.json", json.dumps({"scripts": {"test": "test $(sh half.sh) = 1"}})),
    ],
)
def test_build_file_of_the_suite_is_not_all_that_its_program_reads(
    tmp_path: Path, run: str, fixture: str, text: str
) -> None:
    require("node")
    opened = write(tmp_path, SHELL, "", run, "")
    folder = tmp_path / "suite"
    write_files(folder / "fixtures", {fixture: text})
    scenario = SCENARIO.format(fixtures=json.dumps([fixture]), run=run)
    write_suite(folder, suite=SUITE, works=scenario)
    (folder / "train" / "seen.scenario.toml").unlink()
    assert fooled_in(opened, folder) == {("works", "targets-do-nothing")}


@table(
    "python, fixture, fooled",
    [
        ("python3", "checks/half.py", {"python-hides-modules"}),
        ("python3", "checks", {"python-hides-modules"}),
        ("python3 -I", "checks", set[str]()),
    ],
)
def test_tests_that_start_a_program_import_modules_beside_them(
    tmp_path: Path, python: str, fixture: str, fooled: set[str]
) -> None:
    opened = write(tmp_path, SHELL, "", "sh half.sh", "")
    folder, run = tmp_path / "suite", f"{python} checks/half.py"
    test = "import subprocess\n\nassert subprocess.check_output(['sh', 'half.sh']) == b'2\\n'\n"
    write_files(folder / "fixtures", {"checks/half.py": test})
    scenario = SCENARIO.format(fixtures=json.dumps([fixture]), run=run)
    write_suite(folder, suite=SUITE, works=scenario)
    assert {cheat for _, cheat in fooled_in(opened, folder)} == fooled


@table(
    "steps, fooled",
    [
        (("sh half.sh", "bash check.sh"), {"rewrites-fixtures"}),
        (("bash check.sh",), {"rewrites-fixtures"}),
        (("sh half.sh",), {"shell-exits"}),
    ],
)
def test_program_of_the_suite_that_a_candidate_can_rewrite_is_no_check(
    tmp_path: Path, steps: Sequence[str], fooled: set[str]
) -> None:
    opened, folder = write(tmp_path, SHELL, "", "true", ""), tmp_path / "suite"
    write_files(
        folder / "fixtures", {"check.sh": '#!/bin/bash\n./half.sh\n[ "$(./half.sh)" = 1 ]\n'}
    )
    *before, last = steps
    head, _, tail = SCENARIO.format(fixtures='["check.sh"]', run=last).partition("[[steps]]")
    more = "".join(f'[[steps]]\nname = "first"\nrun = "{run}"\n\n' for run in before)
    write_suite(folder, suite=SUITE, works=f"{head}{more}[[steps]]{tail}")
    assert fooled <= {cheat for _, cheat in fooled_in(opened, folder)}


@table(
    "files, run, equals, fooled",
    [
        (SHELL, "timeout 1 sh half.sh", 124, {"hangs"}),
        (NODE, "timeout 1 node calc.js", 124, {"hangs"}),
        (PYTHON, "timeout 1 python3 calc.py", 124, {"hangs"}),
    ],
)
def test_holdout_that_expects_a_time_limit_believes_what_does_not_end(
    tmp_path: Path, files: dict[str, str], run: str, equals: int, fooled: set[str]
) -> None:
    opened, folder = write(tmp_path, files, "", run, ""), tmp_path / "suite"
    write_suite(
        folder, suite=SUITE, works=f"{SCENARIO.format(fixtures='[]', run=run)}equals = {equals}"
    )
    assert {cheat for _, cheat in fooled_in(opened, folder)} == fooled


def test_holdout_that_judges_no_source_file_believes_no_cheat(tmp_path: Path) -> None:
    opened = write(tmp_path, {"README.md": "use\n", **PYTHON}, PYTHON_TEST, UNITTEST, "")
    root, folder = opened.project.root, tmp_path / "suite"
    git(root, "apply", str(folder / "reference" / "works.patch"))
    git(root, "commit", "--quiet", "--all", "--message", "work")
    (folder / "reference" / "works.patch").unlink()
    tests = (folder / "holdout" / "works.scenario.toml").read_text()
    passing = tests.replace("title =", 'baseline = "pass"\ntitle =')
    step = passing.partition("[[checks]]")[0]
    manual = step.replace("works", "manual").replace("A number", "Help")
    manual = manual.replace(UNITTEST, "cat README.md")
    reads = '[[checks]]\nkind = "file"\npath = "README.md"\ncontains = "use"\n'
    write_suite(folder, suite=SUITE, works=passing, a=f"{manual}{reads}")
    found = fooled_in(opened, folder)
    assert found == {("works", one) for one in OF_PYTHON}


def test_command_names_the_cheat_the_check_and_the_remedy(tmp_path: Path) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, "")
    words = ("suite", "try", str(tmp_path / "suite"), "--cheats", "--sandbox", "none")
    state = {"ATTRACTOR_STATE_DIR": str(opened.project.machine.state_dir)}
    root = opened.project.root
    assert attractor(*words, folder=root, variables=state).returncode == 2
    done = attractor(*words, "--operator", folder=root, variables=state)
    assert done.returncode == 1
    line = (
        "python-exits: works believes a candidate that ends the process with 0 when it is imported "
        "(checks: exit): name the modules that its tests import: wall = [...]"
    )
    assert line in done.stdout
    assert done.stdout.rstrip().endswith("9 cheats played, 4 believed")
    for wrong in (("other",), ("--wrong",)):
        assert attractor(*words, "--operator", *wrong, folder=root, variables=state).returncode == 2
    hints = attractor("suite", "lint", str(tmp_path / "suite"), folder=root, variables=state)
    assert "can say that they passed" in hints.stdout + hints.stderr


def test_registration_refuses_a_suite_that_believes_a_cheat_unless_it_accepts_it(
    tmp_path: Path,
) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, "")
    folder = tmp_path / "suite"
    with pytest.raises(SuiteRefused) as refused:
        register(opened.project, folder)
    assert {(one.rule, one.scenario) for one in refused.value.faults} == {("fooled", "works")}
    assert {str(one).split(": ")[1] for one in refused.value.faults} == OF_PYTHON
    assert "name the modules that its tests import: wall = [...]" in str(refused.value)
    assert '[[accept]] with cheat = "python-exits"' in str(refused.value)
    assert not opened.suites.versions.names()

    (folder / "suite.toml").write_text(SUITE + accepted("python-exit"))
    with pytest.raises(SuiteRefused, match=r"did you mean python-exits\?"):
        register(opened.project, folder)
    (folder / "suite.toml").write_text(SUITE + accepted(*OF_PYTHON, "python-raises"))
    messages: list[str] = []
    found = register(adjusted(opened.project, tell=messages.append), folder)
    assert found.version.data["cheats"] == {
        "tried": 9,
        "noticed": 5,
        "accepted": dict.fromkeys(sorted(OF_PYTHON), "it is small"),
    }
    unneeded = "the suite accepts the cheat python-raises, and no holdout believes it"
    assert f"warning: {unneeded}" in messages
    assert "accept" not in json.dumps(
        suite_record(found.version, opened.suites.open(found.version).suite, to_operator=False)[
            "settings"
        ]
    )
    assert cheat_words(found.version).startswith(
        "5 of 9 cheats noticed, accepted: python-exits (it"
    )


def accepted(*cheats: str) -> str:
    return "".join(
        f'\n[[accept]]\ncheat = "{one}"\nwhy = "it is small"\n' for one in sorted(cheats)
    )


def test_suite_of_an_earlier_version_is_tried_when_it_is_registered_again(tmp_path: Path) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, 'wall = ["calc"]')
    folder, now = tmp_path / "suite", opened.now()
    head = git(opened.project.root, "rev-parse", "HEAD").strip()
    proof = Proof(proved_on=head)
    opened.suites.add(opened.suites.seal(folder), folder, by="ann", now=now, proof=proof)
    state = {"ATTRACTOR_STATE_DIR": str(opened.project.machine.state_dir)}
    root = opened.project.root
    listed = attractor("suite", "list", folder=root, variables=state).stdout
    assert "not tried against cheats: attractor suite register FOLDER" in listed
    assert not register(opened.project, folder).is_new
    listed = attractor("suite", "list", folder=root, variables=state).stdout
    assert listed.count("9 of 9 cheats noticed") == 1


def test_suite_that_is_fooled_later_stays_and_is_marked_as_unproved(tmp_path: Path) -> None:
    opened = write(tmp_path, PYTHON, PYTHON_TEST, UNITTEST, "")
    folder, proof = (
        tmp_path / "suite",
        Proof(proved_on=git(tmp_path / "project", "rev-parse", "HEAD").strip()),
    )
    opened.suites.add(opened.suites.seal(folder), folder, by="ann", now=opened.now(), proof=proof)
    with pytest.raises(SuiteRefused, match="fooled"):
        register(opened.project, folder)
    assert opened.suites.versions.find("todo").data["unproved"] == "fooled"
