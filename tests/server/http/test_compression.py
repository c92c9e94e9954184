"""Answers are compressed, but neither streams nor the secret of a session."""

import gzip
from contextlib import closing

from attractor.base.json import content_hash
from attractor.server.html.assets import static_address
from attractor.server.http.compression import compressed
from tests.server.conftest import RunningServer, csrf_in

ENCODINGS: list[tuple[str, dict[str, str], str | None]] = [
    ("/system", {}, "gzip"),
    ("/system", {"accept-encoding": "identity"}, None),
    ("/api/v1/openapi.json", {}, "gzip"),
    (static_address("pages.css"), {}, "gzip"),
    (static_address("pages.js"), {}, "gzip"),
    ("/system", {"accept-encoding": "br, gzip;q=0, *;q=0.1"}, None),
    ("/system", {"accept-encoding": "br;q=0, gzip;q=0.5"}, "gzip"),
    ("/api/v1/version", {}, None),
    ("/api/v1/events", {}, None),
    ("/login?next=/runs", {}, None),
]


def test_texts_are_compressed_for_known_callers(server: RunningServer) -> None:
    with server.client() as client, closing(server.browser()) as browser:
        for path, headers, encoding in ENCODINGS:
            sender = client if path.startswith("/api") else browser
            with sender.stream("GET", path, headers=headers) as answer:
                assert answer.headers.get("content-encoding") == encoding, path
        whole = browser.get("/system", headers={"accept-encoding": "identity"})
        again = browser.get("/system")
        assert csrf_in(again.text) == csrf_in(whole.text)
        assert whole.headers["vary"] == again.headers["vary"] == "accept-encoding"
        assert int(again.headers["content-length"]) < len(whole.content) / 2


def test_length_of_a_compressed_page_does_not_tell_its_secret() -> None:
    secret = content_hash(b"csrf")
    # The same characters: as long when it is compressed alone.
    other = secret[:7] + secret[:6:-1]

    def page(guess: str) -> bytes:
        return f"<p>{guess}</p><form>{'<input>' * 99}{secret}</form><p>{guess}</p>".encode()

    assert gzip.decompress(compressed(page(other), secret.encode())) == page(other)
    for text in (secret[:-1], secret[:20]):
        pages = [page(guess) for guess in (other[: len(text)], text)]
        plain = [len(gzip.compress(one)) for one in pages]
        safe = [len(compressed(one, secret.encode())) for one in pages]
        assert abs(safe[0] - safe[1]) <= 1
        assert plain[0] - plain[1] > 5
