import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.process_output import OutputLimit
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.stage.report import forbidden_keys, parse_report, read_report
from attractor.engine.truncation import LONGEST_RESPONSE, keep_ends, response_updates, shorten


def test_a_whole_report_is_read() -> None:
    text = """{"outcome": "fail", "preferred_label": "Fix", "suggested_next_ids": ["a"],
        "context_updates": {"k": [1]}, "notes": "n", "failure_reason": "r",
        "failure_class": "verdict"}"""
    assert parse_report(text) == Outcome(
        StageStatus.FAIL,
        preferred_label="Fix",
        suggested_next_ids=("a",),
        context_updates={"k": [1]},
        notes="n",
        failure_reason="r",
        failure_class=FailureClass.VERDICT,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "invalid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no 'outcome'"),
        ('{"outcome": "skipped"}', "cannot be 'skipped'"),
        ('{"outcome": "sucess"}', "cannot be 'sucess'"),
        ('{"outcome": 1}', "not a text"),
        ('{"outcome": "fail", "note": "x"}', "unknown field 'note'"),
        ('{"outcome": "fail", "failure_class": "pipeline"}', "cannot be 'pipeline'"),
        ('{"outcome": "success", "context_updates": []}', None),
        ('{"outcome": "success", "context_updates": [1]}', "not an object"),
        ('{"outcome": "success", "suggested_next_ids": "a"}', "not a list"),
        ('{"outcome": "success", "suggested_next_ids": [1]}', "items that are not texts"),
    ],
)
def test_invalid_report_is_described(text: str, words: str | None) -> None:
    if words is None:
        assert parse_report(text).context_updates == {}
        return
    with pytest.raises(InvalidReport, match=words) as caught:
        parse_report(text)
    assert caught.value.hint


def test_a_mistyped_word_gets_a_suggestion() -> None:
    with pytest.raises(InvalidReport) as caught:
        parse_report('{"outcome": "sucess"}')
    assert caught.value.hint == "did you mean success?"


def test_the_keys_of_the_engine_are_found_behind_any_prefix() -> None:
    keys = ["outcome", "context.outcome", "human.gate.label", "context.human.gate.label"]
    more = ["context.context.graph.goal", "work.item", "stack.x", "growth.y", "internal.z"]
    fine = ["tests_passed", "context.tests_passed", "humanity", "my.outcome", "stack"]
    updates = dict.fromkeys([*keys, *fine, *more, "parallel.results", "current_node"], 1)
    assert forbidden_keys(updates) == [*keys, *more, "parallel.results", "current_node"]


def test_a_report_file_is_read_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    assert read_report(path) is None
    path.write_text('{"outcome": "success"}')
    assert read_report(path) == Outcome(StageStatus.SUCCESS)


def test_no_link_and_no_pipe_is_read_as_a_report(tmp_path: Path) -> None:
    (tmp_path / "real").write_text('{"outcome": "success"}')
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * (2 << 20))
    for name in ("link", "dangling", "pipe", "large"):
        with pytest.raises(InvalidReport, match="cannot be read"):
            read_report(tmp_path / name)


@given(st.text(), st.integers(1, 30))
def test_a_shortened_text_fits_and_shows_the_cut(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short) <= length
    assert short == text or short == text[: length - 1] + "…"
    assert (short == text) or len(text) > length


def test_a_text_that_just_fits_is_whole() -> None:
    assert shorten("x" * 200, 200) == "x" * 200
    assert shorten("x" * 201, 200) == "x" * 199 + "…"


def test_the_two_ends_of_a_long_text_are_kept_with_a_line_between() -> None:
    kept = keep_ends("begin " + "x" * 50 + " end", OutputLimit(head=6, tail=4))
    assert kept == "begin \n[... 50 bytes omitted ...]\n end"


def test_a_short_text_is_kept_as_it_is() -> None:
    assert keep_ends("one\ntwo\n") == "one\ntwo\n"


def test_half_a_character_stops_nothing() -> None:
    assert keep_ends("a\ud800b") == "a?b"


def test_truncated_response_shows_cut() -> None:
    assert response_updates("plan", "short") == {"last_stage": "plan", "last_response": "short"}
    cut = str(response_updates("plan", "x" * 500)["last_response"])
    assert (len(cut), cut[-1]) == (LONGEST_RESPONSE, "…")
