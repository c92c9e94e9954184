"""The examples of the how-to run against a server."""

from tests.examples import HOW_TO, play
from tests.needs import needs_curl
from tests.server.conftest import RunningServer


@needs_curl
def test_examples_of_the_page_print_their_output(server: RunningServer) -> None:
    variables = {"SERVER": server.url, "TOKEN": server.token("operate")}
    play(HOW_TO / "run-over-http.md", server.service.project.root, variables)
