"""Drafts a pipeline from words: a model writes it, and repairs it until it is valid."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import field
from itertools import chain, count
from pathlib import Path
from shutil import which

from attractor.backends.models import ModelChoice, choose_ready
from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.fenced import code_blocks
from attractor.base.files import make_private_folder, make_tree_private, write_whole
from attractor.base.ids import new_run_id
from attractor.base.json import Json
from attractor.language.diagnostics import Diagnostic, Severity, as_text, record_of
from attractor.language.drawing.draw import render_async
from attractor.language.graph.graph import Graph, folder_name
from attractor.language.source.text import Source
from attractor.llm.client import Client
from attractor.llm.generation.text import generate
from attractor.llm.messages import Message
from attractor.llm.response import price_call
from attractor.pipeline.components.models import open_client
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import context_of, prepare_source
from attractor.pipeline.source.vocabulary import files_beside
from attractor.projects.detection import detect
from attractor.projects.errors import DraftRefused
from attractor.projects.skill import skill_files

MOST_ROUNDS = 4
"""The most answers of the model to one wish: a draft, and three repairs."""

PIPELINES = "pipelines"
"""The folder of a project for drafted pipelines."""

_MOST_FAULTS = 20
_INSTRUCTION = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class Draft:
    """A drafted pipeline; the graph is None after a syntax error."""

    source: Source
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def name(self) -> str:
        """The name of the graph as a file name."""
        return folder_name(self.graph.name) if self.graph and self.graph.name else "pipeline"

    @property
    def errors(self) -> list[Diagnostic]:
        """The reasons why the pipeline cannot run."""
        return [one for one in self.diagnostics if one.severity is Severity.ERROR]

    @property
    def faults(self) -> list[Diagnostic]:
        """The errors and the warnings, errors first."""
        warnings = [one for one in self.diagnostics if one.severity is Severity.WARNING]
        return [*self.errors, *warnings]

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The rank among drafts, lowest best; a text with syntax errors has no other errors."""
        return self.graph is None, len(self.errors), len(self.faults)

    def fault_lines(self) -> list[str]:
        """Return errors and warnings with their lines and fixes."""
        return [as_text(fault, self.source) for fault in self.faults]

    def save(self, file: Path) -> None:
        """Write the pipeline into a file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, self.source.text)

    def summary(self) -> str:
        """Return the number of errors and warnings in words."""
        numbers = {"error": len(self.errors), "warning": len(self.faults) - len(self.errors)}
        return ", ".join(number_of(one, noun) for noun, one in numbers.items() if one) or "valid"


@dataclass
class Spent:
    """The calls of a model so far, their cost and tokens."""

    rounds: int = 0
    cost_usd: float = 0.0
    tokens: int = 0
    is_priced: bool = True

    def __str__(self) -> str:
        cost = f"${self.cost_usd:.4f}" if self.is_priced else "unknown cost"
        return f"{cost}, {self.tokens:,} tokens"

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record; an unknown cost is None."""
        cost = self.cost_usd if self.is_priced else None
        return {"rounds": self.rounds, "cost_usd": cost, "tokens": self.tokens}


async def choose_drafter(model: str, provider: str, project: Project) -> ModelChoice:
    """Return the model that drafts: the named one, otherwise the one of the settings."""
    if not (model or provider) and project.llm:
        model, provider = project.llm.model, project.llm.provider
    return await choose_ready(
        model,
        provider,
        project.machine.environ,
        user="the draft",
        hint="pass --model and --provider, or set llm.model; 'attractor doctor' lists the keys "
        "that are set, 'attractor models' the models",
    )


