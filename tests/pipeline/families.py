"""An open run, and the child runs of its stages."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from attractor.base.events import Event
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.interviews import UnrecordedQuestions
from attractor.engine.journal.events import PipelineStarted
from attractor.engine.questions.question import Answer, AnswerKind, Question
from attractor.engine.run_folder.layout import create_run_directory
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.seams import Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.state.progress import begin, progress_to_record
from attractor.engine.walk.waits import RunWaits
from attractor.environments.local import LocalExecutionEnvironment
from attractor.interviewers.park import Park
from attractor.interviewers.registry import InterviewerParts
from attractor.language.reading import parse
from attractor.pipeline.children.runner import Children
from attractor.pipeline.components.run_components import RunComponents
from attractor.pipeline.plan.origins import New
from attractor.pipeline.plan.run_plan import UNGOVERNED, Policy, RunPlan
from attractor.pipeline.preflight.preflight import PreflightReport
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import PipelineSource
from attractor.records.request import RunRequest
from tests.engine.graphs import line
from tests.engine.runs import manifest
from tests.pipeline.projects import open_project

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"


def tool(command: str, **declared: str) -> str:
    """Return a pipeline that runs one command."""
    said = "; ".join(f'{key}="{value}"' for key, value in declared.items())
    return (
        f'digraph inner {{ {said}\n {ENDS}; it [shape=parallelogram, tool_command="{command}"]\n'
        "start -> it -> exit }"
    )


FILES: Mapping[str, str] = {
    "good.dot": tool("echo done >> done.txt"),
    "bad.dot": tool("echo done >> done.txt; exit 3"),
    "slow.dot": tool("echo done >> done.txt; while ! [ -e go ]; do sleep 0.02; done"),
    "asks.dot": f"""digraph asks {{ {ENDS}
        gate [shape=hexagon, label="Ship it?"]
        made [shape=parallelogram, tool_command="echo done >> done.txt"]
        start -> gate
        gate -> made [label="[Y] Yes"]
        gate -> exit [label="[N] No"]
        made -> exit }}""",
}


@dataclass(frozen=True)
class GivenAnswers(UnrecordedQuestions):
    """Answers given to the parent, by the id of the question."""

    answers: Mapping[str, str]

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer to a question."""
        value = self.answers.get(question.id)
        return Answer(AnswerKind.GIVEN, value, "ann") if value else None


@dataclass
class Family:
    """A parent whose stages may start children; they work in the folder of their files."""

    folder: Path
    run: OpenRun
    opened: Project
    answers: dict[str, str] = field(default_factory=dict[str, str])
    budgets: Budgets = NO_BUDGETS
    steered: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def children(self) -> Children:
        """The object that starts the children."""
        request = RunRequest(
            file=self.folder / "parent.dot",
            backend="simulate",
            interviewer="park",
            workspace="none",
        )
        park = Park(
            InterviewerParts(input=self.opened.console.input, output=self.opened.console.output)
        )
        there = (one for one in self.folder.rglob("*") if one.is_file())
        files = {str(one.relative_to(self.folder)): one.read_bytes() for one in there}
        plan = RunPlan(
            origin=New(request),
            run_id=self.run.manifest.run_id,
            scope=RunScope.of(self.opened),
            rules=UNGOVERNED,
            policy=Policy(),
            request=request,
            pipeline=PipelineSource("", "", parse("digraph parent {}"), (), files),
            change=None,
            report=PreflightReport("parent", request, ()),
        )
        return Children(
            parent=self.run,
            plan=plan,
            components=RunComponents({}, self._steer, park),
            questions=GivenAnswers(self.answers),
            waits=RunWaits(self.run),
            budgets=self.budgets,
        )

    @property
    def workspace(self) -> Workspace:
        """The workspace of the children."""
        environ = {"PATH": self.opened.machine.search_path}
        return NoWorkspace(another=lambda: LocalExecutionEnvironment(self.folder, environ=environ))

    def write(self, name: str, text: str) -> None:
        """Write a pipeline, or any file, beside that of the parent."""
        (self.folder / name).write_text(text)

    def lines(self, name: str = "done.txt") -> list[str]:
        """Return the lines that commands wrote."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def root(self, name: str) -> Path:
        """Return the directory of a child."""
        return self.run.directory.children / name

    async def _steer(self, stage_id: str, text: str) -> bool:
        self.steered.append((stage_id, text))
        return False


@contextmanager
def family(
    tmp_path: Path, *, watch: Callable[[Event], None] = lambda event: None
) -> Generator[Family]:
    """Make a parent run, and hold its lock."""
    folder = tmp_path / "project"
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    opened = open_project(folder, observer=watch)
    root = tmp_path / "run"
    if not root.exists():
        create_run_directory(root, replace(manifest(line()), run_id="01JZPARENT"), "digraph {}")
    with open_run(root, clock=opened.machine.clock, before_end=None) as run:
        if run.state.progress is None:
            begun = progress_to_record(begin(line(), "", {}))
            run.record(PipelineStarted("Test", run.manifest.run_id, "", begun))
        yield Family(folder, run, opened)
