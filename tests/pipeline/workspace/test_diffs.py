import asyncio
import shutil
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.engine.storage.secrets import QUOTE
from attractor.pipeline.workspace.diffs import (
    LARGEST_DIFF,
    Diff,
    parse_diff,
    read_run_diff,
    read_stage_diff,
)
from attractor.records.timeline import find_attempt, read_stages
from tests.pipeline.viewed_runs import make_viewed


def counts(diff: Diff) -> dict[str, tuple[int, int, bool]]:
    return {one.path: (one.added, one.deleted, one.is_binary) for one in diff.files}


def test_changes_of_a_run_and_of_a_stage_are_read(tmp_path: Path) -> None:
    root, opened = make_viewed(tmp_path)
    stages = read_stages(root)
    for node, changed in (
        ("write", {"b.bin": (0, 0, True), "made.txt": (1, 0, False)}),
        ("left", {"made.txt": (1, 0, False)}),
        ("plan", {}),
    ):
        assert counts(read_stage_diff(find_attempt(stages, node))) == changed
    whole = asyncio.run(read_run_diff(root, opened))
    assert counts(whole) == {"b.bin": (0, 0, True), "made.txt": (2, 0, False)}
    assert whole.text.endswith("+one\n+left\n")
    shutil.rmtree(opened.machine.state_dir / "stores" / root.name)
    with pytest.raises(Refused, match="were removed") as caught:
        asyncio.run(read_run_diff(root, opened))
    assert caught.value.hint.endswith(f"..attractor/run/{root.name}")


FILE = b"diff --git a/x y b/x y\n--- a/x y\n+++ b/x y\n@@ -1 +1,2 @@\n-a\n+b\n+c\n"


def test_quoted_patch_is_read_with_its_remark() -> None:
    content = b"Secrets are replaced.\n\n" + b"".join(
        QUOTE + one for one in FILE.splitlines(keepends=True)
    )
    diff = parse_diff(content)
    assert (counts(diff), diff.remarks) == ({"x y": (2, 1, False)}, "Secrets are replaced.")
    assert diff.text == f"Secrets are replaced.\n{FILE.decode()}"


def test_carriage_return_inside_a_line_begins_no_line() -> None:
    returns = FILE.replace(b"-a", b"-a\r+b\r-c").replace(b"+b", b"+b\r| d")
    quoted = b"".join(QUOTE + one + b"\n" for one in returns.split(b"\n")[:-1])
    for content in (returns, quoted):
        diff = parse_diff(content)
        assert (counts(diff), diff.text) == ({"x y": (2, 1, False)}, returns.decode())


def test_large_diff_is_cut_at_a_line() -> None:
    diff = parse_diff(FILE + b"+" + b"long\n+" * LARGEST_DIFF)
    assert diff.is_cut
    assert len(diff.files[0].text) <= LARGEST_DIFF
    assert diff.text.endswith(f"+long\n[cut here: the diff has more than {LARGEST_DIFF} bytes]\n")


def test_empty_patch_has_no_files() -> None:
    assert parse_diff(b"") == Diff([])