@dataclass
class Drafter:
    """A conversation with a model about one pipeline.

    Relative names in the pipeline start from the folder of `place`. `tell` gets a sentence about
    each round.
    """

    project: Project
    choice: ModelChoice
    place: Path
    tell: Callable[[str], None]
    spent: Spent = field(default_factory=Spent)
    _messages: list[Message] = field(default_factory=list[Message])

    async def draft(self, words: str) -> Draft:
        """Return a draft for a task; later, the draft with a change.

        Errors and warnings go back to the model. After the last round, the draft with the fewest
        errors and warnings is returned.
        """
        if not self._messages:
            self._messages.append(Message.system(instruction(self.project)))
        self._messages.append(Message.user(words))
        drafts: list[tuple[Draft, int]] = []
        async with AsyncExitStack() as stack:
            client = await open_client(RunScope.of(self.project), stack)
            for number in range(1, MOST_ROUNDS + 1):
                source = Source(pipeline_in(await self._ask(client)), "draft.dot")
                files, project = files_beside(self.place), context_of(RunScope.of(self.project))
                found = prepare_source(source, "", files, None, project)
                draft = Draft(source, found.graph, found.diagnostics)
                drafts.append((draft, len(self._messages)))
                result = f"{draft.summary()} ({self.spent} so far)"
                self.tell(f"round {number} of {MOST_ROUNDS}: {result}")
                if not draft.faults:
                    break
                lines = draft.fault_lines()
                rest = len(lines) - _MOST_FAULTS
                lines[_MOST_FAULTS:] = [f"... and {rest} more"] if rest > 0 else []
                listed = "\n".join(lines)
                complaint = f"`attractor validate` reports:\n\n{listed}"
                request = "Answer with the corrected pipeline."
                self._messages.append(Message.user(f"{complaint}\n\n{request}"))
        best, end = min(drafts, key=lambda one: one[0].rank)
        # A change is about this draft.
        del self._messages[end:]
        return best

    async def _ask(self, client: Client) -> str:
        model, provider = self.choice.model, self.choice.provider
        result = await generate(model, messages=self._messages, provider=provider, client=client)
        response, spent = result.response, self.spent
        price = price_call(response.usage, response.provider, (response.model, model))
        spent.rounds += 1
        spent.cost_usd += price.cost_usd or 0.0
        spent.tokens += response.usage.total_tokens
        spent.is_priced = spent.is_priced and price.cost_usd is not None
        self._messages.append(Message.assistant(result.text or "(no text)"))
        return result.text


def instruction(project: Project) -> str:
    """Return the instruction to the model: the task, the project's toolchain, and the skill."""
    toolchain = ""
    if found := detect(
        project.root, lambda name: which(name, path=project.machine.search_path) or ""
    ):
        tests = f", tests: `{found.test_command}`" if found.test_command else ""
        toolchain = f"The project's toolchain: {found.language}{tests}."
    parts = [_INSTRUCTION.read_text("utf-8"), toolchain, *skill_files().values()]
    return "\n\n".join(part.strip() for part in parts if part)


def pipeline_in(answer: str) -> str:
    """Return the DOT text in an answer: the last fenced block with a digraph, or the whole text."""
    answer = answer.replace("\r\n", "\n")
    found = next((one for one in reversed(code_blocks(answer)) if "digraph" in one), answer)
    return f"{found.strip()}\n"


async def keep_draft(draft: Draft, project: Project) -> Mapping[str, Path]:
    """Write a draft and its drawing into a new state folder; return the files by their ending."""
    machine = project.machine
    folder = machine.state_dir / "drafts" / new_run_id(machine.clock.now(), machine.randomness)
    make_private_folder(folder)
    kept = {"dot": folder / f"{draft.name}.dot"}
    write_whole(kept["dot"], draft.source.text)
    if draft.graph and not draft.errors:
        kept["svg"] = folder / f"{draft.name}.svg"
        write_whole(kept["svg"], await render_async(draft.graph))
    # A run would report files of the state folder that others can read.
    make_tree_private(folder)
    return kept


def require_valid(draft: Draft, kept: Path, spent: Spent) -> Graph:
    """Return the graph of a draft; refuse an invalid draft, which is kept in a file."""
    if draft.graph and not draft.errors:
        return draft.graph
    refused = DraftRefused(
        f"the model wrote no valid pipeline in {MOST_ROUNDS} rounds: {draft.summary()}",
        hint=f"correct the draft, or describe the task in other words: {kept}",
    )
    diagnostics = [record_of(fault) for fault in draft.faults]
    refused.details = {"draft": str(kept), "diagnostics": diagnostics, **spent.to_record()}
    raise refused


def free_place(project: Path, name: str) -> Path:
    """Return the file of a new pipeline: one that does not exist."""
    folder = project / PIPELINES
    numbered = (folder / f"{name}_{number}.dot" for number in count(2))
    return next(one for one in chain([folder / f"{name}.dot"], numbered) if not one.exists())
