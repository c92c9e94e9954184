"""Static checks of a valid suite: whether it can judge, and whether it gives holdouts away."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.patterns import late_pattern
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.satisfaction import failures_allowed, trials_needed
from attractor.scenarios.suite import PROBE, CommandStep, ProbeStep, Scenario, Suite
from attractor.scenarios.suite_files import CHECKS, list_suite_files, read_suite_file

RUBRIC = "rubric"
MOST_TRIALS_TOGETHER = 10_000
"""The maximum number of held-out trials of an evaluation."""

_TENTHS = 3
"""The minimum share of holdouts, in tenths of all scenarios."""


@dataclass(frozen=True)
class SuiteFault:
    """A reason to refuse a suite: a rule, the fault and its remedy; a hint refuses nothing."""

    rule: str
    words: str
    remedy: str
    scenario: str = ""
    is_hint: bool = False

    def __str__(self) -> str:
        return f"{self.rule}: {self.words} ({self.remedy})"

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the fault."""
        return {
            "rule": self.rule,
            "scenario": self.scenario,
            "message": self.words,
            "fix": self.remedy,
        }


class SuiteRefused(InvalidSuite):
    """This suite cannot judge."""

    def __init__(self, faults: Sequence[SuiteFault]) -> None:
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(f"the suite cannot judge:{lines}")
        # Each fault has its remedy.
        self.hint = ""
        self.faults = tuple(faults)
        self.details = {"faults": [fault.to_record() for fault in faults]}


def has_rubric(scenario: Scenario) -> bool:
    """Return whether a check of a scenario is judged by a model."""
    return any(check.kind == RUBRIC for check in scenario.checks)


def lint_suite(suite: Suite) -> list[SuiteFault]:
    """Return the faults of a suite."""
    return [
        *threshold_faults(suite),
        *_rubric_only(suite),
        *_few_holdouts(suite),
        *_stories(suite),
        *_lone_tags(suite),
    ]


def threshold_faults(suite: Suite) -> Iterator[SuiteFault]:
    """Yield the thresholds that the trials and evaluations of the suite cannot meet."""
    gate, holdouts = suite.settings.gate, suite.of_split("holdout")
    trials = suite.settings.trials.n * len(holdouts)
    if trials > MOST_TRIALS_TOGETHER:
        words = f"{trials} trials exceed the limit of {MOST_TRIALS_TOGETHER}"
        yield SuiteFault("thresholds", words, "lower trials.n, or split the suite")
    elif failures_allowed(suite) < 0:
        needed = trials_needed(gate.min_lower_bound, confidence=gate.confidence)
        yield SuiteFault(
            "thresholds",
            f"{number_of(trials, 'trial')} cannot reach the lower bound {gate.min_lower_bound}",
            f"raise trials.n to at least {needed} trials in total, or lower min_lower_bound",
        )
    if gate.min_scenarios > len(holdouts):
        played = number_of(len(holdouts), "holdout")
        words = f"{played} cannot reach min_scenarios = {gate.min_scenarios}"
        yield SuiteFault("thresholds", words, "write more holdouts, or lower min_scenarios")
    if gate.stability > gate.max_evaluations:
        most = number_of(gate.max_evaluations, "evaluation")
        words = f"{most} cannot reach stability = {gate.stability}"
        yield SuiteFault("thresholds", words, "raise max_evaluations, or lower stability")


def _rubric_only(suite: Suite) -> Iterator[SuiteFault]:
    holdouts = suite.of_split("holdout")
    if all(check.kind == RUBRIC for holdout in holdouts for check in holdout.checks):
        words = "all holdouts are judged by rubrics only"
        yield SuiteFault("rubric_only", words, "add a check of another kind to a holdout")


def _few_holdouts(suite: Suite) -> Iterator[SuiteFault]:
    holdouts, total = len(suite.of_split("holdout")), len(suite.scenarios)
    if 10 * holdouts < _TENTHS * total:
        words = f"{holdouts} of {total} scenarios are holdouts, fewer than {_TENTHS} in 10"
        yield SuiteFault("few_holdouts", words, "write more holdouts")


def _stories(suite: Suite) -> Iterator[SuiteFault]:
    train = {" ".join(one.story.casefold().split()): one.id for one in suite.of_split("train")}
    for holdout in suite.of_split("holdout"):
        if other := train.get(" ".join(holdout.story.casefold().split())):
            yield SuiteFault(
                "story_in_both_splits",
                f"{holdout.id} in holdout/ has the same story as {other} in train/",
                "write another story for one of them",
                holdout.id,
            )


def _lone_tags(suite: Suite) -> Iterator[SuiteFault]:
    holdouts = suite.of_split("holdout")
    counts = Counter(tag for one in holdouts for tag in set(one.tags))
    for holdout in holdouts:
        for tag in holdout.tags:
            if counts[tag] == 1:
                yield SuiteFault(
                    "lone_tag",
                    f"only the holdout {holdout.id} has the tag {tag!r}; feedback names tags",
                    "give the tag to another holdout, or remove it",
                    holdout.id,
                )


