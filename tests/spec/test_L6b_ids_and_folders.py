"""Ruling L6b: a stage's folder is named after its node, safely."""

from attractor.language import Severity, folder_name, parse, validate


def test_L6b_an_identifier_is_its_own_folder() -> None:
    assert folder_name("review_2") == "review_2"


def test_L6b_another_id_is_encoded_and_never_leads_out() -> None:
    assert [folder_name(one) for one in ("../x", ".git", "a b")] == [
        "%2E%2E%2Fx",
        "%2Egit",
        "a%20b",
    ]


def test_L6b_a_long_id_is_cut_with_a_hash() -> None:
    assert len(folder_name("é" * 300)) == 100
    assert folder_name("é" * 300) != folder_name("é" * 301)


def test_L6b_ids_equal_but_for_case_are_an_error() -> None:
    text = (
        "digraph G { start; exit; plan [prompt=x]; Plan [prompt=x]; start -> plan -> Plan -> exit }"
    )
    (one,) = validate(parse(text))
    assert (one.rule, one.severity, one.node) == ("distinct_ids", Severity.ERROR, "Plan")
