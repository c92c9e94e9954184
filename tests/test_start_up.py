"""Commands call and import no more than before."""

from pathlib import Path

from benchmarks.start_up import KEPT, Counts, compare, count_all, lower

ROOT = Path(__file__).parent.parent
TEXT = """# The ratchet.
"--help" = { calls = 1000, modules = 50 }  # because of click
"runs" = { calls = 3000, modules = 90 }
"""


def test_no_command_calls_or_imports_more(tmp_path: Path) -> None:
    assert compare(count_all(tmp_path), (ROOT / KEPT).read_text("utf-8")) == []


def test_rise_names_the_line_to_edit() -> None:
    [complaint] = compare({"--help": Counts(1100, 55), "runs": Counts(3301, 90)}, TEXT)
    assert complaint.startswith(f"{KEPT}:3: 'attractor runs' rose in calls from 3000 to 3301: ")
    assert complaint.endswith('"runs" = { calls = 3301, modules = 90 }  # REASON')
    [complaint] = compare({"gate": Counts(1, 2)}, TEXT)
    assert complaint.endswith('add the line "gate" = { calls = 1, modules = 2 }')


def test_writing_lowers_and_never_raises() -> None:
    text = lower({"--help": Counts(900, 60), "gate": Counts(1, 2)}, TEXT)
    assert text == (
        "# The ratchet.\n"
        '"--help" = { calls = 900, modules = 50 }  # because of click\n'
        '"runs" = { calls = 3000, modules = 90 }\n'
        '"gate" = { calls = 1, modules = 2 }\n'
    )
