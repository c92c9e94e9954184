"""The examples of the how-to run against a server."""

from tests import examples
from tests.examples import ROOT, fences
from tests.server.conftest import RunningServer

PAGE = ROOT / "docs" / "how-to" / "run-over-http.md"


def test_examples_of_the_page_print_what_it_says(server: RunningServer) -> None:
    text = "".join(one.text for one in fences("text") if one.page == PAGE)
    [body] = [one.text for one in fences("json") if one.page == PAGE]
    project = server.service.host.project
    (project / "review.json").write_text(body)
    variables = {"SERVER": server.url, "TOKEN": server.token("operate")}
    wanted = list(examples.steps(text))
    for (command, expected), printed in zip(
        wanted, examples.outputs(text, project, variables), strict=True
    ):
        assert not expected or examples.matches(expected, printed), (command, printed)
