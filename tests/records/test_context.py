from pathlib import Path

from attractor.records.context import read_context
from tests.pipeline.viewed_runs import make_viewed


def test_context_is_shown_with_the_place_of_the_walk(tmp_path: Path) -> None:
    root, _ = make_viewed(tmp_path)
    record = read_context(root).to_record()
    assert (record["current_node"], record["next_node"]) == ("join", "gate")
    assert record["context"] == {
        **read_context(root).walks[0].context,
        **{"graph.goal": "See it", "last_stage": "join", "outcome": "success"},
    }
    # The branches are merged.
    assert record["branches"] == []
