"""Answers of hostile places: none changes a file outside of the workspace."""

import io
import tarfile
from pathlib import Path

import pytest

from attractor.environments.errors import FileMissing, PlaceRefused
from attractor.workspaces.git.files import write_files
from attractor.workspaces.git.gitignore import NOTHING_IGNORED
from attractor.workspaces.place_files import (
    Exchanged,
    ExchangeRecord,
    ReceivedArchive,
    list_folder,
    parse_listing,
    to_bring,
    to_send,
)
from attractor.workspaces.snapshot import SnapshotRules

NOW = b"1000\n"
PLAIN = SnapshotRules(NOTHING_IGNORED)
ESCAPES = [
    b"/etc/x",
    b"../x",
    b"a/../../x",
    b"a//b",
    b"./x",
    b"",
    b"a/./b",
    b"..",
    b"x\0y",
    b"a" * 256,
    b"a/" * 300 + b"x",
]


def line(path: bytes, mode: bytes = b"81a4", changed: int = 5) -> bytes:
    return b"%s 3 5 %d ./%s//\n" % (mode, changed, path)


@pytest.mark.parametrize(
    "text", [b"", b"noise\n", b"1" * 30 + b"\n", NOW + b"x", NOW + b"81a4 1\n"]
)
def test_listing_in_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(PlaceRefused):
        parse_listing(text)


def test_hostile_paths_are_refused() -> None:
    for path in ESCAPES:
        with pytest.raises(PlaceRefused):
            parse_listing(NOW + line(path))
    for pair in ((b"a", b"a"), (b"a", b"a/b"), (b"a/b/c", b"a/b")):
        with pytest.raises(PlaceRefused):
            parse_listing(NOW + line(pair[0], b"a1ff") + line(pair[1]))


def test_git_and_special_files_are_not_exchanged() -> None:
    paths = [b".git/config", b"a/.GIT/hooks/x", b"git~1/config"]
    special = [
        line(b"s%d" % at, mode) for at, mode in enumerate((b"c1a4", b"11a4", b"61a4", b"2180"))
    ]
    assert parse_listing(NOW + b"".join(map(line, paths)) + b"".join(special)) == {}
    assert b"a\nb" in parse_listing(NOW + line(b"a\nb"))


def archive(*members: tuple[str, bytes, str]) -> bytes:
    """Return an archive of members: name, type, and content or target."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member.linkname = content
                made.addfile(member)
            else:
                member.size = len(content)
                made.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
HUGE = bytearray(archive(("./a", FILE, "x")))
HUGE[124:136] = b"77777777777\0"
HOSTILE = [
    *(
        archive((name, FILE, "x"))
        for name in ("/etc/x", "../x", "b", "./../a", "a/../a", ".git/config")
    ),
    *(archive(("./a", kind, "")) for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)),
    archive(("./a", tarfile.DIRTYPE, "")),
    archive(("./a", FILE, "x"), ("./a", FILE, "y")),
    archive(("./a", LINK, ".."), ("./a/b", FILE, "y")),
    archive(("./a", LINK, "")),
    archive(("./a", LINK, "x" * 5000)),
    *(archive(("./a", HARD, target)) for target in ("/etc/passwd", "../x", "./a", "b")),
    archive(("./a", FILE, "x" * 2000))[:1024],
    archive(("./a", FILE, "x"))[:300],
    b"",
    b"\0" * 10_240,
    b"noise" * 500,
    bytes(HUGE),
]


def test_hostile_archives_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    for sent in HOSTILE:
        with pytest.raises((PlaceRefused, FileMissing)):
            _ = ReceivedArchive(io.BytesIO(sent), frozenset({b"a"})).files
    link = ReceivedArchive(
        io.BytesIO(archive(("./a", LINK, str(tmp_path)))), frozenset({b"a"})
    ).files
    write_files(folder, [(b"a", link[b"a"].entry)], {}, (one.read() for one in link.values()))
    files = ReceivedArchive(io.BytesIO(archive(("./a/b", FILE, "x"))), frozenset({b"a/b"})).files
    write_files(folder, [(b"a/b", files[b"a/b"].entry)], {}, iter([files[b"a/b"].read()]))
    assert (folder / "a/b").read_text() == "x"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "outside"]


def test_only_changed_files_are_exchanged(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_text("one")
    here = list_folder(folder)
    there = parse_listing(NOW + line(b"a") + line(b"b") + line(b"c"))
    record = ExchangeRecord({path: Exchanged(here[path], there[path]) for path in here})
    record.write(tmp_path / "record")
    record = ExchangeRecord.read(tmp_path / "record")
    assert not to_send(here, there, record, PLAIN).write
    assert not to_bring(there, record, PLAIN).write
    # The clock of the place only has to be equal to itself: `b` changed a moment ago.
    there = parse_listing(NOW + line(b"a", changed=6) + line(b"b", changed=999) + line(b"d"))
    brought = to_bring(there, record, PLAIN)
    assert (brought.write, brought.remove) == ([b"a", b"b", b"d"], [b"c"])
    (folder / "a").write_text("two")
    sent = to_send(list_folder(folder), there, record, PLAIN)
    assert (sent.write, sent.remove) == ([b"a", b"b", b"c"], [b"a", b"b", b"c", b"d"])
