""""""

from pathlib import Path

import pytest

from attractor.engine.errors import ConversationLost
from attractor.engine.outcome import Outcome, success
from attractor.engine.routing.branch_bounds import BranchBounds
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.seams import Stage
from attractor.engine.state.identifiers import MAIN
from attractor.engine.walk.saved_conversations import (
    ReadSaved,
    SavedConversations,
    rebuilder_of,
)
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse
from tests.engine.graphs import chain, end, graph, node, start
from tests.engine.runs import RETRY, Workplace
from tests.engine.speaking import Speakers, place_of

NODES = (
    "s [shape=Mdiamond]; e [shape=Msquare]; p [shape=component]; j [shape=tripleoctagon];"
    "i [shape=tripleoctagon]; q [shape=component];"
)


def drawn(edges: str) -> Graph:
    return parse(f"digraph G {{ {NODES} {edges} }}")


def bounds(edges: str) -> BranchBounds:
    graph = drawn(edges)
    return BranchBounds(graph, Forks(graph))


def outside(edges: str, node: str = "p") -> str:
    return "".join(sorted(bounds(edges).outside(node)))


@pytest.mark.parametrize(
    ("edges", "node", "found"),
    [
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> e", "p", "depsw"),
        # A loop around the fork is outside as a whole.
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> w; d -> e", "p", "depsw"),
        # What only a failure in a branch leads to is in the branch; so is a loop there.
        (
            "s -> p; p -> a -> c -> a; c -> j; p -> b -> j; a [retry_target=f]; f -> a; j -> e",
            "p",
            "eps",
        ),
        # What a failure outside leads to is not.
        ("s -> w -> p; p -> a -> j; p -> b -> j; w [retry_target=f]; f -> w; j -> e", "p", "efpsw"),
        (
            "s -> p; p -> a -> j; p -> b -> j; j -> d -> e; d [retry_target=a]; f -> a;"
            "a [retry_target=f]",
            "p",
            "deps",
        ),
        # To a fork within a branch, the rest of the branch is outside.
        (
            "s -> p; p -> a -> j; p -> w -> q; q -> b -> i; q -> c -> i; i -> d -> j -> e",
            "q",
            "adejpqsw",
        ),
        (
            "s -> p; p -> a -> j; p -> w -> q; q -> b -> i; q -> c -> i; i -> d -> j -> e",
            "p",
            "eps",
        ),
        # Branches that meet at the exit.
        ("s -> w -> p; p -> a -> e; p -> b -> e", "p", "psw"),
        ("s -> p; p -> a -> j; p -> j; j -> e", "p", "eps"),
    ],
)
def test_what_no_branch_may_come_to(edges: str, node: str, found: str) -> None:
    assert outside(edges, node) == found


def test_where_a_failed_goal_gate_leads_is_outside() -> None:
    assert "f" in outside("retry_target=f; s -> p; p -> a -> j; p -> b -> j; j -> e; f -> e")


def test_a_fork_that_never_meets_has_no_bounds() -> None:
    assert outside("s -> p; p -> a -> a; p -> b -> e") == ""


def test_a_run_can_come_to_a_fork_after_a_failure_only() -> None:
    edges = "s -> w -> e; w [retry_target=p]; p -> a -> j; p -> b -> j; j -> w"
    assert Forks(drawn(edges)).at("p") is None
    fork = bounds(edges).fork("p")
    assert fork
    assert (fork.meeting, sorted(fork.branches)) == ("j", ["a", "b"])
    assert outside(edges) == "epsw"


def test_a_node_that_is_not_there_is_no_fork() -> None:
    assert bounds("s -> e").fork("gone") is None
    assert outside("s -> e", "gone") == ""


NAME = "said.txt"


def which(last: str, read: ReadSaved) -> object:
    return f"{last}: {read(last, NAME).decode()}"


async def say(stage: Stage) -> Outcome:
    """Take part in the thread, and keep on the disk what was said."""
    await Speakers()(stage)
    stage.files.write(NAME, stage.id)
    return success()


def kept(place: Workplace) -> SavedConversations:
    return SavedConversations(RunDirectory(place.root), which)


def threaded(*ids: str, **threads: str) -> Graph:
    nodes = [node(id_, thread_id=threads.get(id_, "main")) for id_ in ids]
    return graph([start(), end(), *nodes], chain("start", *ids, "exit"), default_fidelity="full")


