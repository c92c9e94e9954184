import json
from pathlib import Path

from attractor.base.json import Json
from attractor.records.transcript import (
    TRANSCRIPT,
    EntryKind,
    TranscriptReader,
    read_entry,
    read_last,
    read_page,
)
from tests.tables import table

TIME = "2026-01-31T09:30:00+00:00"
EDIT: dict[str, Json] = {"file_path": "a.py", "old_string": "x", "new_string": "y\nz"}


CASES: list[tuple[dict[str, Json], EntryKind, str, list[str]]] = [
    ({"kind": "USER_INPUT", "content": "Go\non"}, EntryKind.INPUT, "input: Go", ["on"]),
    ({"kind": "ASSISTANT_TEXT_END", "text": " a\nb "}, EntryKind.TEXT, "", ["a", "b"]),
    (
        {"kind": "TOOL_CALL_START", "tool_name": "edit_file", "arguments": EDIT},
        *(EntryKind.CALL, "edit_file: a.py", ["-x", "+y", "+z"]),
    ),
    (
        {"kind": "TOOL_CALL_END", "tool_name": "shell", "output": "1\n2\n"},
        *(EntryKind.OUTPUT, "", ["1", "2"]),
    ),
    (
        {"kind": "TOOL_CALL_END", "tool_name": "grep", "error": "no\nfile"},
        *(EntryKind.FAILURE, "grep failed: no", ["file"]),
    ),
    (
        {"kind": "TURN_LIMIT", "round": 9, "waiting": 2},
        EntryKind.WARNING,
        "the limit of turns or rounds is reached; waiting for the next input: 2 follow-ups",
        [],
    ),
    ({"kind": "TOOL_HOOK", "fault": "late"}, EntryKind.WARNING, "hook failed: late", []),
]


def test_entries_are_described() -> None:
    for record, kind, title, body in CASES:
        entry = read_entry({**record, "time": TIME, "session": "make@1.1/2"})
        assert entry
        assert (entry.kind, entry.title, list(entry.body)) == (kind, title, body)
        assert entry.is_edit == (kind is EntryKind.CALL)
        assert (entry.to_record()["time"], entry.subagent) == (TIME, "2")


@table(
    "record",
    [
        {"kind": "SESSION_START"},
        {"kind": "TOOL_HOOK"},
        {"kind": "ASSISTANT_TEXT_END", "text": " "},
        {"kind": "TOOL_CALL_END", "tool_name": "read_file", "output": "text"},
    ],
)
def test_internal_entries_are_left_out(record: dict[str, Json]) -> None:
    assert read_entry(record) is None


def test_pages_follow_each_other_while_the_agent_writes(tmp_path: Path) -> None:
    file = tmp_path / TRANSCRIPT
    assert read_page(tmp_path, offset=0, most=2).is_last
    said = [json.dumps({"kind": "ASSISTANT_TEXT_END", "text": str(one)}) for one in range(5)]
    file.write_text("\n".join([*said[:2], "no JSON", *said[2:4]]) + "\n" + said[4])
    first = read_page(tmp_path, offset=0, most=2)
    second = read_page(tmp_path, offset=first.end, most=2)
    assert [one.body for one in (*first.entries, *second.entries)] == [["0"], ["1"], ["2"], ["3"]]
    # The last line is being written.
    assert (first.is_last, second.is_last) == (False, True)
    with file.open("a") as writing:
        writing.write("\n")
    third = read_page(tmp_path, offset=second.end, most=2)
    assert [one.body for one in third.entries] == [["4"]]
    assert len(list(TranscriptReader(tmp_path).more())) == len(said)


def test_last_entries_of_a_long_transcript_are_read(tmp_path: Path) -> None:
    assert read_last(tmp_path, 3) == ()
    lines = [
        json.dumps({"kind": "ASSISTANT_TEXT_END", "text": f"{number} {'x' * 1000}"})
        for number in range(200)
    ]
    (tmp_path / TRANSCRIPT).write_text("\n".join([*lines, '{"kind": "SESSION_START"}', "{", ""]))
    with (tmp_path / TRANSCRIPT).open("a") as file:
        file.write(lines[0])  # not complete yet
    found = read_last(tmp_path, 3)
    assert [entry.body[0].split()[0] for entry in found] == ["197", "198", "199"]
    assert len(read_last(tmp_path, 1000)) < 70
