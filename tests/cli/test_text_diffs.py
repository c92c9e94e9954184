import subprocess
import tempfile
from pathlib import Path

import click
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attractor.cli.text_diffs import painted_diff, text_diff
from tests.counts import count

LINES = st.lists(st.sampled_from(["a", "", "-- x", "++ y", "@@ z", "\x0c", "é"]), max_size=5)
TEXTS = st.tuples(LINES, st.booleans()).map(lambda one: "\n".join(one[0]) + "\n" * one[1])


def test_it_is_a_patch_with_both_names() -> None:
    assert text_diff("a\nb\n", "a\nc\n", file="f.dot").split("\n") == [
        "--- f.dot",
        "+++ f.dot",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]


def test_a_last_line_without_an_end_is_marked() -> None:
    diff = text_diff("-- a", "-- a\n", file="f")
    assert diff.split("\n")[3:] == ["--- a", "\\ No newline at end of file", "+-- a"]


def test_colours_say_what_comes_and_goes() -> None:
    painted = painted_diff(text_diff("a\x1b[0m\n", "b\n", file="f"))
    assert click.style("+b", fg="green") in painted
    assert click.style("-a\ufffd[0m", fg="red") in painted


@settings(max_examples=count(ci=20, full=200), deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_git_can_apply_it(before: str, after: str) -> None:
    assume(before and after and before != after)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "f"
        file.write_bytes(before.encode())
        diff = text_diff(before, after, file="f") + "\n"
        subprocess.run(
            ["git", "apply", "-p0", "--whitespace=nowarn", "-"],
            input=diff.encode(),
            cwd=name,
            check=True,
            timeout=60,
        )
        assert file.read_bytes() == after.encode()
