import pytest

from attractor.base.errors import UnknownName
from attractor.twins.errors import RecordingError
from attractor.twins.providers import providers_of
from attractor.twins.wire import wire_registry

WIRES = wire_registry()


def test_every_wire_of_the_folder_has_a_real_provider() -> None:
    assert set(providers_of((), WIRES)) == set(WIRES)
    assert all(one.startswith("https://") for one in providers_of((), WIRES).values())


def test_one_is_for_all_wires_and_one_for_its_own() -> None:
    found = providers_of(("openai=http://a/v1/", "http://b"), WIRES)
    assert found["openai"] == "http://a"
    assert {url for wire, url in found.items() if wire != "openai"} == {"http://b"}


@pytest.mark.parametrize("url", ["ftp://a", "nonsense", "http://", "http://a?key=1", "https://u@a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RecordingError, match="no address"):
        providers_of((url,), WIRES)


def test_a_wire_nobody_speaks_is_refused() -> None:
    with pytest.raises(UnknownName, match="opnai"):
        providers_of(("opnai=http://a",), WIRES)
