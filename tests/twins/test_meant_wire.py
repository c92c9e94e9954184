import pytest

from attractor.twins.meant_wire import meant_wire
from attractor.twins.wire import wire_registry
from tests.twins.exchanging import KEYS, PATHS

WIRES = list(wire_registry().values())


@pytest.mark.parametrize("wire", list(PATHS))
def test_a_path_says_more_than_headers(wire: str) -> None:
    for headers in KEYS.values():
        assert meant_wire(WIRES, PATHS[wire], headers).name == wire
        assert meant_wire(WIRES, f"{PATHS[wire]}/more", headers).name == wire


@pytest.mark.parametrize("path", ["/", "", "/v1", "/v1/files", "/v2/messages", "/v1/models/m/x"])
def test_where_the_path_says_nothing_headers_do(path: str) -> None:
    found = {wire: meant_wire(WIRES, path, headers).name for wire, headers in KEYS.items()}
    # Both wires of one provider have the same key, and the same errors.
    assert found == {**{wire: wire for wire in KEYS}, "openai_chat": "openai"}
    assert meant_wire(WIRES, path, {}).name == "openai"
