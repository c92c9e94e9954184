"""Each option in a message, a help text or a page exists on the command that it names."""

import ast
import re
from collections.abc import Iterator, Mapping

import click

from attractor.cli.invocation import build_root
from tests.examples import ROOT

# Words of a command, and from its first option to the end of the command.
_LINE = re.compile(r"\battractor((?: +(?![-\"'`])[\w{}@./:=-]+)*(?: +-[^\"'`;,()|&\n]*)?)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
FILES = [
    file
    for pattern in ("attractor/**/*.py", "attractor/**/*.j2", "docs/**/*.md", "README.md")
    for file in sorted(ROOT.glob(pattern))
]


def options(command: click.Command) -> set[str]:
    """Return the options of a command, and of those below it: `race FILE` is `race begin FILE`."""
    own = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union({"--help"}, *map(options, below))


def known_options() -> Mapping[str, set[str]]:
    """Return the options of all commands by their words."""
    found: dict[str, set[str]] = {}
    left: list[tuple[str, click.Command]] = [("", build_root())]
    for words, command in left:
        found[words] = options(command)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below
                left.append((f"{words} {name}".strip(), below))
    return found


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module, with X in the place of values."""
    joined = [one for one in ast.walk(tree) if isinstance(one, ast.JoinedStr)]
    parts = {id(part) for one in joined for part in one.values}
    for one in joined:
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "X" for part in one.values
        )
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in parts:
            yield one.value


def wrong_options(text: str, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield each option of a command line in a text that its command does not have."""
    for found in _LINE.finditer(text.replace("\\\n", " ")):
        words = found[1].split(" -- ")[0].split()
        named = [" ".join(words[:count]) for count in (3, 2, 1)]
        name = next((one for one in named if one in known), "")
        for option in _OPTION.findall(" ".join(words)):
            if name and option not in known[name]:
                yield f"attractor {name} {option}"


def test_options_of_command_lines_exist() -> None:
    known = known_options()
    wrong: list[str] = []
    for file in FILES:
        text = file.read_text("utf-8")
        for one in texts(ast.parse(text)) if file.suffix == ".py" else [text]:
            wrong += [f"{file.relative_to(ROOT)}: {each}" for each in wrong_options(one, known)]
    assert not wrong, "\n".join(wrong)


def test_hint_of_a_command_names_its_own_options() -> None:
    known = known_options()
    for file in (one for one in FILES if one.parent.name == "commands" and one.stem != "__init__"):
        own = known[file.stem.replace("__", " ")]
        keywords = [
            one
            for one in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(one, ast.keyword)
        ]
        hints = [text for one in keywords if one.arg == "hint" for text in texts(one.value)]
        named = {option for hint in hints for option in _OPTION.findall(_LINE.sub("", hint))}
        assert named <= own, file.name


def test_commands_that_may_need_a_model_take_one() -> None:
    known = known_options()
    for name in ("init", "plan", "simulate", "deploy"):
        assert {"--model", "--provider"} <= known[f"grow {name}"], name


def test_missing_option_is_found() -> None:
    [wrong] = wrong_options("try: attractor grow stop --model X, or --nothing", known_options())
    assert wrong == "attractor grow stop --model"