_COPY = late_pattern(r"\$CANDIDATE(/|$)")
_BRACES = late_pattern(r"\$\{CANDIDATE\b[^}]*\}")
_ENTERS = late_pattern(r"\b(cd|pushd|env\s+-C|git\s+-C)\s+(--\s+)?\$CANDIDATE\b")
_CHANGES_FOLDER = late_pattern(r"\bchdir\(|\bcwd\s*=")
_TEXT = late_pattern(r"'[^'$]*'|\"[^\"$]*\"")
_QUOTES = late_pattern(r"'|\"|\\\n")
_ENDS = late_pattern(r"[;&|(){}`\n]")
# Keywords, variables, programs that start the program after them, and their options.
_BEFORE_PROGRAM = late_pattern(
    r"then|do|else|elif|if|while|until|!|exec|env|time|timeout|nohup|command|eval|xargs|nice"
    r"|-\S*|\d[\d.]*[smhd]?|\w+=\S*"
)
_SHELL = late_pattern(r"(\S*/)?(ba|da|k|z)?sh")
_INTERPRETER = late_pattern(
    r"(\S*/)?(python[\d.]*|pypy3?|node|deno|bun|ruby|perl|php|lua|Rscript|java|go|cargo|npm|npx"
    r"|make|pytest|source|\.|(ba|da|k|z)?sh)"
)
_BEFORE_FILE = late_pattern(r"-\S*|run|test|exec")


_RUNNER = late_pattern(r"\b(unittest|pytest|jest|vitest|mocha)\b|\bnode\b.* --test\b")
WALL_REMEDY = "name the modules that its tests import: wall = [...]"


def runs_unit_tests(scenario: Scenario) -> bool:
    """Return whether a step runs unit tests, which import the candidate's code."""
    commands = [step.run for step in scenario.steps if isinstance(step, CommandStep)]
    return any(_RUNNER.search(one) for one in commands)


def unguarded_hints(suite: Suite) -> Iterator[SuiteFault]:
    """Yield the holdouts in which the candidate's code runs in the process of unit tests."""
    for scenario in suite.of_split("holdout"):
        if runs_unit_tests(scenario) and not scenario.wall:
            yield SuiteFault(
                "unguarded_tests",
                f"{scenario.id}: the candidate's code runs in the process of the unit tests, and "
                "can say that they passed",
                WALL_REMEDY,
                scenario.id,
                is_hint=True,
            )


def verifier_hints(suite: Suite, folder: Path) -> Iterator[SuiteFault]:
    """Yield the verifiers in the folder of a suite that seem to execute the candidate."""
    yield from _probe_hints(suite, folder)
    places = {
        f"the check {command}": command
        for scenario in suite.scenarios
        for check in scenario.checks
        if check.kind == "command"
        for command in [" ".join([check.options["program"], *check.options.get("args", ())])]
    }
    files = {file.path: file.source for file in list_suite_files(folder)}
    scripts = {path for path in files if path.startswith(f"{CHECKS}/")}
    unread = [*places.values()]
    while unread:
        text = unread.pop()
        for path in [path for path in scripts if path.removeprefix(f"{CHECKS}/") in text]:
            scripts.remove(path)
            places[path] = read_suite_file(files[path]).decode("utf-8", "replace")
            unread.append(places[path])
    for place, text in sorted(places.items()):
        plain = _QUOTES.sub("", _TEXT.sub("_", _BRACES.sub("$CANDIDATE", text)))
        if _ENTERS.search(plain) or (_CHANGES_FOLDER.search(text) and "CANDIDATE" in text):
            yield SuiteFault(
                "enters_candidate",
                f"{place} changes into $CANDIDATE, where programs may load modules and settings",
                'stay in the folder of the suite, and name files: "$CANDIDATE/out.txt"',
                is_hint=True,
            )
        if programs := [one for command in _ENDS.split(plain) if (one := _executed(command))]:
            yield SuiteFault(
                "executes_candidate",
                f"{place} executes {programs[0]}, which can pass the check by itself",
                "execute it in a step, and let the verifier read the files that are left",
                is_hint=True,
            )


_MISSING_IN_PROBES = {
    "CANDIDATE": "a probe sees no file of the candidate: use a check of kind command",
    "playwright": "a probe has no browser: use a check of kind browser",
}


def _probe_hints(suite: Suite, folder: Path) -> Iterator[SuiteFault]:
    """Yield the probes that seem to use what they do not have."""
    for scenario in suite.scenarios:
        steps = [step.probe for step in scenario.steps if isinstance(step, ProbeStep)]
        checks = [one.options["program"] for one in scenario.checks if one.kind == PROBE]
        for program in dict.fromkeys([*steps, *checks]):
            text = read_suite_file(folder / CHECKS / program).decode("utf-8", "replace")
            for word, remedy in _MISSING_IN_PROBES.items():
                if word in text:
                    words = f"the probe {program} of {scenario.id} uses {word}"
                    yield SuiteFault("probe_lacks", words, remedy, scenario.id, is_hint=True)


def _executed(command: str) -> str:
    """Return the file of the candidate that a command executes, itself or by an interpreter."""
    words = [*dropwhile(lambda word: _BEFORE_PROGRAM.fullmatch(word), command.split())]
    if not words or _COPY.match(words[0]):
        return words[0] if words else ""
    if not _INTERPRETER.fullmatch(words[0]):
        return ""
    is_shell = _SHELL.fullmatch(words[0])
    for number, word in enumerate(words[1:], 2):
        if word == "-m" or (is_shell and word == "-c"):
            return _executed(" ".join(words[number:]))
        if word in ("-c", "-e"):  # code, and then arguments of the code
            return ""
        if not _BEFORE_FILE.fullmatch(word):
            return word if _COPY.match(word) else ""
    return ""
