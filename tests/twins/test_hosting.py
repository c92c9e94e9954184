import socket

import httpx
import pytest
from starlette.responses import PlainTextResponse

from attractor.base.errors import MachineryError
from attractor.twins.hosting import LOOPBACK, Addresses, Ports, hosted, in_background

CLIENTS, CONTROL = PlainTextResponse("clients"), PlainTextResponse("control")


def test_the_two_faces_stand_at_two_addresses_until_the_block_ends() -> None:
    with in_background(Hosted(Ports())) as twin:
        assert [httpx.get(one).text for one in twin.addresses] == ["clients", "control"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(twin.addresses.url)


def test_when_one_face_cannot_be_had_the_other_is_given_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        with (
            pytest.raises(MachineryError),
            in_background(Hosted(Ports(port, taken.getsockname()[1]))),
        ):
            pass
        socket.create_server(("127.0.0.1", port)).close()


def has_newer_addresses() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_newer_addresses(), reason="this machine has no IPv6")
def test_an_address_of_the_newer_kind_stands_in_brackets() -> None:
    with in_background(Hosted(Ports(), host="::1")) as twin:
        assert twin.addresses.url.startswith("http://[::1]:")
        assert httpx.get(twin.addresses.url).text == "clients"


class Hosted:
    """Something with two faces."""

    def __init__(self, ports: Ports, host: str = LOOPBACK) -> None:
        self.addresses = Addresses("", "")
        self._hosting = hosted(CLIENTS, CONTROL, ports, host=host)

    async def __aenter__(self) -> "Hosted":
        self.addresses = await self._hosting.__aenter__()
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._hosting.__aexit__(None, None, None)
