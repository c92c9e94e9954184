"""How an agent proposes a change: what it is shown, and the tool that takes and checks it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from attractor.agent.errors import ToolError
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, define
from attractor.asking.inquiry import Inquiry
from attractor.asking.proposal_checks import CheckedTrees, check_proposal
from attractor.asking.question import LONGEST_TEXT, cites_schema, list_schema, object_schema
from attractor.asking.statements import Cite, check_cite
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused, UsageError, words_of
from attractor.base.fenced import DATA_ONLY, fenced
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_record
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.environments.environment import ExecutionEnvironment
from attractor.factory.proposals import (
    LONGEST_FILE,
    MOST_FILES,
    ProposalCheck,
    ProposalCite,
    Proposals,
    ProposedChange,
    ProposedKind,
    check_lines,
    kind_of,
    repository_of,
    require_files,
    text_at,
    write_proposal,
)
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import text_of
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.run_store import store_for_a_moment
from attractor.workspaces.snapshot import write_out

_MOST_SHOWN = 60_000
_GOAL = (
    "Find out why run {run} ended as it did, and propose a change of a pipeline, an agent or a "
    "train scenario with the tool `propose`, if one of these is the cause. Then call `answer`."
)


@dataclass(frozen=True)
class ProposalSubject:
    """The run that a proposal is about, and the branch and commit that it starts from.

    `texts` are the files of the commit that it may change, "" for those that are not shown.
    """

    run_id: str
    branch: str
    base: str
    texts: Mapping[str, str]

    def goal(self, words: str) -> str:
        """Return the goal of the agent, with the files and what the person typed."""
        shown = fenced({name: text for name, text in self.texts.items() if text}, token_hex(8))
        others = ", ".join(name for name, text in self.texts.items() if not text)
        return "\n\n".join(
            filter(None, [_GOAL.format(run=self.run_id), words, DATA_ONLY, shown, others])
        )


async def read_subject(reference: str, inquiry: Inquiry) -> ProposalSubject:
    """Return what a proposal about a run starts from: the branch that is checked out."""
    root, opened = inquiry.find(reference), inquiry.opened
    manifest = read_manifest(RunDirectory(root))
    repository = await repository_of(opened)
    branch = await repository.checked_out_branch()
    if not branch:
        raise Refused("no branch is checked out", hint="git switch BRANCH, then propose again")
    base = await repository.commit(f"refs/heads/{branch}")
    async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
        paths = await _paths_of(base, store, repository)
    file = Path(opened.project.root, str(manifest.options.get("file", "")))
    if file.is_file() and file.is_relative_to(opened.project.root):
        name = str(file.relative_to(opened.project.root))
        if name not in paths:
            raise Refused(
                f"{name}, the pipeline of run {manifest.run_id}, is not committed on {branch}",
                hint="commit it, then propose again",
            )
        paths = [name, *(path for path in paths if path != name)]
    texts, left = dict[str, str](), _MOST_SHOWN
    for path in paths:
        text = await text_at(path, base, repository)
        # What is replaced cannot be written again.
        is_shown = len(text) <= left and inquiry.redactor.text(text) == text
        texts[path] = text * is_shown
        left -= len(texts[path])
    return ProposalSubject(manifest.run_id, branch, base, texts)


async def _paths_of(base: str, store: ObjectStore, repository: Repository) -> Sequence[str]:
    """Return the paths that a proposal may change: agents, then train scenarios, then pipelines."""
    files = await store.files_of(await repository.tree(base))
    whole = [text_of(path) for path in files]
    paths = [
        one.removeprefix(repository.prefix) for one in whole if one.startswith(repository.prefix)
    ]
    order = [ProposedKind.AGENT, ProposedKind.TRAIN, ProposedKind.PIPELINE]
    return [path for kind in order for path in paths if kind_of(path) is kind]


@dataclass(frozen=True)
class ProposedFile:
    """The whole text of a file."""

    path: str
    content: str


@dataclass(frozen=True)
class StatedProposal:
    """The form of the tool `propose`."""

    reason: str
    cites: Sequence[Cite]
    files: Sequence[ProposedFile]


class ProposeTool:
    """Takes the proposal of the agent, the last one if it proposes again, and checks it."""

    def __init__(self, subject: ProposalSubject) -> None:
        self._subject = subject
        self.proposal: ProposedChange | None = None

    def tools(self, inquiry: Inquiry) -> Sequence[RegisteredTool]:
        """Return the tool of a question."""

        async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
            try:
                self.proposal = await self._check(read_record(StatedProposal, arguments), inquiry)
            except (AttractorError, OSError, ValueError) as fault:
                raise ToolError(inquiry.redactor.text(words_of(fault))) from None
            return inquiry.redactor.text("\n".join(check_lines(self.proposal.checks)))

        words = (
            "Propose a change of pipelines, agents or train scenarios, which is checked now and "
            "which a person applies; the last call of this tool counts."
        )
        return [
            RegisteredTool(
                define("propose", words, _schema(), required=[*_schema()]),
                execute,
                is_inherited=False,
                needs=Permissions.READ_ONLY,
            )
        ]

    async def _check(self, stated: StatedProposal, inquiry: Inquiry) -> ProposedChange:
        subject, project = self._subject, inquiry.opened.project
        files = {one.path: one.content for one in stated.files}
        require_files(files)
        if any(project.redactor.finds(text) for text in (stated.reason, *files.values())):
            raise Refused("the proposal contains a secret", hint="write it without")
        _require_evidence(stated, inquiry)
        proposal = ProposedChange(
            run_id=subject.run_id,
            asked_in=inquiry.run_id,
            reason=inquiry.redactor.text(stated.reason),
            cites=[
                ProposalCite(inquiry.overview(one.run).run_id, one.seq, one.quote)
                for one in stated.cites
            ],
            branch=subject.branch,
            base=subject.base,
            files=files,
            checks=(),
            at=inquiry.now,
        )
        Proposals.of(inquiry.opened).require_new(proposal)
        return replace(proposal, checks=await _checks_of(proposal, inquiry))


def _require_evidence(stated: StatedProposal, inquiry: Inquiry) -> None:
    """Refuse a proposal without a cite, or with one whose words its event does not have."""
    if not stated.reason.strip() or not stated.cites:
        hint = "cite words of an event, as the tool `journal` prints it"
        raise UsageError("the proposal has no reason, or no evidence", hint=hint)
    for checked in (check_cite(cite, inquiry.read_event) for cite in stated.cites):
        if checked.fault:
            raise UsageError(f"the cite is false: {checked.words}", hint="quote the event")


async def _checks_of(proposal: ProposedChange, inquiry: Inquiry) -> Sequence[ProposalCheck]:
    """Check a proposal on the files of its base commit, in two folders for a moment."""
    opened = inquiry.opened
    repository, state = await repository_of(opened), opened.project.machine.state_dir
    async with store_for_a_moment(repository, state) as store:
        commit = await write_proposal(proposal, store, repository)
        tree = await store.git.run("rev-parse", "--verify", f"{commit}^{{tree}}")
        if tree == await repository.tree(proposal.base):
            raise UsageError("the proposal changes nothing", hint="give the changed text")
        with TemporaryDirectory() as folder:
            roots = list[Path]()
            for name, one in (("before", await repository.tree(proposal.base)), ("after", tree)):
                top = Path(folder, name)
                top.mkdir()
                await write_out(store, await store.files_of(one), top)
                roots.append(top / repository.prefix)
                # So that it is a project: pipelines read files of their project alone.
                (roots[-1] / ".git").mkdir(exist_ok=True)
            trees = CheckedTrees(roots[0], roots[1], opened)
            clean = inquiry.redactor.text
            return [
                replace(one, after=clean(one.after), before=clean(one.before))
                async for one in check_proposal(proposal, trees)
            ]


def _schema() -> dict[str, JsonObject]:
    text: dict[str, Json] = {"type": "string", "maxLength": LONGEST_TEXT}
    content: dict[str, Json] = {"type": "string", "maxLength": LONGEST_FILE}
    file = object_schema({"path": text, "content": content}, "path", "content")
    return {
        "reason": {**text, "description": "What goes wrong, and why the change helps."},
        "cites": {**cites_schema(), "description": "The events that show it."},
        "files": {
            **list_schema(file, most=MOST_FILES),
            "description": "Each changed or new file with its whole new text.",
        },
    }
