"""Reads every byte of an answer."""

import socket
from collections.abc import Mapping

_HEAD = {"host": "localhost", "connection": "close", "content-type": "application/json"}


def raw(
    url: str, words: str, headers: Mapping[str, str], body: bytes = b"", *, patience: float = 60
) -> bytes:
    """Send `POST /path`, and return the raw answer: status line, headers, body, and its end."""
    fields = {**_HEAD, **headers, "content-length": str(len(body))}
    lines = [f"{words} HTTP/1.1", *(f"{name}: {said}" for name, said in fields.items())]
    host, _, port = url.removeprefix("http://").partition(":")
    came = b""
    with socket.create_connection((host, int(port)), timeout=patience) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        try:
            while some := connection.recv(65536):
                came += some
        except (TimeoutError, ConnectionResetError) as error:
            came += type(error).__name__.encode()
    return came
