from pathlib import Path

from attractor.pipeline.disk_use import read_disk_use
from tests.pipeline.viewed_runs import make_viewed


def test_each_file_is_counted_once(tmp_path: Path) -> None:
    empty = read_disk_use(tmp_path / "runs", tmp_path / "state")
    assert (empty.used, [one.bytes for one in empty.folders]) == (0, [0] * 4)
    root, opened = make_viewed(tmp_path)
    before = read_disk_use(opened.runs_dir, opened.machine.state_dir)
    assert [one.what for one in before.folders] == ["runs", "workspaces", "stores", "records"]
    # The run was not judged, so there are no records.
    assert all(one.bytes for one in before.folders[:3])
    (root / "big").write_bytes(bytes(1 << 20))
    (opened.machine.state_dir / "big").hardlink_to(root / "big")
    after = read_disk_use(opened.runs_dir, opened.machine.state_dir)
    grown = [new.bytes - old.bytes for new, old in zip(after.folders, before.folders, strict=True)]
    assert grown[0] >= 1 << 20
    assert max(grown[1:]) < 1 << 20
    assert 0 < after.free < after.total
