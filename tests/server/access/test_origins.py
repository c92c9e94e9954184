"""The Host header of a request names this server, or the request is refused."""

from attractor.server.access.origins import is_known_host, is_plain_loopback


def test_host_with_an_impossible_port_is_unknown() -> None:
    for port, is_known in (("", True), (":", True), (":65535", True), (":65536", False)):
        assert is_known_host(f"127.0.0.1{port}", "127.0.0.1", ()) is is_known
        assert is_plain_loopback(f"localhost{port}") is is_known
