"""The skill that teaches coding agents to write and run pipelines.

Its text consists of the Markdown files in the folder `skill`, filled with the attributes, node
types and rules of this version.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from attractor import __version__
from attractor.base.errors import Refused, UsageError
from attractor.base.files import file_error, write_whole
from attractor.base.json import content_hash
from attractor.factory.api import node_types
from attractor.language.graph.attribute_catalogue import ATTRIBUTES, AttributeOwner
from attractor.language.linting.pages import read_pages

SKILL_FOLDERS = (Path(".claude/skills/attractor"), Path(".agents/skills/attractor"))
"""The folders of a project in which agents look for this skill: Claude Code in the first one, codex
and gemini-cli in the second one, opencode in both."""

_TEMPLATES = Path(__file__).with_suffix("")
_MARK = re.compile(r"\n<!-- Written by attractor \S+, content (\w+)\. -->\n\Z")


def skill_files() -> Mapping[str, str]:
    """Return the texts of the skill by their path in its folder."""
    return {
        "SKILL.md": _filled("SKILL.md", "node types", _type_rows()),
        "references/attributes.md": _filled("attributes.md", "attributes", _attribute_lines()),
        "references/rules.md": _filled("rules.md", "rules", _rule_lines()),
    }


def write_skill(folder: Path, *, force: bool = False) -> list[Path]:
    """Write the skill into a folder; return its files.

    Without `force`, refuse to overwrite files that another program or a person wrote or changed.
    """
    texts = {folder / name: text for name, text in skill_files().items()}
    foreign = [str(file) for file in texts if not force and not _is_own(file)]
    if foreign:
        raise Refused(
            f"{foreign[0]} was not written by this command, or was changed",
            hint="choose another folder, or overwrite it with --force",
        )
    for file, text in texts.items():
        content = content_hash(text.encode())
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(
                file, f"{text}\n<!-- Written by attractor {__version__}, content {content}. -->\n"
            )
        except OSError as cause:
            raise file_error("write", file, cause) from cause
    return [*texts]


def _is_own(file: Path) -> bool:
    """Return whether a file is missing, or is as this command wrote it."""
    if not file.exists():
        return True
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise UsageError(f"cannot read {file}", hint="choose another folder") from cause
    mark = _MARK.search(text)
    return bool(mark) and mark[1] == content_hash(text[: mark.start()].encode())


def _filled(name: str, place: str, lines: Iterator[str]) -> str:
    template = (_TEMPLATES / name).read_text("utf-8")
    return template.replace(f"<!-- {place} -->", "\n".join(lines))


def _type_rows() -> Iterator[str]:
    yield "| type | shape | purpose |\n|---|---|---|"
    for type_ in node_types():
        shape = f"`{type_.shape}`" if type_.shape else "none"
        yield f"| `{type_.name}` | {shape} | {type_.description} |"


def _attribute_lines() -> Iterator[str]:
    for place in AttributeOwner:
        yield f"## On {'an' if place is AttributeOwner.EDGE else 'a'} {place}\n"
        for row in ATTRIBUTES.values():
            if place in row.places:
                kind = " or ".join(f"`{choice}`" for choice in row.choices) or str(row.type)
                default = f", default {row.default}" if row.default else ""
                yield f"- `{row.name}` ({kind}{default}): {row.sentence}"
        yield ""


def _rule_lines() -> Iterator[str]:
    for page in read_pages():
        yield f"## {page.rule} ({page.severity})\n\n{page.sentence}\n\n```diff"
        # The lines of the example that differ in its remedy, and those of the remedy.
        before, after = (
            [" ".join(line.split()) for line in text.splitlines()]
            for text in (page.example, page.instead)
        )
        yield from (f"- {line}" for line in before if line not in after)
        yield from (f"+ {line}" for line in after if line not in before)
        yield "```\n"
