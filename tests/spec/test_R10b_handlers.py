"""Ruling R10b: a handler gets one value, or the four arguments of the specification."""

from dataclasses import fields
from pathlib import Path

from attractor import Context, Graph, Node, Outcome, Stage, success
from tests.spec.runs import between, record, run

TEXT = between('a [type=custom, label="A"]', 'a -> exit [label="Done"]', "start -> a")


class OfStage:
    """A handler in the style of this package."""

    async def execute(self, stage: Stage) -> Outcome:
        """Use the parts of a stage."""
        stage.files.write("response.md", f"{stage.node.label} {stage.visit}.{stage.attempt}")
        stage.emit("Custom", labels=list(stage.labels))
        return success(folder=str(stage.logs_root))


class OfTheSpecification:
    """A handler as in attractor-spec 4.1; it may write into the folder of its node."""

    async def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        """Use the arguments of the specification."""
        (logs_root / node.id / "response.md").write_text(f"{graph.name} {node.label}")
        return success(folder=str(logs_root))


def test_R10b_stage_has_everything_a_handler_needs(tmp_path: Path) -> None:
    result = run(tmp_path, TEXT, handlers={"custom": OfStage()})
    assert result.context["folder"] == str(result.directory)
    assert (result.directory / "a" / "response.md").read_text() == "A 1.1"
    wanted = "node graph context logs_root visit attempt labels files emit workspace branches"
    assert set(wanted.split()) <= {one.name for one in fields(Stage)}


def test_R10b_handlers_with_four_arguments_are_accepted(tmp_path: Path) -> None:
    result = run(tmp_path, TEXT, handlers={"custom": OfTheSpecification()})
    assert result.context["folder"] == str(result.directory)
    assert (result.directory / "a" / "response.md").read_text() == "Test A"
    assert record(result, "a/status.json")["outcome"] == "success"
