from attractor.language.attributes import FIDELITIES
from attractor.language.editing.meanings import OF_FIDELITY, OF_TYPE, meaning_of
from attractor.language.shapes import TYPE_OF_SHAPE


def test_every_shape_and_every_fidelity_has_a_meaning() -> None:
    assert OF_TYPE.keys() >= set(TYPE_OF_SHAPE.values())
    assert OF_FIDELITY.keys() == set(FIDELITIES)
    assert all(meaning_of("shape", one) for one in TYPE_OF_SHAPE)


def test_another_shape_only_looks_so() -> None:
    assert meaning_of("shape", "egg") == meaning_of("nothing", "box") == ""
