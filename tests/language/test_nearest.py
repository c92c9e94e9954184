from attractor.language.nearest import suggester


def test_the_nearest_name_is_suggested() -> None:
    ask = suggester(["review", "plan"])
    assert [ask("reveiw"), ask("zzz")] == ["did you mean review?", ""]


def test_after_enough_work_it_is_silent_but_remembers() -> None:
    ask = suggester(f"node_{i}" for i in range(9_000))
    assert ask("nod_1") == ask("nod_1") == "did you mean node_1?"
    assert ask("nod_2") == "did you mean node_2?"
    assert ask("nod_3") == ""
    assert ask("nod_1") == "did you mean node_1?"
