"""Runs a pipeline from a program: with a model of its own, a node type of its own, and answers.

Start it in a git repository: `python greetings.py`. The run is stored like one of the command line:
`attractor status latest` and all other commands show it.
"""

from pathlib import Path

from attractor import (
    Answer,
    AnswerKind,
    Context,
    Event,
    Graph,
    Node,
    Outcome,
    Question,
    StageStatus,
    parse,
    run_pipeline_sync,
)

PIPELINE = """
digraph greetings {
    graph [goal="Greet everybody"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    write [prompt="Write a greeting. $goal!"]
    loud  [type="loud", label="Make it loud"]
    ask   [shape=hexagon, label="Is it loud enough?"]
    start -> write -> loud -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> loud [label="[N] No"]
}
"""


def model(node: Node, prompt: str, context: Context) -> str:
    """Answer a prompt; a real program asks a model here."""
    return "Hello, all of you"


class Loud:
    """A node type: makes the last response louder at each visit."""

    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        """Do the work of one stage."""
        said = context.get_string("greeting") or context.get_string("last_response")
        return Outcome(StageStatus.SUCCESS, context_updates={"greeting": f"{said.upper()}!"})


def person(question: Question) -> Answer:
    """Answer the question of a human gate."""
    return Answer(AnswerKind.GIVEN, "Y", by="greetings.py")


def tell(event: Event) -> None:
    """Print an event."""
    if event.type == "StageCompleted":
        print(f"{event.node} is done")


def main() -> None:
    """Run the pipeline, and print its result."""
    result = run_pipeline_sync(
        parse(PIPELINE),
        backend=model,
        handlers={"loud": Loud()},
        interviewer=person,
        observer=tell,
    )
    print(f"{result.outcome}: {result.context['greeting']}")


if __name__ == "__main__":
    main()
