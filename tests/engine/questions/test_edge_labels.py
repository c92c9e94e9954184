from hypothesis import given, strategies as st

from attractor.engine.questions.edge_labels import accelerator, normalize_label
from tests.tables import table


@table(
    ("label", "key", "words"),
    [
        ("[Y] Yes, deploy", "Y", "yes, deploy"),
        ("Y) Yes, deploy", "Y", "yes, deploy"),
        ("Y - Yes, deploy", "Y", "yes, deploy"),
        ("Yes, deploy", "Y", "yes, deploy"),
        ("  [a]Approve ", "A", "approve"),
        ("[Esc] Leave", "ESC", "leave"),
        ("no", "N", "no"),
        ("X-ray", "X", "x-ray"),
        ("A-B - C", "A", "a-b - c"),
        ("", "", ""),
    ],
)
def test_labels_have_an_accelerator_and_a_text(label: str, key: str, words: str) -> None:
    assert (accelerator(label), normalize_label(label)) == (key, words)


@given(st.sampled_from(["[{}] ", "{}) ", "{} - "]), st.sampled_from("ABZ7"), st.text("abc d"))
def test_prefix_does_not_change_the_text(prefix: str, key: str, words: str) -> None:
    if words.strip():
        label = prefix.format(key) + "go " + words
        assert normalize_label(label) == normalize_label("go " + words)
        assert accelerator(label) == key
