from pathlib import Path

from attractor.scenarios.suite import Suite
from attractor.scenarios.suite_lint import SuiteRefused, lint_suite, verifier_hints
from tests.scenarios.suites import write_files
from tests.tables import table

STEP = {"name": "add", "run": "todo add milk"}
EXIT = {"kind": "exit", "step": "add"}
RUBRIC = {"kind": "rubric", "file": "taste.md"}
TWO = {"trials": {"n": 5}, "gate": {"min_lower_bound": 0.9}}


def scenario(id: str, split: str = "holdout", **more: object) -> dict[str, object]:
    plain = {"id": id, "title": id, "story": f"Ann {id}s.", "steps": [STEP], "checks": [EXIT]}
    return {**plain, "split": split, **more}


def suite(*scenarios: dict[str, object], **settings: object) -> Suite:
    named = {"name": "todo", "pipeline": "linear", **settings}
    return Suite.model_validate({"settings": named, "scenarios": scenarios})


GOOD = (scenario("show", "train"), scenario("add", tags=["list"]), scenario("drop", tags=["list"]))


def test_a_good_suite_has_no_faults() -> None:
    assert lint_suite(suite(*GOOD, gate={"must": ["a*"]})) == []


@table(
    ("found", "rule", "words", "remedy"),
    [
        (suite(*GOOD, **TWO), "thresholds", "10 trials cannot reach", "at least 29 trials"),
        (suite(*GOOD, gate={"min_scenarios": 3}), "thresholds", "min_scenarios", "more holdouts"),
        (suite(*GOOD, gate={"stability": 3}), "thresholds", "2 evaluations", "max_evaluations"),
        (suite(*GOOD, gate={"stability": 2}), "", "", ""),
        (suite(*GOOD, trials={"n": 1000}), "", "", ""),
        (
            suite(scenario("a", checks=[RUBRIC]), scenario("b", checks=[RUBRIC])),
            "rubric_only",
            "rubrics only",
            "another kind",
        ),
        (suite(scenario("a", checks=[RUBRIC]), scenario("b", checks=[RUBRIC, EXIT])), "", "", ""),
        (
            suite(scenario("a"), *(scenario(f"t{n}", "train") for n in range(3))),
            "few_holdouts",
            "1 of 4 scenarios are holdouts, fewer than 3 in 10",
            "more holdouts",
        ),
        (
            suite(scenario("a", story="Ann  ADDS.\n"), scenario("t", "train", story="Ann adds.")),
            "story_in_both_splits",
            "a in holdout/ has the same story as t in train/",
            "another story",
        ),
        (
            suite(scenario("a", tags=["dates"]), scenario("b"), scenario("t", "train")),
            "lone_tag",
            "only the holdout a has the tag 'dates'",
            "another holdout",
        ),
    ],
)
def test_a_fault_has_its_rule_and_remedy(found: Suite, rule: str, words: str, remedy: str) -> None:
    faults = lint_suite(found)
    assert {one.rule for one in faults} == ({rule} if rule else set())
    assert words in " ".join(one.words for one in faults)
    assert remedy in " ".join(one.remedy for one in faults)


def test_a_refusal_lists_every_fault() -> None:
    refused = SuiteRefused(lint_suite(suite(scenario("a", tags=["x"]), gate={"min_scenarios": 9})))
    assert "lone_tag: " in refused.message
    assert "thresholds: " in refused.message
    assert len(refused.faults) == 2


EXECUTED = [
    '"$CANDIDATE/tool" --version',
    'if ! out=$("${CANDIDATE}"/bin/tool); then exit 1; fi',
    "cd /tmp && LANG=C timeout 5 $CANDIDATE/tool",
    "exec env -i python3 -u $CANDIDATE/main.py",
    "python3 -m pytest -q ${CANDIDATE:?}",
    "bash -c '$CANDIDATE/tool x'",
    ". $CANDIDATE/functions.sh",
    "node \\\n  $CANDIDATE/index.js",
    'make -C "$CANDIDATE" check',
]
READ = [
    "# python3 $CANDIDATE/main.py",
    'diff checks/expected.txt \\\n  "$CANDIDATE/out.txt"',
    'python3 checks/verify.py "$CANDIDATE/out.txt"',
    'test "$(cat "$CANDIDATE/out.txt")" = 3 && [ -x "$CANDIDATE/tool" ]',
    'python3 -c "import json, sys; json.load(open(sys.argv[1]))" $CANDIDATE/out.json',
    "python3 -m json.tool $CANDIDATE/out.json",
    'OUT=$CANDIDATE/out.txt; for file in "$CANDIDATE"/*.txt; do cat "$file"; done',
]


ENTERS = [
    'cd "$CANDIDATE"; python3 -m json.tool out.json',
    "( cd -- ${CANDIDATE}/src && git status )",
    "git -C $CANDIDATE log",
    'os.chdir(os.environ["CANDIDATE"])',
    'subprocess.run(["git", "log"], cwd=os.environ["CANDIDATE"])',
]


def test_verifiers_that_change_into_the_candidate_get_a_hint(tmp_path: Path) -> None:
    found = suite(scenario("a", checks=[{"kind": "command", "program": "verify"}]))
    for line in ENTERS:
        folder = write_files(tmp_path, {"checks/verify": line})
        [hint] = verifier_hints(found, folder)
        assert (hint.rule, hint.is_hint) == ("enters_candidate", True)


def test_probes_that_use_files_or_a_browser_get_a_hint(tmp_path: Path) -> None:
    steps = [{"name": "serve", "service": "a", "port": 80}, {"name": "look", "probe": "look"}]
    found = suite(scenario("a", steps=steps, checks=[{"kind": "probe", "program": "look"}]))
    assert [*verifier_hints(found, write_files(tmp_path, {"checks/look": "BASE_URL"}))] == []
    for word in ("os.environ['CANDIDATE']", "from playwright.sync_api import Page"):
        [hint] = verifier_hints(found, write_files(tmp_path, {"checks/look": word}))
        assert (hint.rule, hint.is_hint) == ("probe_lacks", True)


def test_verifiers_that_execute_the_candidate_get_a_hint(tmp_path: Path) -> None:
    check = {"kind": "command", "program": "verify", "args": ["--with", "checks/named.sh"]}
    found = suite(scenario("a", checks=[check]), scenario("b", checks=[check]))
    files = {"checks/verify": "#!/bin/sh\n. checks/helper.sh\n", "checks/unused": EXECUTED[0]}
    for line in READ:
        folder = write_files(tmp_path, {**files, "checks/helper.sh": line, "checks/named.sh": line})
        assert [*verifier_hints(found, folder)] == [], line
    for line in EXECUTED:
        folder = write_files(tmp_path, {**files, "checks/helper.sh": line})
        [hint] = verifier_hints(found, folder)
        assert (hint.rule, hint.is_hint) == ("executes_candidate", True)
        assert hint.words.startswith("checks/helper.sh executes $CANDIDATE"), line
    write_files(tmp_path, {"checks/helper.sh": "", "checks/named.sh": EXECUTED[0]})
    check |= {"args": ["named.sh", ";", "$CANDIDATE/tool"]}
    found = suite(scenario("a", checks=[check]))
    command = "the check verify named.sh ; $CANDIDATE/tool"
    assert [hint.words.split(" executes")[0] for hint in verifier_hints(found, tmp_path)] == [
        "checks/named.sh",
        command,
    ]
