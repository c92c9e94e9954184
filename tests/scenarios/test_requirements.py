"""Sentences of a specification, and how a changed one is found again."""

from time import process_time

from hypothesis import given, strategies as st

from attractor.scenarios.requirements import RequirementList, moved_since, sentences_of

SPEC = """\
# Booking

A guest books one room. The price is
shown before the booking!

```python
This is code. It has no sentences.
```

- [ ] A room has at most
  four beds.
1. Two guests never have one room.

| rule | meaning |
|------|---------|
| late | A late guest pays 10 EUR. |

> Cancellation is free, e.g. on the same day.
"""


def listed(*sentences: str) -> RequirementList:
    rows = [{"id": f"r{number}", "sentence": one} for number, one in enumerate(sentences)]
    return RequirementList.model_validate({"requirement": rows})


def test_sentences_are_those_of_paragraphs_items_and_rows() -> None:
    assert [*sentences_of(SPEC)] == [
        "A guest books one room.",
        "The price is shown before the booking!",
        "A room has at most four beds.",
        "Two guests never have one room.",
        *("rule", "meaning", "late"),
        "A late guest pays 10 EUR.",
        "Cancellation is free, e.g. on the same day.",
    ]


def test_a_sentence_that_stands_in_the_text_has_not_moved() -> None:
    same = listed("The price is shown  before the booking!", "A late guest pays 10 EUR.", "beds.")
    assert moved_since(same, SPEC) == []


def test_a_changed_sentence_is_found_and_a_removed_one_is_gone() -> None:
    before = listed("A room has at most two beds.", "Pets sleep in the garden at no cost.")
    moved = moved_since(before, SPEC)
    assert [(one.id, one.now) for one in moved] == [
        ("r0", "A room has at most four beds."),
        ("r1", ""),
    ]


def test_a_megabyte_is_compared_in_seconds() -> None:
    text = "\n\n".join(f"The room {number} has a window to the north." for number in range(20_000))
    before = listed(*(f"The room {number} has a door to the south." for number in range(50)))
    started = process_time()
    assert len(moved_since(before, text)) == 50
    floor = process_time()
    assert len([*sentences_of(text)]) == 20_000
    assert floor - started < 60 * (process_time() - floor)


@given(st.text(alphabet="Ab1. !|-`>#\n\t", max_size=200))
def test_each_sentence_stands_in_its_text(text: str) -> None:
    sentences = [*sentences_of(text)]
    assert all(any(map(str.isalnum, one)) for one in sentences)
    assert moved_since(listed(*dict.fromkeys(sentences)), text) == []
