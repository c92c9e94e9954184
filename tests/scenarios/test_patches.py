"""A patch without one of its changes is what Git makes of the other changes."""

import random
from pathlib import Path

from attractor.scenarios.patches import changes_of, same_changes, windows_line
from tests.counts import count
from tests.pipeline.projects import git
from tests.tables import table


def diff(folder: Path, before: bytes, after: bytes, *options: str) -> bytes:
    file = folder / "text"
    file.write_bytes(before)
    git(folder, "add", "text")
    file.write_bytes(after)
    return git(folder, "diff", *options).encode()


def rewritten(chosen: random.Random) -> tuple[bytes, bytes]:
    before = [f"{chosen.randrange(6)}\n" for _ in range(chosen.randrange(1, 40))]
    after: list[str] = []
    for line in before:
        after += chosen.choice([[line]] * 8 + [[], ["new\n"], [line, "more\n", "lines\n"]])
    ends = chosen.choice(["", "last"]), chosen.choice(["", "end"])
    return ("".join(before) + ends[0]).encode(), ("".join(after) + ends[1]).encode()


def test_each_change_left_out_leaves_the_other_changes(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    played = 0
    for number in range(count(ci=12, full=300)):
        before, after = rewritten(random.Random(number))
        changes = changes_of(diff(tmp_path, before, after))
        wanted = [one.first_line for one in changes_of(diff(tmp_path, before, after, "-U0"))]
        assert [one.first_line for one in changes] == wanted
        for at, change in enumerate(changes):
            (tmp_path / "text").write_bytes(before)
            if change.left_out:
                (tmp_path / "patch").write_bytes(change.left_out)
                git(tmp_path, "apply", "patch")
            left = (tmp_path / "text").read_bytes()
            sizes = [len(after) - len(left), len(before) - len(left)]
            assert left != after, (number, at)
            assert (left == before) == (len(changes) == 1), (number, at, sizes)
            # Leaving out the rest of the changes as well gives the text before.
            rest = changes_of(change.left_out)
            assert len(rest) == len(changes) - 1
            played += 1
    assert played > 20


FILES = b"""From: Ann
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1,2 @@
+a
+b
\\ No newline at end of file
diff --git a/old.py b/moved.py
similarity index 90%
rename from old.py
rename to moved.py
--- a/old.py
+++ b/moved.py
@@ -1 +1 @@ def f():
-1
+2
diff --git a/x.png b/x.png
GIT binary patch
literal 1
IcmZQz00IC200961

-- 
2.39
"""


def test_files_are_left_out_whole_and_moves_and_binary_files_never() -> None:
    new, moved = changes_of(FILES)
    assert str(new) == 'new.py @@ -0,0 +1,2 @@ "+a"'
    assert str(moved) == 'moved.py @@ -1 +1 @@ def f(): "-1"'
    assert b"new.py" not in new.left_out
    assert b"rename to moved.py" in moved.left_out
    assert b"@@ -1" not in moved.left_out
    assert b"+++ b/moved.py" not in moved.left_out
    assert new.left_out.count(b"GIT binary patch") == moved.left_out.count(b"No newline") == 1
    assert same_changes(b"# canary\n" + FILES, FILES)
    assert not same_changes(new.left_out, FILES)


@table(
    ("file", "options"),
    [
        ("café.py", []),
        ("tab\t.py", []),
        ("a/b.py", ["-c", "diff.mnemonicPrefix=true"]),
        ("c/x.py", []),
    ],
)
def test_change_has_file_and_header_as_git_writes_them(
    tmp_path: Path, file: str, options: list[str]
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("1\n")
    git(tmp_path, "add", ".")
    (tmp_path / file).write_text("2\n")
    [change] = changes_of(git(tmp_path, *options, "diff").encode())
    assert (change.file, change.hunk) == (file, "@@ -1 +1 @@")


@table(
    ("patch", "line"),
    [
        (FILES, 0),
        (FILES.replace(b"\n", b"\r\n"), 2),
        (b"--- a\n+++ b\n@@ -1 +1 @@\n-x\r\n+y\r\n", 0),
        (b"", 0),
    ],
)
def test_windows_line_of_a_header_is_found(patch: bytes, line: int) -> None:
    assert windows_line(patch) == line
