"""Phrases that must not return into messages, help texts, docstrings and pages."""

import ast
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from tests.tables import table

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "AGENTS")),
    *sorted(ROOT.glob("attractor/*/README.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
MODULES = sorted(ROOT.glob("attractor/**/*.py"))

PHRASES: Mapping[str, str] = {
    "at work on it": "runs it, is running",
    "brought along": "copied, included",
    "cannot be believed": "is corrupt",
    "by its own words": "as written by",
    "comes to nothing": "has no effect, fails",
    "counts more": "overrides",
    "dealt with that": "handled the failure",
    "given back": "delivered, returned",
    "gone on with": "continued, resumed",
    "had better": "should, do not",
    "hand in an object": "pass an object",
    "is as demanded": "is as expected",
    "made again": "repeated",
    "mend what": "fix the cause of",
    "nothing to mend": "no problems found",
    "of its own accord": "automatically",
    "stands before": "comes next",
    "means nothing here": "has no effect",
    "nothing says which": "missing",
    "stands for good": "is final",
    "take it out": "remove it",
    "takes away": "removes",
    "the words were": "the message was",
    "went on at": "resumed at",
    "what became of": "the result of",
    "what came of it": "its result",
    "yours alone": "private",
}
"""Phrases that appear nowhere, each with plain English to write instead."""

PRONOUNS: Mapping[str, str] = {
    "nobody": "no process, no person, unknown",
    "somebody": "a person, another process, unknown",
    "whoever": "the person, the program",
}
"""Pronouns in place of a noun, which do not appear in the places below."""

PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "attractor/agent",
    "attractor/backends",
    "attractor/base",
    "attractor/cli",
    "attractor/config",
    "attractor/engine",
    "attractor/environments",
    "attractor/factory",
    "attractor/handlers",
    "attractor/interviewers",
    "attractor/language",
    "attractor/llm",
    "attractor/pipeline",
    "attractor/scenarios",
    "attractor/twins",
    "attractor/workspaces",
    "docs/explanation",
    "docs/glossary.md",
    "docs/tutorial",
)
"""Places without pronouns so far: add a place when its last one is gone."""


def texts(file: Path) -> list[tuple[int, str]]:
    """Return the lines of a page, or the string constants of a module, with line numbers."""
    content = read(file)
    if file.suffix != ".py":
        return list(enumerate(content.splitlines(), 1))
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(content))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


@cache
def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def hits(text: str, phrases: Mapping[str, str]) -> list[str]:
    pattern = rf"\b({'|'.join(phrases)})\b"
    return re.findall(pattern, " ".join(text.split()), re.IGNORECASE)


def may_hit(content: str, phrases: Mapping[str, str]) -> bool:
    """Return whether a module may contain a phrase; its strings may have several parts."""
    between = r"(?:\\n|\W|[fr]+(?=\"))+"
    folded = content.lower()
    return any(
        all(word in folded for word in phrase.split())
        and re.search(between.join(phrase.split()), folded)
        for phrase in phrases
    )


def problems(files: Iterable[Path], phrases: Mapping[str, str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{line}: {hit!r}: write {phrases[hit.lower()]}"
        for file in files
        if may_hit(read(file), phrases)
        for line, text in texts(file)
        for hit in hits(text, phrases)
    ]


@table("files", [PAGES, MODULES], ids=["pages", "modules"])
def test_riddling_phrases_do_not_come_back(files: list[Path]) -> None:
    assert problems(files, PHRASES) == []


@table("place", PLACES)
def test_pronouns_do_not_come_back(place: str) -> None:
    files = [file for file in (*PAGES, *MODULES) if file.is_relative_to(ROOT / place)]
    assert files
    assert problems(files, PRONOUNS) == []


def test_a_phrase_is_found_in_any_case_and_across_lines() -> None:
    assert hits("The flag Counts\n    more than the file.", PHRASES) == ["Counts more"]
    assert hits("It encounters more files.", PHRASES) == []
    parts = '"The flag counts\\n"\n    f"more than {file}"'
    assert may_hit(parts, PHRASES)
    assert not may_hit("no riddle", PHRASES)


WORDINGS = (
    "Nowhere: {",
    "left in the inbox for the process",
    '"Failure", one',
    '"At work" if',
    "take the others by name",
    "simulated as it is now",
    "is retired since",
    "no desires to plan for",
    "has two tools",
    "a person rolls back, never",
    "the paths missing in the tree, and the stat cache",
    "is needed, and never enough",
    "no waiver covers",
    "keeps its words",
)
"""Wordings of pages, messages and docstrings that readers did not understand."""


def test_wordings_that_readers_did_not_understand_do_not_return() -> None:
    files = [*PAGES, *MODULES, *sorted(ROOT.glob("attractor/**/*.j2"))]
    texts = {str(file): " ".join(file.read_text("utf-8").split()) for file in files}
    assert [(file, one) for file, text in texts.items() for one in WORDINGS if one in text] == []


PAGE = re.compile(r"docs/(explanation|how-to|reference|runbooks|tutorial)/")


def test_no_shipped_file_names_a_page_that_an_installed_person_lacks() -> None:
    shipped = [
        file
        for folder in ("agents", "attractor", "pipelines", "scenarios/_twins")
        for file in sorted((ROOT / folder).rglob("*"))
        if file.is_file() and file.name != "README.md" and file.suffix != ".pyc"
    ]
    contents = {str(file): file.read_bytes().decode(errors="replace") for file in shipped}
    assert PAGE.search("hint = 'see docs/reference/agents.md'")
    assert [file for file, text in contents.items() if PAGE.search(text)] == []
