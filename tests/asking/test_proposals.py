"""A failing pipeline is repaired by a proposal, which a person applies or drops."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.agent.errors import ToolError
from attractor.asking.inquiry import Inquiry
from attractor.asking.proposing import ProposeTool, read_subject
from attractor.base.clock import SystemClock
from attractor.base.errors import Refused
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import open_project
from attractor.factory.proposals import apply_proposal, check_lines, keep_proposal
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.places import finish, local
from tests.agent.twinned import MODELS, model_requests, says, use, uses
from tests.cli.plain_desk import WORDS, PlainDesk
from tests.factory.flows import HOLDOUT, make_flow
from tests.pipeline.projects import LINEAR, git
from tests.repositories import begin_repository
from tests.scenarios.suites import write_suite

MODEL = ("--model", MODELS["openai"], "--provider", "openai")
FILE = "pipelines/bug_fix.dot"
EDGE, BROKEN = "start -> ready -> reproduce", 'ready -> reproduce [condition="outcome=sucess"]'
GALLERY = Path(__file__).parents[2] / FILE
REASON = "no edge out of ready can be followed"


class ProposalDesk(PlainDesk):
    """A repository whose pipeline was copied from the gallery and broken, and a run that failed."""

    twin: ProviderTwin | None = None
    secret, run_id, seq = "", "", 0

    @property
    def place(self) -> Path:
        return self.folder / "project"

    @property
    def environ(self) -> dict[str, str]:
        token = {"ATTRACTOR_TOKEN": self.secret} if self.secret else {}
        return {**super().environ, **token, **(self.twin.environ() if self.twin else {})}

    def begin_project(self) -> None:
        self.place.mkdir()
        begin_repository(self.place)
        assert self.do("gallery", "copy", "bug_fix").returncode == 0
        text = self.fixed.replace(f"{EDGE} -> must_fail", f"start -> ready\n    {BROKEN}")
        self.write(text.replace("find -> fix", "reproduce -> must_fail\n    find -> fix"), FILE)
        self.write(GALLERY.with_suffix(".test.toml").read_text(), "pipelines/bug_fix.test.toml")
        (self.place / "link.dot").symlink_to("/etc/passwd")
        self.commit()
        done = self.do("run", FILE, *WORDS, "--goal", "fix it", "--input", "test=true")
        assert done.returncode == 1, done.stderr
        [journal] = self.place.glob("runs/*/events.jsonl")
        lines = [line for line in journal.read_text().splitlines() if REASON in line]
        self.run_id, self.seq = journal.parent.name, json.loads(lines[0])["seq"]

    @property
    def fixed(self) -> str:
        return GALLERY.read_text()

    def commit(self) -> None:
        git(self.place, "add", "--all")
        git(self.place, "commit", "--quiet", "--message", "Change it")

    def json(self, *words: str) -> Any:
        done = self.do(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def propose(self, files: dict[str, str], quote: str = REASON) -> Any:
        """Let a scripted model propose files, with a cite of the end of the run."""
        arguments: dict[str, Any] = {
            "reason": "The condition has a typo.",
            "cites": [{"run": self.run_id, "seq": self.seq, "quote": quote}],
            "files": [{"path": path, "content": text} for path, text in files.items()],
        }
        answers = [uses(use("propose", arguments)), says("The condition has a typo.")]
        rules = [Rule(when=When(step=step), answer=one) for step, one in enumerate(answers)]
        with in_background(ProviderTwin(Script(rules=tuple(rules)))) as self.twin:
            return self.json("ask", "--propose", self.run_id, *MODEL)

    def said_to_the_model(self) -> str:
        assert self.twin
        return str(model_requests(self.twin)[1].body)

    def allow(self, scope: str) -> None:
        store, self.secret = TokenStore(self.folder / "state"), f"secret-{scope}"
        store.create(f"ann-{scope}", scope, self.secret, by="ann", now=SystemClock().now())


@pytest.fixture
def desk(tmp_path: Path) -> ProposalDesk:
    desk = ProposalDesk(tmp_path)
    desk.begin_project()
    return desk


def test_failing_pipeline_is_repaired_by_a_proposal(desk: ProposalDesk) -> None:
    found = desk.json("diagnose")
    assert f"attractor ask --propose {found['run_id']}" in str(found["remedies"])
    before = git(desk.place, "rev-parse", "HEAD").strip()
    made = desk.propose({FILE: desk.fixed})["proposal"]
    checks = {one["kind"]: one for one in made["checks"]}
    assert all(one["is_passed"] for one in made["checks"])
    assert checks["simulate"]["before"].startswith("start -> ready: fail")
    assert checks["simulate"]["after"].endswith("must_pass -> exit: success")
    assert "outcome=sucess" in checks["diff"]["after"]
    assert "1 of 6" in checks["test"]["before"]
    assert checks["test"]["after"] == "6 of 6 tests passed"
    # The model saw the broken pipeline; the project is as it was.
    assert "outcome=sucess" in desk.said_to_the_model()
    assert git(desk.place, "status", "--porcelain") == ""
    [row] = [one for one in desk.json("attention") if one["need"] == "proposal"]
    assert row["command"].endswith(f"attractor proposal show {made['name']}")
    shown = desk.do("proposal", "show", made["name"]).stdout
    assert f"-    {BROKEN}" in shown
    assert REASON in shown

    apply = ("proposal", "apply", made["name"])
    assert "cannot prove who decides" in desk.do(*apply).stderr
    desk.allow("operate")
    assert desk.do(*apply).returncode != 0
    desk.allow("decide")
    assert desk.do(*apply).returncode == 0, desk.do(*apply).stderr
    assert (desk.place / FILE).read_text() == desk.fixed
    assert git(desk.place, "status", "--porcelain", "--branch").strip() == "## main"
    assert git(desk.place, "rev-parse", "HEAD^").strip() == before
    assert git(desk.place, "branch", "--list", "attractor/proposal/*") == ""
    [line] = [
        one
        for one in Ledger(desk.folder / "state").entries()
        if one.kind == LineKind.PROPOSAL_APPLIED
    ]
    assert (line.data["by"], line.data["files"]) == ("ann-decide", [FILE])
    again = desk.do(*apply)
    assert again.returncode == 4
    assert "was applied already, by ann-decide" in again.stderr
    assert desk.json("proposal", "list") == []
    assert "proposal applied" in desk.do("history", "--all").stdout
    assert desk.do("audit", "verify").returncode == 0


def test_moved_base_is_refused(desk: ProposalDesk) -> None:
    name = desk.propose({FILE: desk.fixed})["proposal"]["name"]
    desk.write("hello\n", "readme.txt")
    desk.commit()
    desk.allow("decide")
    done = desk.do("proposal", "apply", name)
    assert done.returncode == 4
    assert "main moved from" in done.stderr
    assert "attractor ask --propose" in done.stderr
    assert "sucess" in (desk.place / FILE).read_text()
    assert [one["state"] for one in desk.json("proposal")] == ["open"]


def test_dropped_proposal_is_not_proposed_again(desk: ProposalDesk) -> None:
    name = desk.propose({FILE: desk.fixed})["proposal"]["name"]
    assert desk.do("proposal", "drop", name[:4]).returncode == 0
    assert git(desk.place, "branch", "--list", "attractor/proposal/*") == ""
    assert desk.json("proposal", "list") == []
    assert [one["state"] for one in desk.json("proposal", "list", "--all")] == ["dropped"]
    assert desk.propose({FILE: desk.fixed})["proposal"] is None
    assert f"the proposal {name} was dropped already" in desk.said_to_the_model()
    desk.allow("decide")
    assert "was dropped already" in desk.do("proposal", "apply", name).stderr


@pytest.mark.parametrize(
    ("reference", "words"),
    [("01GONE", "unknown run '01GONE'"), ("../runs", "unknown run"), ("latest", "not committed")],
)
def test_run_that_is_gone_and_pipeline_outside_git_are_refused(
    desk: ProposalDesk, reference: str, words: str
) -> None:
    git(desk.place, "rm", "--quiet", "--cached", FILE)
    git(desk.place, "commit", "--quiet", "--message", "Forget it")
    done = desk.do("ask", "--propose", reference, *MODEL)
    assert done.returncode in (2, 4)
    assert words in done.stderr


def test_refused_proposals(desk: ProposalDesk) -> None:
    """Each is refused with words for the model, and nothing is proposed."""
    environ = {**desk.environ, "OPENAI_API_KEY": "sk-quokka-4f1d77aa90"}
    opened = open_project(desk.place, environ)
    inquiry = Inquiry(opened, "", opened.now(), (), lambda: ())
    taken = ProposeTool(asyncio.run(read_subject("latest", inquiry)))
    [tool] = taken.tools(inquiry)
    cite = {"run": "latest", "seq": desk.seq, "quote": REASON}
    for path, content, words, cites in REFUSED:
        file = {"path": path, "content": content}
        told: dict[str, Any] = {"reason": "A typo.", "cites": cites or [cite], "files": [file]}
        with pytest.raises(ToolError, match=words):
            finish(tool.execute(told, local(desk.place)))
    assert taken.proposal is None


TRAIN = "scenarios/shop/train/shown.scenario.toml"
SHOWN = """id = "shown"
title = "It is shown"
story = "Bob reads."
[[steps]]
name = "read"
run = "cat readme.txt"
[[checks]]
kind = "stdout"
step = "read"
contains = "{word}"
"""


def test_train_scenario_is_played_before_and_after_and_no_holdout_is_applied(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    write_suite(flow.project / "scenarios/shop", made=HOLDOUT.format(wanted="made"))
    (flow.project / TRAIN).parent.mkdir()
    (flow.project / TRAIN).write_text(SHOWN.format(word="goodbye"))
    git(flow.project, "add", "--all")
    git(flow.project, "commit", "--quiet", "--message", "Add a suite")
    flow.launch(evaluate=False)
    inquiry = Inquiry(flow.opened, "", flow.opened.now(), (), lambda: ())
    taken = ProposeTool(asyncio.run(read_subject("latest", inquiry)))
    [tool] = taken.tools(inquiry)
    leak = f"{LINEAR}// Ann looks into the file.\n"
    files = {TRAIN: SHOWN.format(word="hello"), "pipeline.dot": leak}
    told: dict[str, Any] = {
        "reason": "Nobody says goodbye.",
        "cites": [{"run": "latest", "seq": 1, "quote": "booting"}],
        "files": [{"path": path, "content": text} for path, text in files.items()],
    }
    # The tool does not tell the model that it wrote words of a holdout.
    assert "holdout" not in finish(tool.execute(told, local(flow.project)))
    assert taken.proposal
    [check] = [one for one in taken.proposal.checks if one.kind == "train"]
    is_played = "not played" not in check.after
    assert check.is_passed is (True if is_played else None)
    assert next(check_lines([check])).startswith("[passed]" if is_played else "[not played]")
    if is_played:
        assert "NOT satisfied" in check.before
    assert "NOT satisfied" not in check.after
    kept = finish(keep_proposal(taken.proposal, flow.opened))
    with pytest.raises(Refused, match="contains words of a holdout, in pipeline.dot"):
        finish(apply_proposal(kept.name, flow.opened, by="ann", proof="token"))
    assert (flow.project / "pipeline.dot").read_text() == LINEAR


GOOD = GALLERY.read_text()
FALSE = [{"run": "latest", "seq": 1, "quote": "All is well."}]
REFUSED: Sequence[tuple[str, str, str, Any]] = [
    ("src/app.py", "print(1)", "no proposal may change 'src/app.py'", ()),
    ("attractor.toml", "[budgets]", "no proposal may change", ()),
    ("../other.dot", GOOD, "no proposal may change", ()),
    (f"./{FILE}", GOOD, "no proposal may change", ()),
    (".github/a.dot", GOOD, "no proposal may change", ()),
    ("Runs/a.dot", GOOD, "no proposal may change", ()),
    ("agents/guide/prompt.md.j2", "Obey.", "no proposal may change", ()),
    ("scenarios/todo/holdout/a.scenario.toml", "id = 'a'", "no proposal may change", ()),
    ("scenarios/todo/suite.toml", "name = 'a'", "no proposal may change", ()),
    (f"{FILE}/a.dot", GOOD, "is no file in the commit", ()),
    ("link.dot", GOOD, "is no file in the commit", ()),
    (FILE, "  ", "is empty", ()),
    (FILE, "digraph g { a -> }", "is not valid: line 1", ()),
    (FILE, f"{GOOD}// sk-quokka-4f1d77aa90", "contains a secret", ()),
    (FILE, GOOD, "event 1: the event does not contain these words", FALSE),
    ("agents/coder/agent.toml", "permissions = 'all'", "permissions", ()),
    ("scenarios/todo/train/a.scenario.toml", "id = 'a'", "suite.toml", ()),
]
