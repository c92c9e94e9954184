"""What an agent drafts from a specification with numbered sentences, as files of its workspace."""

from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from shlex import quote

PROGRAM = """\
import sys

ANSWERS = {answers}
print(ANSWERS.get(sys.argv[1], "unknown"))
"""
SCENARIO = """\
id = "{id}"
title = "Word {number}"
story = "Ann asks for word {number}{story}."
proves = ["s{number}"]
baseline = "fail"

[[steps]]
name = "ask"
run = "python3 words.py w{number}"

[[checks]]
kind = "stdout"
step = "ask"
equals = "{answer}\\n"
"""


def sentence(number: int) -> str:
    """Return a sentence of the specification."""
    return f"The word w{number} means meaning {number}."


def specification(count: int) -> str:
    """Return a specification with some sentences."""
    return "# Words\n\n" + "".join(f"- {sentence(number)}\n" for number in range(count))


def program(count: int, *, without: int = -1) -> str:
    """Return a right program, or one that breaks a sentence."""
    answers = {f"w{one}": f"meaning {one}" for one in range(count) if one != without}
    lines = "".join(f"    {key!r}: {value!r},\n" for key, value in answers.items())
    return PROGRAM.format(answers=f"{{\n{lines}}}")


def scenario(number: int, *, id_: str = "", answer: str = "") -> str:
    """Return a scenario that proves a sentence."""
    words = answer or f"meaning {number}"
    return SCENARIO.format(
        id=id_ or f"word-{number}", number=number, answer=words, story=f" as {id_}" * bool(id_)
    )


def requirements(count: int) -> str:
    """Return the list of requirements."""
    rows = (
        f'[[requirement]]\nid = "s{number}"\nsentence = "{sentence(number)}"\nat = "Words"\n'
        for number in range(count)
    )
    return 'spec = "SPEC.md"\n' + "".join(rows)


def patch(before: str, after: str, file: str = "words.py") -> str:
    """Return a patch of a program."""
    lines = [text.splitlines(keepends=True) for text in (before, after)]
    changed = "".join(unified_diff(lines[0], lines[1], f"a/{file}", f"b/{file}"))
    return f"diff --git a/{file} b/{file}\n{changed}"


def writing(files: Mapping[str, str]) -> str:
    """Return the shell command of an agent that writes files."""
    commands = [
        f"mkdir -p {quote(str(Path(path).parent))} && printf %s {quote(text)} > {quote(path)}"
        for path, text in files.items()
    ]
    return " && ".join(commands)


def breaking(number: int, count: int = 3) -> str:
    """Return the patch of a wrong solution, against the right program."""
    return patch(program(count), program(count, without=number))


def drafted(count: int) -> Mapping[str, str]:
    """Return all files that an agent drafts, and its reference."""
    files = {"words.py": program(count), "draft/requirements.toml": requirements(count)}
    for number in range(count):
        files[f"draft/holdout/word-{number}.scenario.toml"] = scenario(number)
        files[f"draft/wrong/s{number}.patch"] = breaking(number, count)
    return files
