from pathlib import Path

import pytest

from attractor.interviewers.names import InterviewerName, placed_name, read_name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("park", InterviewerName("park")),
        ("recording", InterviewerName("recording")),
        ("recording:queue", InterviewerName("recording", "queue")),
        ("recording::a:b.jsonl", InterviewerName("recording", "", "a:b.jsonl")),
        ("recording:console:a.jsonl", InterviewerName("recording", "console", "a.jsonl")),
        ("replay:/a:b.jsonl", InterviewerName("replay", "", "/a:b.jsonl")),
        ("replay", InterviewerName("replay")),
        ("", InterviewerName("")),
    ],
)
def test_a_name_says_who_asks_whom_they_have_ask_and_the_file(
    text: str, named: InterviewerName
) -> None:
    assert read_name(text) == named
    assert str(named) == text


@pytest.mark.parametrize(
    ("text", "placed"),
    [
        ("console", "console"),
        ("handed in", "handed in"),
        ("replay:a.jsonl", "replay:/home/ann/a.jsonl"),
        ("recording::a.jsonl", "recording::/home/ann/a.jsonl"),
        ("replay:/b/a.jsonl", "replay:/b/a.jsonl"),
    ],
)
def test_a_file_is_found_from_anywhere(text: str, placed: str) -> None:
    assert placed_name(text, Path("/home/ann")) == placed