def walked(tmp_path: Path, drawn: Graph) -> Workplace:
    place = Workplace(tmp_path / "run", drawn, dict.fromkeys(drawn.nodes, say))
    place.run()
    return place


def test_a_thread_is_taken_up_where_its_last_stage_left_it(tmp_path: Path) -> None:
    place = walked(tmp_path, threaded("a", "b", "c", b="side"))
    found = kept(place)
    assert found.take("main", [MAIN]) == "c@1.1: c@1.1"
    assert found.take("side", [MAIN]) == "b@1.1: b@1.1"


def test_a_walk_takes_a_thread_up_once(tmp_path: Path) -> None:
    found = kept(walked(tmp_path, threaded("a")))
    found.take("main", [MAIN])
    # What the disk has may be older by now than what this process said and let go of.
    with pytest.raises(ConversationLost, match="has no stage of the thread"):
        found.take("main", [MAIN])


def test_a_branch_takes_up_a_copy_of_what_was_said_around_it(tmp_path: Path) -> None:
    found = kept(walked(tmp_path, threaded("a")))
    assert found.take("main", ["fan@1.1/b", MAIN]) == "a@1.1: a@1.1"
    assert found.take("main", ["fan@1.1/c", MAIN]) == "a@1.1: a@1.1"
    assert found.take("main", [MAIN]) == "a@1.1: a@1.1"


def test_nobody_goes_on_with_what_a_branch_said(tmp_path: Path) -> None:
    nodes = [node("fan", shape="component"), node("join", shape="tripleoctagon")]
    drawn = graph(
        [start(), end(), *nodes, node("b"), node("c")],
        [*chain("start", "fan", "b", "join", "exit"), *chain("fan", "c", "join")],
        default_fidelity="full",
        thread_id="main",
    )
    place = Workplace(tmp_path / "run", drawn, {"b": say, "c": say})
    assert place.run().completed[-1] == "join"
    with pytest.raises(ConversationLost):
        kept(place).take("main", [MAIN])


def test_an_earlier_visit_is_found_in_the_history(tmp_path: Path) -> None:
    drawn = threaded("a", "b", b="side")
    place = walked(tmp_path, drawn)
    folder = place.root / "a"
    past = folder / "history" / "1.1"
    past.mkdir(parents=True)
    for name in (NAME, "status.json"):
        (folder / name).rename(past / name)
    assert kept(place).take("main", [MAIN]) == "a@1.1: a@1.1"


def test_the_last_attempt_counts(tmp_path: Path) -> None:
    tries: list[int] = []

    async def again(stage: Stage) -> Outcome:
        tries.append(stage.attempt)
        await say(stage)
        return RETRY if len(tries) == 1 else success()

    drawn = graph(
        [start(), end(), node("a", thread_id="main", max_retries=1, retry_policy="none")],
        chain("start", "a", "exit"),
        default_fidelity="full",
    )
    place = Workplace(tmp_path / "run", drawn, {"a": again})
    place.run()
    last = f"a@1.{len(tries)}"
    assert kept(place).take("main", [MAIN]) == f"{last}: {last}"


@pytest.mark.parametrize("lost", ["folder", "file", "link"])
def test_what_is_not_there_any_more_is_lost(tmp_path: Path, lost: str) -> None:
    place = walked(tmp_path, threaded("a"))
    said = place.root / "a" / NAME
    if lost == "folder":
        (place.root / "a").rename(tmp_path / "elsewhere")
    else:
        said.rename(tmp_path / NAME)
    if lost == "link":
        said.symlink_to(tmp_path / NAME)
    with pytest.raises(ConversationLost):
        kept(place).take("main", [MAIN])


def test_a_run_that_has_not_begun_keeps_nothing(tmp_path: Path) -> None:
    place = place_of(tmp_path, threaded("a"), Speakers())
    with pytest.raises(ConversationLost):
        kept(place).take("main", [MAIN])


def test_backend_without_rebuild_has_no_conversation_to_restore(tmp_path: Path) -> None:
    assert rebuilder_of(object()) is None
    place = walked(tmp_path, threaded("a"))
    with pytest.raises(ConversationLost, match="saves no conversations"):
        SavedConversations(RunDirectory(place.root), None).take("main", [MAIN])
