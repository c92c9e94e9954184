"""A secret that is a word of Attractor's own is told and left alone: records are made of them."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.engine.errors import NotRunnable
from attractor.pipeline.options import RunOptions
from attractor.pipeline.own_words import is_ours, ours_among, own_words
from attractor.pipeline.running import resume, start
from attractor.pipeline.world import World
from tests.pipeline.projects import make_project, make_world

TEXTS = ["status = 'completed'", "completed_nodes in-flight"]
LEAK = "real-secret-0815 completed_things\n"
ASKS = """digraph asks {
    inputs = "%s"
    start [shape=Mdiamond]; exit [shape=Msquare]
    say [shape=parallelogram, tool_command="cat leak.txt"]
    ask [shape=hexagon]
    start -> say -> ask
    ask -> exit [label="Go on"]
}
"""


@pytest.mark.parametrize(
    ("value", "is_word"),
    [
        ("completed", True),
        ("omplet", False),
        ("completed_nodes", True),
        ("in-flight", True),
        ("incomplete", False),
        ("completed1", False),
        ("status = 'completed'", False),
    ],
)
def test_a_plain_value_that_stands_in_a_text_is_a_word(value: str, is_word: bool) -> None:
    assert own_words([value], TEXTS) == ({value} if is_word else frozenset())


def test_the_texts_are_not_read_for_a_secret_with_digits() -> None:
    def texts() -> Iterator[str]:
        raise AssertionError("read")
        yield ""

    assert own_words(["sk0completed", "a b c d e f", "x" * 41], texts()) == frozenset()


@pytest.mark.parametrize("word", ["completed", " executing\n", "bubblewrap", "isolated"])
def test_words_of_records_are_ours_also_the_names_of_parts(word: str) -> None:
    assert is_ours(word)


def test_a_line_of_a_longer_secret_is_not_looked_for_alone(tmp_path: Path) -> None:
    secret = "completed\nand-nothing-else-0815"
    assert not is_ours(secret)
    assert ours_among([secret]) == {"completed"}
    redactor = world_at(tmp_path, MY_TOKEN=secret).redactor
    assert redactor.text(f"completed: {secret}, and-nothing-else-0815") == "completed: ***, ***"


def world_at(folder: Path, inputs: str = "plain=", **environ: str) -> World:
    """Make a world whose run asks something, so that it has to be gone on with."""
    plain = make_world(make_project(folder / "project", ASKS % inputs, **{"leak.txt": LEAK}))
    return replace(plain, environ={**plain.environ, **environ})


def options(world: World, **inputs: str) -> RunOptions:
    return RunOptions(
        file=world.project / "pipeline.dot",
        inputs=inputs,
        backend="simulate",
        sandbox="none",
        interviewer="park",
    )


@pytest.mark.parametrize("word", ["completed", "executing", "isolated", "outcomes"])
def test_a_run_with_a_word_for_a_secret_comes_to_its_end_and_tells_of_it(
    tmp_path: Path, word: str
) -> None:
    told: list[str] = []
    world = world_at(tmp_path, DB_PASSWORD=word, MY_TOKEN="real-secret-0815")
    world = replace(world, tell=told.append)
    parked = asyncio.run(start(options(world), world))
    assert parked.question is not None, parked.reason
    root = parked.directory
    first = told.index(next(one for one in told if "DB_PASSWORD" in one))
    assert "Not kept secret" in told[first]
    assert word not in told[first]
    assert "MY_TOKEN" not in told[first]
    assert (root / "say" / "stdout.txt").read_text() == LEAK.replace("real-secret-0815", "***")
    told.clear()
    ended = asyncio.run(resume(root, world, interviewer="auto_approve"))
    assert ended.exit_code is ExitCode.DONE
    assert sum("DB_PASSWORD" in one for one in told) == 1


def test_nothing_is_told_of_what_is_kept_secret(tmp_path: Path) -> None:
    told: list[str] = []
    world = world_at(tmp_path, DB_PASSWORD="real-secret-0815", A_KEY="short")
    asyncio.run(start(options(world), replace(world, tell=told.append)))
    assert told
    assert not any("secret" in one for one in told)


def test_a_secret_input_with_such_a_value_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    world = world_at(tmp_path, "token:secret", ATTRACTOR_INPUT_TOKEN="completed")
    with pytest.raises(NotRunnable, match="the secret input token has a value that") as refused:
        asyncio.run(start(options(world), world))
    assert "completed" not in str(refused.value)
    assert not world.runs_dir.exists()


def test_a_path_that_holds_a_secret_is_refused_by_the_name_of_the_variable(tmp_path: Path) -> None:
    world = world_at(tmp_path / "hush-hush-hush", DB_PASSWORD="hush-hush-hush")
    with pytest.raises(NotRunnable, match="holds the value of the variable DB_PASSWORD") as refused:
        asyncio.run(start(options(world), world))
    assert "env -u DB_PASSWORD" in refused.value.hint
