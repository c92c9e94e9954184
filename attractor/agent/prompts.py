"""Finds agents and prompts in `agents/`, shipped or of the project, and renders the prompts.

Prompts are Jinja2 templates. This module imports little, because `attractor validate` lists agents.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.agent.errors import PromptInvalid, PromptMissing
from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.config.projects import AGENT_FILE, PROFILES, PROMPT_SUFFIX

if TYPE_CHECKING:
    from jinja2 import Template

_PACKAGE = Path(__file__).parent.parent
# In the wheel, the agents are in the package; in a checkout, they are beside it.
SHIPPED_AGENTS = (_PACKAGE / "agents", _PACKAGE.parent / "agents")


def find_agents(folders: Sequence[Path] = ()) -> Mapping[str, Path]:
    """Return the folders of all agents by name; earlier folders replace later ones."""
    found: dict[str, Path] = {}
    for folder in (*folders, *SHIPPED_AGENTS):
        for file in sorted(folder.glob(f"[!._]*/{AGENT_FILE}")):
            found.setdefault(file.parent.name, file.parent)
    return found


@dataclass(frozen=True)
class Prompt:
    """The template of a prompt, and its file."""

    file: Path
    text: str

    def render(self, **values: object) -> str:
        """Return the prompt with these values."""
        # 47 ms, which only runs with agents need.
        from jinja2 import TemplateError, TemplateSyntaxError

        # It imports jinja2.
        from attractor.language.declarations.templates import render

        try:
            return render(_compiled(self.text), values).strip()
        except TemplateSyntaxError as error:
            raise PromptInvalid(f"{self.file}:{error.lineno}: {error.message}") from error
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            hint = f"known values: {', '.join(values)}" if values else "it gets no values"
            raise PromptInvalid(f"{self.file}: {error}", hint=hint) from error


def find_prompt(name: str, *, folders: Sequence[Path] = ()) -> Prompt:
    """Return a prompt by its name: the project's own prompt, otherwise the shipped one."""
    shipped = (folder / PROFILES for folder in SHIPPED_AGENTS)
    files = [folder / f"{name}{PROMPT_SUFFIX}" for folder in (*folders, *shipped)]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise PromptMissing(
            f"unknown prompt {name!r}", hint=f"create {files[0]}, or reinstall attractor"
        )
    return read_prompt(file)


def read_prompt(file: Path) -> Prompt:
    """Read a prompt from its file."""
    try:
        return Prompt(file, file.read_text("utf-8"))
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    except UnicodeDecodeError as cause:
        raise PromptInvalid(f"{file}: {cause}", hint="save it as UTF-8") from cause


def render_prompt(name: str, *, folders: Sequence[Path] = (), **values: object) -> str:
    """Return a rendered prompt by its name."""
    return find_prompt(name, folders=folders).render(**values)


@lru_cache(maxsize=32)
def _compiled(text: str) -> "Template":
    # See `render`.
    from jinja2 import StrictUndefined

    # It imports jinja2.
    from attractor.language.declarations.templates import BoundedSandbox

    # Lines with a block only leave no empty line.
    environment = BoundedSandbox(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    return environment.from_string(text)
