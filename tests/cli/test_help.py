"""The main help, from wishes to commands; topics; mistyped commands."""

import re

from attractor.cli.invocation import FIRST_WEEK, PURPOSES, command_registry
from tests.cli.running import attractor
from tests.tables import table

WISHES = {
    "Judge what any command did": "judge",
    "Run a pipeline": "run",
    "Write the first files of my project": "init",
    "Let one agent work in this folder": "agent",
    "What needs a person, over all my projects?": "attention",
    "Show me the run before the decision": "decide",
    "Move my branch to the approved result": "promote",
    "See it in web pages, over HTTP": "serve",
    "Check this machine for problems": "doctor",
    "Give me an overview of my runs": "overview",
    "Test a pipeline": "test",
    "Write pipelines and validate them": "validate",
    "Pause my run, and resume it later": "resume",
    "Let agents stay beside me": "actor",
    "Run it on many machines": "worker",
    "Watch my runs": "status",
    "Judge results by a suite": "suite",
    "Open a pr": "pr",
    "Grow an app": "grow",
    "Replace a model in tests": "twin",
    "Clean up the disk": "gc",
}
"""What a person wishes, and the command that the main help must name for it."""

TOP = {name.split(".")[0] for name in command_registry()}
SMALL = {"a", "the", "my", "it", "me", "by", "is", "what", "this", "in", "of", "an", "and"}


def words_of(text: str) -> set[str]:
    """Return the words of a text in small letters, without those that every sentence has."""
    found = set(re.findall(r"[a-z]+", text.casefold())) - SMALL
    return {word.removesuffix("s") for word in found}


def entries(text: str) -> list[str]:
    """Return the entries of the main help: each command with its summary, each topic."""
    lists = text[text.index("The first week") : text.index("  'attractor COMMAND")]
    return re.findall(r"^  \S.*(?:\n {4,}.*)*", lists, re.MULTILINE)


def test_main_help_has_the_words_that_lead_from_a_wish_to_its_command() -> None:
    shown = entries(attractor("--help").stdout)
    # A command of the first week is shown as soon as it is there.
    wishes = {wish: name for wish, name in WISHES.items() if name in TOP}
    assert len(wishes) >= 20
    for wish, command in wishes.items():
        shared = [len(words_of(wish) & words_of(entry)) for entry in shown]
        nearest = [one for one, number in zip(shown, shared, strict=True) if number == max(shared)]
        assert max(shared) > 0, wish
        assert all(re.search(rf"\b{command}\b", one) for one in nearest), (wish, nearest)


def test_main_help_fits_a_screen_and_names_every_command() -> None:
    text = attractor("--help").stdout
    assert len(text.splitlines()) <= 50
    first = [entry.split()[0] for entry in entries(text)]
    existing = [name for name in FIRST_WEEK.split() if name in TOP]
    assert len(existing) >= 8
    assert first[: len(existing)] == existing
    named = " ".join(entries(text)[len(existing) :]).split()
    assert {*named} >= TOP


def test_help_explains_all_commands_and_a_topic() -> None:
    whole = attractor("help", "all").stdout
    assert [title for title in PURPOSES if f"{title}:\n" in whole] == [*PURPOSES]
    assert len(whole.splitlines()) > 80
    topic = attractor("help", "Machines").stdout
    assert topic.startswith("Run on many machines:\n  worker    Execute runs")
    assert all(f"  {name} " in whole for name in ("worker", "fleet", "universe"))
    assert attractor("help", "run", "pipelines").stdout.startswith("Run pipelines:\n  run ")
    assert attractor("help", "run").stdout == attractor("run", "--help").stdout


@table(
    ("typed", "hint"),
    [
        ("regster", "attractor pipeline register or attractor suite register"),
        ("fleetstatus", "attractor fleet status"),
        ("shell", "attractor dimension shell"),
        ("suite promote", "attractor promote"),
        ("suite regster", "suite register"),
        ("docter", "doctor"),
        ("statu", "status"),
    ],
)
def test_mistyped_command_suggests_the_nearest_of_all_groups(typed: str, hint: str) -> None:
    for words in (typed.split(), ["help", *typed.split()]):
        result = attractor(*words)
        error = f"error: unknown command '{typed}' (did you mean {hint}?)\n"
        assert (result.returncode, result.stderr) == (2, error)
