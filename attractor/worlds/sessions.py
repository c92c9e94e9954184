"""Finds the sessions of `attractor agent` and of actors, and continues one of them in a new run."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.journal import read_lines
from attractor.base.json import parse_object
from attractor.base.processes import OutputLimit
from attractor.engine.errors import ConversationLost
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.stage.folder import SESSION, STATUS
from attractor.engine.state.attempts import MAIN
from attractor.engine.storage.json_files import read_untrusted
from attractor.engine.truncation import keep_ends
from attractor.engine.walk.saved_conversations import SavedConversations
from attractor.records.lookup import find_run, is_run
from attractor.records.request import ContinuedRun, RunRequest, read_request
from attractor.records.summary import list_runs
from attractor.records.transcript import TRANSCRIPT, EntryKind, read_page

NAME, STAGE = "agent", "work"
"""The pipeline of a session, which is also its thread, and its stage."""

FILE = "agent.dot"
"""The file of the pipeline, which exists in no project."""

_LARGEST_ANSWER = 8 << 20
_RETOLD = "\n\n# What was said before\n\n"
_LONGEST_RETOLD = OutputLimit(head=16_000, tail=48_000)
_CUT = (
    "You were cut off before you finished this task. Your last words and tool calls may be "
    "missing here, and files may be changed in part."
)


def pipeline_text(agent: str = "", note: str = "", timeout: str = "") -> str:
    """Return the pipeline of a session: one stage whose prompt is the goal, then a note."""
    # A session ends with the agent's last words; a report is possible, but not requested.
    own = f", agent={json.dumps(agent)}" if agent else ""
    own += f", timeout={json.dumps(timeout)}" if timeout else ""
    prompt = json.dumps(f"$goal\n\n{note}".strip())
    return (
        f"digraph {NAME} {{\n"
        "  start [shape=Mdiamond]; done [shape=Msquare]\n"
        f"  {STAGE} [prompt={prompt}, fidelity=full, thread_id={NAME}, auto_status=true{own}]\n"
        f"  start -> {STAGE} -> done\n"
        "}\n"
    )


@dataclass(frozen=True)
class AgentSession:
    """A session: a run with one stage."""

    directory: RunDirectory
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.manifest.run_id

    @property
    def folder(self) -> Path:
        """The folder of the stage."""
        return self.directory.stage(STAGE)

    @cached_property
    def request(self) -> RunRequest:
        """The request of the run."""
        return read_request(self.manifest)

    @property
    def is_cut(self) -> bool:
        """Whether the session did not end: it was killed, interrupted or stopped by a budget."""
        return not (self.folder / STATUS).is_file()

    @property
    def model(self) -> tuple[str, str]:
        """The requested provider and model, otherwise those that the session began with."""
        if self.request.provider or self.request.model:
            return self.request.provider, self.request.model
        path = self.folder / TRANSCRIPT
        for line in read_lines(path) if path.is_file() else ():
            match parse_object(line.content):
                case {"kind": "SESSION_START", "provider": str(provider), "model": str(model)}:
                    return provider, model
                case _:
                    pass
        return "", ""

    def retell(self, *, is_continued: bool = False) -> str:
        """Return what the agent was told before, its task, and what it said.

        If the conversation is continued, what the agent said is left out.
        """
        task, _, before = self.request.goal.partition(_RETOLD)
        said = (
            ""
            if is_continued
            else self._describe_work()
            if self.is_cut
            else read_answer(self.folder)
        )
        parts = [before, f"## Your task\n\n{keep_ends(task)}"]
        parts += [_CUT] if self.is_cut else []
        parts += [f"## Your answer\n\n{keep_ends(said)}"] if said else []
        return "\n\n".join(filter(None, parts))

    def _describe_work(self) -> str:
        lines: list[str] = []
        for entry in read_page(self.folder, offset=0, most=sys.maxsize).entries:
            match entry.kind:
                case EntryKind.TEXT if not entry.subagent:
                    lines += entry.body
                case EntryKind.CALL | EntryKind.FAILURE if not entry.subagent:
                    lines.append(f"[{entry.title}]")
                case _:
                    pass
        return "\n".join(lines)


def read_answer(folder: Path) -> str:
    """Return the last message of an agent from the folder of its stage."""
    place = folder / "response.md"
    if not place.is_file():
        return ""
    return read_untrusted(place, largest=_LARGEST_ANSWER).decode(errors="replace").strip()


def find_session(reference: str, runs_dir: Path) -> AgentSession:
    """Return the session of a run, or the last session."""
    # The newest run comes first.
    candidates = (
        [find_run(reference, runs_dir)]
        if reference
        else [run.directory for run in list_runs(runs_dir)]
    )
    for root in candidates:
        # A killed session may have no transcript.
        if RunDirectory(root).stage(STAGE).is_dir():
            session = read_session(root)
            if session.manifest.pipeline == NAME:
                return session
    raise UsageError(
        f"run {reference} is not a session" if reference else "no session to continue",
        hint="start one with: attractor agent TASK",
    )


def continue_session(
    request: RunRequest,
    session: AgentSession,
    runs_dir: Path,
    *,
    tell: Callable[[str], None],
    is_fresh: bool = False,
) -> RunRequest:
    """Return the request with an earlier session, which is continued with the same backend.

    The agent continues the newest saved conversation of the session and those that it continued,
    and is told the rest as text. With `is_fresh`, the agent is told everything as text.
    """
    told: list[str] = []
    continues: ContinuedRun | None = None
    for earlier in _chain(session):
        if isinstance(earlier, str):
            told.insert(0, f"What was said in run {earlier} is lost.")
        elif not is_fresh and (continues := _continued(earlier, request.backend, runs_dir, tell)):
            told[:0] = [earlier.retell(is_continued=True)] if earlier.is_cut else []
            break
        else:
            told.insert(0, earlier.retell())
    if told:
        how = f"the session of run {continues.run_id}" if continues else "a new session"
        tell(f"The agent continues with {how}, and reads what else was said as text.")
        retold = keep_ends("\n\n".join(told), _LONGEST_RETOLD)
        request = replace(request, goal=f"{request.goal}{_RETOLD}{retold}")
    return replace(request, continues=continues)


def keep_model(request: RunRequest, session: AgentSession) -> RunRequest:
    """Return the request with the provider and the model of a session, unless it names others."""
    # Slow to import, and only needed for a session that is continued.
    from attractor.backends.provider_needs import provider_of

    sessions = (one for one in _chain(session) if isinstance(one, AgentSession))
    models = (one.model for one in sessions if one.request.backend == request.backend)
    provider, model = next(filter(any, models), ("", ""))
    if request.model:
        provider = request.provider or provider_of(request.model) or provider
        return replace(request, provider=provider)
    if request.provider not in ("", provider or provider_of(model)):
        return request
    return replace(request, provider=provider, model=model)


def _chain(session: AgentSession) -> Iterator[AgentSession | str]:
    """Yield a session, and those that it continued, newest first; the last may be the id of a
    run that is gone.
    """
    while True:
        yield session
        continued = session.request.continues
        if continued is None:
            return
        root = session.directory.root.with_name(continued.run_id)
        if not is_run(RunDirectory(root)):
            yield continued.run_id
            return
        session = read_session(root)


def _continued(
    session: AgentSession, backend: str, runs_dir: Path, tell: Callable[[str], None]
) -> ContinuedRun | None:
    """Return a session as it is now, if the backend has saved a conversation of it."""
    directory = session.directory
    if session.request.backend != backend or directory.root.parent != runs_dir:
        return None
    head = open_journal(directory.events, directory.checkpoint).head
    if backend != "agent":
        is_saved = (session.folder / SESSION).is_file()
        return ContinuedRun(session.run_id, head.seq, head.hash) if is_saved else None
    # As above.
    from attractor.backends.agent_conversations import rebuild

    try:
        SavedConversations(directory, rebuild, until=head).take(NAME, [MAIN])
    except ConversationLost as lost:
        if not session.is_cut:
            tell(f"The conversation of run {session.run_id} cannot be read: {lost}")
        return None
    return ContinuedRun(session.run_id, head.seq, head.hash)


def read_session(root: Path) -> AgentSession:
    """Return the session of the run in a directory."""
    directory = RunDirectory(root)
    return AgentSession(directory, read_manifest(directory))
