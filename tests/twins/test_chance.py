from attractor.twins.chance import strikes


def drawn(probability: float, seed: int = 1, rule: str = "r", uses: int = 2000) -> list[bool]:
    return [strikes(probability, seed, rule, use) for use in range(1, uses + 1)]


def test_the_same_draw_falls_the_same_way() -> None:
    assert drawn(0.3) == drawn(0.3)


def test_another_seed_rule_or_use_is_another_draw() -> None:
    assert drawn(0.3) != drawn(0.3, seed=2)
    assert drawn(0.3) != drawn(0.3, rule="s")
    assert len(set(drawn(0.3))) == 2


def test_it_strikes_about_as_often_as_is_said() -> None:
    assert 0.27 < sum(drawn(0.3)) / 2000 < 0.33
    assert all(drawn(1.0))
    assert not any(drawn(0.0))


def test_how_it_falls_does_not_change_with_a_version() -> None:
    assert [use for use in range(1, 11) if strikes(0.5, 7, "rule 1", use)] == [7, 8]
