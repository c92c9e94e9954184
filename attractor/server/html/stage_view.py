"""A stage as the page of its run shows it: one of its tabs, with its content."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.language.graph.graph import Node, folder_name
from attractor.pipeline.workspace.diffs import Diff, read_stage_diff
from attractor.records.evidence import RESPONSE
from attractor.records.timeline import StageAttempt, find_attempt
from attractor.records.transcript import TRANSCRIPT, TranscriptPage, read_page
from attractor.server.html.changes import Changes, changes_in
from attractor.server.html.run_view import RunView
from attractor.server.html.stage_output import AT_THE_END, OUTPUT_FILES, Log, LogPlace, read_log

PROMPT = "prompt.md"
LARGEST_FILE = 200_000
"""The bytes of a file that a page shows."""

MOST_ENTRIES = 300
"""The entries of a transcript on a page."""


@dataclass(frozen=True)
class Tab:
    """A view of a stage: its name in addresses, its label, and the number of its items."""

    name: str
    label: str
    count: int | None = None


@dataclass(frozen=True)
class StageView:
    """An attempt of a stage, or a node that the run has not reached, with one of its tabs."""

    node: Node | None
    attempt: StageAttempt | None
    others: Sequence[StageAttempt]
    tabs: Sequence[Tab]
    tab: str
    transcript: TranscriptPage | None = None
    text: str = ""
    changes: Changes = Changes()
    log: Log | None = None

    @property
    def name(self) -> str:
        """The node of the stage."""
        if self.attempt:
            return self.attempt.node
        return self.node.id if self.node else ""


def view_stage(
    view: RunView, reference: str, tab: str = "", place: LogPlace = AT_THE_END
) -> StageView:
    """Return a stage of a run; the first tab with content, or the tab with a name.

    `place`: the part of its output.
    """
    nodes = view.drawing.graph.nodes
    attempts = view.timeline.attempts
    try:
        attempt = find_attempt(attempts, reference)
    except UnknownName:
        node = next((each for each in nodes.values() if folder_name(each.id) == reference), None)
        if node is None:
            raise
        return StageView(node, None, (), (Tab("details", "Details"),), "details")
    files = {each.name for each in attempt.files()}
    diff = read_stage_diff(attempt)
    node = nodes.get(attempt.node)
    tabs = list(_tabs(attempt, files, diff, is_tool=node is not None and node.type == "tool"))
    names = [each.name for each in tabs]
    if tab and tab not in names:
        raise UnknownName("view of this stage", tab, names)
    chosen = tab or names[0]
    others = [each for each in attempts if each.node == attempt.node]
    plain = StageView(node, attempt, others, tabs, chosen)
    return _with_content(plain, attempt, diff, place)


def _tabs(attempt: StageAttempt, files: set[str], diff: Diff, *, is_tool: bool) -> Iterator[Tab]:
    output = Tab("output", "Output")
    if is_tool:
        yield output
    if TRANSCRIPT in files:
        yield Tab("conversation", "Conversation")
    if not is_tool and not files.isdisjoint(OUTPUT_FILES):
        yield output
    if RESPONSE in files:
        yield Tab("response", "Response")
    if PROMPT in files:
        yield Tab("prompt", "Prompt")
    if diff.files:
        yield Tab("changes", "Changes", len(diff.files))
    yield Tab("details", "Details")
    if files:
        yield Tab("files", "Files", len(files))


def _with_content(
    plain: StageView, attempt: StageAttempt, diff: Diff, place: LogPlace
) -> StageView:
    folder = attempt.folder
    match plain.tab:
        case "conversation" if folder:
            page = read_page(folder, offset=0, most=MOST_ENTRIES)
            return replace(plain, transcript=page)
        case "prompt" | "response":
            name = PROMPT if plain.tab == "prompt" else RESPONSE
            return replace(plain, text=read_text(attempt, name))
        case "changes":
            return replace(plain, changes=changes_in(diff))
        case "output":
            return replace(plain, log=read_log(attempt, place))
        case _:
            return plain


def read_text(attempt: StageAttempt, name: str) -> str:
    """Return the beginning of a file of an attempt as text."""
    content = attempt.read_file(name, most=LARGEST_FILE + 1)
    cut = "\n[cut here: the file is larger]" if len(content) > LARGEST_FILE else ""
    return content[:LARGEST_FILE].decode("utf-8", "replace") + cut
