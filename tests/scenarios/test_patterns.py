"""Patterns of suites on texts of candidates: their time, their signals, and their two meanings."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Sequence

from attractor.scenarios.patterns import search_texts
from tests.patience import PATIENCE_S
from tests.tables import table

JUDGE = """
import asyncio, json, signal, sys
from datetime import timedelta
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.scenarios.check import *

asked = json.loads(sys.argv[1])
record = StepRecord("go", exit_code=0, stdout=asked.pop("text") * asked.pop("times"))
observed = Observation({"go": record}, MemoryExecutionEnvironment(), edition=asked["edition"])
checks = [{"kind": "stdout", "step": "go", "matches": one} for one in asked["patterns"]]
scenario = Scenario.model_validate(
    {"id": "s", "title": "S", "story": "S.", "steps": [{"name": "go", "run": ""}], "checks": checks}
)

async def judge():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    built = build_checks(scenario, check_registry())
    limit = timedelta(seconds=asked["seconds"]) / 2
    print("began", flush=True)
    return await judge_phase(scenario, built, observed, limit, CheckPhase.STOPPED)

print(json.dumps([one.reason.rpartition(" is ")[2] for one in asyncio.run(judge()).values()]))
"""


def judging(
    patterns: Sequence[str], text: str, *, edition: int = 2, times: int, seconds: float
) -> subprocess.Popen[str]:
    asked = {"patterns": patterns, "text": text, "times": times, "seconds": seconds}
    argv = [sys.executable, "-c", JUDGE, json.dumps({**asked, "edition": edition})]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "began\n"
    return process


def ended(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=PATIENCE_S)[0]
    finally:
        process.kill()


SHAPES = (
    *("^\\s*sum\\s+49\\s*$", "(a*)*b", "(a|a)*b", "(a+)+$b", "(.*a){20}b", "(?i)(A|a|aa)+b"),
    *(
        "(\\s|\\n)*\\z.",
        "(x?){500}y",
        "(.{1,100}a){10}b",
        "^(([a-z])+.)+[A-Z]$",
        "(a|aa)+$b",
        "[^b]*b",
    ),
)
TEXTS = ("\n", "a", "a\n", " \n", "aé")


def test_each_check_with_hostile_text_ends_with_a_verdict() -> None:
    for text, patterns in ((one, SHAPES) for one in TEXTS):
        process = judging(patterns, text, times=(1 << 20) // len(text.encode()), seconds=120)
        verdicts = json.loads(ended(process))
        assert len(verdicts) == len(SHAPES)
        assert not [one for one in verdicts if "time limit" in one]


@table(("pattern", "edition"), [("(a*)*b", 1), ("(a?){900}a{900}b", 2)])
def test_search_is_killed_at_the_time_limit_of_its_check(pattern: str, edition: int) -> None:
    process = judging([pattern], "a", edition=edition, times=1 << 20, seconds=0.5)
    assert "exceeded its time limit" in ended(process)


@table("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_search_that_never_ends(number: signal.Signals) -> None:
    process = judging(["(a*)*b"], "a", edition=1, times=1 << 20, seconds=10_000)
    process.send_signal(number)
    assert ended(process) == ""


@table(
    ("pattern", "text", "earlier", "now"),
    [
        (r"^sum\s+49$", "a\nsum  49\n", True, True),
        (r"^\d$", "٣", True, False),
        (r"^\w$", "ß", True, False),
        (r"^\pL$", "ß", None, True),
        (r"^a\sb$", "a\u00a0b", True, False),
        (r"^a\sb$", "a\vb", True, False),
        (r"\bfoo\b", "éfoo", False, True),
        (r"^a{,2}$", "aa", True, False),
        (r"(?i)straße", "STRASSE", False, False),
        (r"(?i)größe", "GRÖSSE\nGRÖẞE", True, True),
        (r"a.b", "a\nb", False, False),
        (r"(?s)a.b", "a\nb", True, True),
        (r"b$", "b\n", True, True),
        (r"a\Z", "a", True, None),
        (r"a\z", "a", None, True),
        (r"^(?!b)", "a", True, None),
        (r"(a)\1", "aa", True, None),
    ],
)
def test_pattern_has_the_meaning_of_the_edition(
    pattern: str, text: str, earlier: bool | None, now: bool | None
) -> None:
    async def search(edition: int) -> bool:
        return (await search_texts(pattern, [text], edition))[0]

    if earlier is not None:
        assert asyncio.run(search(1)) is earlier
    if now is not None:
        assert asyncio.run(search(2)) is now
