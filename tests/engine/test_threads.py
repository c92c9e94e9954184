from attractor.engine.threads import Threads


def test_a_conversation_is_kept_by_its_name() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("said")
    assert threads.take("t", [""], visit="b@1").recall() == "said"
    assert threads.take("other", [""], visit="c@1").recall() is None


def test_a_branch_has_a_copy_and_gives_nothing_back() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("before")
    branch = threads.take("t", ["inner", "outer", ""], visit="b@1")
    assert branch.recall() == "before"
    branch.keep("in the branch")
    assert threads.take("t", ["inner", "outer", ""], visit="c@1").recall() == "in the branch"
    assert threads.take("t", [""], visit="d@1").recall() == "before"
    threads.forget("inner")
    assert threads.take("t", ["inner", "outer", ""], visit="e@1").recall() == "before"


def test_an_attempt_that_starts_over_finds_what_its_visit_began_with() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("a")
    threads.take("t", [""], visit="b@1").keep("a, b went wrong")
    again = threads.take("t", [""], visit="b@1", starts_over=True)
    assert again.recall() == "a"
    again.keep("a, b went wrong again")
    goes_on = threads.take("t", [""], visit="b@1")
    assert goes_on.recall() == "a, b went wrong again"
    assert threads.take("t", [""], visit="c@1", starts_over=True).recall() == goes_on.recall()


def test_the_one_used_longest_ago_is_let_go_first() -> None:
    threads = Threads(most=2)
    for name in ("one", "two"):
        threads.take(name, [""], visit="a@1").keep(name)
    threads.take("one", [""], visit="b@1")
    threads.take("three", [""], visit="c@1").keep("three")
    held = [threads.take(one, [""], visit="d@1").recall() for one in ("three", "one", "two")]
    assert held == ["three", "one", None]
