"""Conversations restored from the files of their stages (ruling R11)."""

from pathlib import Path

import pytest

from attractor.base.hash_chain import ChainHead
from attractor.engine.errors import ConversationLost
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.outcome import Outcome, success
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.seams import Stage, Suspended
from attractor.engine.state.attempts import MAIN
from attractor.engine.walk.saved_conversations import ReadSaved, SavedConversations, rebuilder_of
from attractor.language.graph.graph import Graph
from tests.engine.graphs import chain, end, graph, node, start
from tests.engine.runs import RETRY, Workplace
from tests.engine.speaking import Speakers, place_of
from tests.tables import table

NAME = "said.txt"


def describe(last: str, read: ReadSaved) -> object:
    return f"{last}: {read(last, NAME).decode()}"


async def store_conversation(stage: Stage) -> Outcome:
    """Take part in the thread, and store the conversation on disk."""
    await Speakers()(stage)
    stage.files.write(NAME, stage.id)
    return success()


def open_conversations(place: Workplace) -> SavedConversations:
    return SavedConversations(RunDirectory(place.root), describe)


def threaded(*ids: str, **threads: str) -> Graph:
    nodes = [node(id_, thread_id=threads.get(id_, "main")) for id_ in ids]
    return graph([start(), end(), *nodes], chain("start", *ids, "exit"), default_fidelity="full")


def walked(tmp_path: Path, drawn: Graph) -> Workplace:
    place = Workplace(tmp_path / "run", drawn, dict.fromkeys(drawn.nodes, store_conversation))
    place.run()
    return place


def test_thread_is_restored_from_its_last_stage(tmp_path: Path) -> None:
    place = walked(tmp_path, threaded("a", "b", "c", b="side"))
    found = open_conversations(place)
    assert found.take("main", [MAIN]) == "c@1.1: c@1.1"
    assert found.take("side", [MAIN]) == "b@1.1: b@1.1"


def test_walk_restores_a_thread_once(tmp_path: Path) -> None:
    found = open_conversations(walked(tmp_path, threaded("a")))
    found.take("main", [MAIN])
    # The conversation on disk may be older than the one this process took and lost.
    with pytest.raises(ConversationLost, match="contains no stage of the thread"):
        found.take("main", [MAIN])


def test_branch_restores_copy_of_outer_conversation(tmp_path: Path) -> None:
    found = open_conversations(walked(tmp_path, threaded("a")))
    assert found.take("main", ["fan@1.1/b", MAIN]) == "a@1.1: a@1.1"
    assert found.take("main", ["fan@1.1/c", MAIN]) == "a@1.1: a@1.1"
    assert found.take("main", [MAIN]) == "a@1.1: a@1.1"


def test_conversation_of_branch_is_not_restored_outside(tmp_path: Path) -> None:
    nodes = [node("fan", shape="component"), node("join", shape="tripleoctagon")]
    drawn = graph(
        [start(), end(), *nodes, node("b"), node("c")],
        [*chain("start", "fan", "b", "join", "exit"), *chain("fan", "c", "join")],
        default_fidelity="full",
        thread_id="main",
    )
    place = Workplace(tmp_path / "run", drawn, {"b": store_conversation, "c": store_conversation})
    assert place.run().completed[-1] == "join"
    with pytest.raises(ConversationLost):
        open_conversations(place).take("main", [MAIN])


def test_an_earlier_visit_is_found_in_the_history(tmp_path: Path) -> None:
    drawn = threaded("a", "b", b="side")
    place = walked(tmp_path, drawn)
    folder = place.root / "a"
    past = folder / "history" / "1.1"
    past.mkdir(parents=True)
    for name in (NAME, "status.json"):
        (folder / name).rename(past / name)
    assert open_conversations(place).take("main", [MAIN]) == "a@1.1: a@1.1"


def test_the_last_attempt_counts(tmp_path: Path) -> None:
    tries: list[int] = []

    async def again(stage: Stage) -> Outcome:
        tries.append(stage.attempt)
        await store_conversation(stage)
        return RETRY if len(tries) == 1 else success()

    drawn = graph(
        [start(), end(), node("a", thread_id="main", max_retries=1, retry_policy="none")],
        chain("start", "a", "exit"),
        default_fidelity="full",
    )
    place = Workplace(tmp_path / "run", drawn, {"a": again})
    place.run()
    last = f"a@1.{len(tries)}"
    assert open_conversations(place).take("main", [MAIN]) == f"{last}: {last}"


@table("lost", ["folder", "file", "link"])
def test_missing_files_lose_conversation(tmp_path: Path, lost: str) -> None:
    place = walked(tmp_path, threaded("a"))
    said = place.root / "a" / NAME
    if lost == "folder":
        (place.root / "a").rename(tmp_path / "elsewhere")
    else:
        said.rename(tmp_path / NAME)
    if lost == "link":
        said.symlink_to(tmp_path / NAME)
    with pytest.raises(ConversationLost):
        open_conversations(place).take("main", [MAIN])


def test_a_run_that_has_not_begun_keeps_nothing(tmp_path: Path) -> None:
    place = place_of(tmp_path, threaded("a"), Speakers())
    with pytest.raises(ConversationLost):
        open_conversations(place).take("main", [MAIN])


def end_of(place: Workplace) -> ChainHead:
    return open_journal(place.root / "events.jsonl", place.root / "checkpoint.json").head


def interrupted(tmp_path: Path) -> Workplace:
    """Return a run that was stopped in its only stage, after a part of the conversation."""

    async def say_and_stop(stage: Stage) -> Outcome:
        await store_conversation(stage)
        raise Suspended("stopped")

    place = Workplace(tmp_path / "run", threaded("a"), {"a": say_and_stop})
    place.run()
    return place


def test_run_restores_the_conversation_of_the_run_that_it_continues(tmp_path: Path) -> None:
    earlier = interrupted(tmp_path / "one")
    with pytest.raises(ConversationLost):
        open_conversations(earlier).take("main", [MAIN])
    theirs = SavedConversations(RunDirectory(earlier.root), describe, until=end_of(earlier))
    place = place_of(tmp_path / "two", threaded("a"), Speakers())
    found = SavedConversations(RunDirectory(place.root), describe, earlier=theirs)
    assert found.continues_run
    assert found.take("main", [MAIN]) == "a@1.1: a@1.1"


def test_conversation_of_another_run_is_that_of_the_point_that_was_continued(
    tmp_path: Path,
) -> None:
    earlier = interrupted(tmp_path)
    until = end_of(earlier)

    async def say_more(stage: Stage) -> Outcome:
        stage.files.write(NAME, "more")
        return success()

    later = Workplace(earlier.root, earlier.graph, {"a": say_more})
    later.run()
    assert open_conversations(later).take("main", [MAIN]) == "a@1.1: more"
    directory = RunDirectory(earlier.root)
    found = SavedConversations(directory, describe, until=until)
    assert found.take("main", [MAIN]) == "a@1.1: a@1.1"
    changed = SavedConversations(directory, describe, until=ChainHead(until.seq, "0" * 64))
    with pytest.raises(ConversationLost, match="was changed"):
        changed.take("main", [MAIN])


def test_backend_without_rebuild_has_no_conversation_to_restore(tmp_path: Path) -> None:
    assert rebuilder_of(object()) is None
    place = walked(tmp_path, threaded("a"))
    with pytest.raises(ConversationLost, match="saves no conversations"):
        SavedConversations(RunDirectory(place.root), None).take("main", [MAIN])
