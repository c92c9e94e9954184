"""A labelled issue that becomes a merged pull request, as `make pr-demo` plays it."""

from pathlib import Path

from tests.needs import needs_bubblewrap
from tests.test_demo import play


@needs_bubblewrap
def test_labelled_issue_becomes_a_merged_pull_request_after_two_rounds(tmp_path: Path) -> None:
    ended = play(tmp_path, program="pr_demo.py")
    said = ended.stdout
    assert ended.returncode == 0, said[-4000:]
    proposed, failed, updated, merged = map(
        said.index,
        ("pull request 2 opened", "failed: words", "pull request 2 updated", "merges it by squash"),
    )
    assert proposed < failed < updated < merged
    assert "The first line names no --open." in said[failed:updated]
    assert "merged" in said[merged:]
    assert "go" in said[said.index("read at the issue") :]
    assert said.rstrip().count("verified") >= 1
