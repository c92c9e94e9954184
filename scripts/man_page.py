"""Writes the man page from the reference of commands; a hook of hatchling, for the wheel."""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HELP = re.compile(
    r"^## (?P<name>.+)\n\n```text\nUsage: (?P<usage>.+)\n(?P<text>[^`]*(?:`(?!``)[^`]*)*)```", re.M
)
_ITEM = re.compile(r"  (\S.*?)(?:  +(\S.*))?")
_CODE = re.compile(r"^\| (\d+) \| (.+) \|$", re.M)


class ManPage(BuildHookInterface[Any]):
    """Adds the man page to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the page into a temporary folder."""
        self._folder = tempfile.TemporaryDirectory()
        page = Path(self._folder.name, "attractor.1")
        reference = Path(self.root, "docs", "reference")
        page.write_text(man_page(reference), "utf-8")
        build_data["shared_data"][str(page)] = "share/man/man1/attractor.1"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()


def man_page(reference: Path) -> str:
    """Return the man page, from the pages about commands and exit codes."""
    commands = list(_HELP.finditer((reference / "commands.md").read_text("utf-8")))
    codes = _CODE.findall((reference / "exit-codes.md").read_text("utf-8"))
    main, *others = commands
    lines = [
        '.TH ATTRACTOR 1 "" "Attractor" "User Commands"',
        ".SH NAME",
        "attractor \\- run pipelines drawn as DOT graphs",
        ".SH SYNOPSIS",
        f".B {_text(main['usage'])}",
        ".SH DESCRIPTION",
        *_body(main["text"]),
        ".SH COMMANDS",
    ]
    for one in others:
        lines += [f".SS {_text(one['name'])}", f".B {_text(one['usage'])}", ".PP"]
        lines += _body(one["text"])
    lines.append(".SH EXIT STATUS")
    for code, meaning in codes:
        lines += [".TP", f".B {code}", _text(meaning)]
    return "\n".join(lines) + "\n"


def _body(text: str) -> Iterator[str]:
    """Yield the lines of a help text: paragraphs, then lists under headings."""
    paragraphs = re.split(r"\n\n+", text.strip("\n"))
    for number, paragraph in enumerate(paragraphs):
        heading, *items = paragraph.splitlines()
        if heading.startswith(" "):
            yield from [".PP"] * bool(number)
            yield from (_text(one.strip()) for one in paragraph.splitlines())
            continue
        yield from (".PP", f".B {_text(heading)}")
        for line in items:
            item = _ITEM.fullmatch(line)
            yield from (".TP", f".B {_text(item[1])}") if item else ()
            yield from filter(None, [_text((item[2] or "") if item else line.strip())])


def _text(text: str) -> str:
    """Return a text in which roff finds no commands."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(man_page(Path(__file__).parent.parent / "docs" / "reference"))
