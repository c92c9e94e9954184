"""A person reads profiles in the browser, and retires one with a token."""

import html

from attractor.base.clock import SystemClock
from attractor.factory.resources.profiles import make_profile
from tests.server.conftest import RunningServer

PAGE = {"accept": "text/html"}


def test_profile_is_shown_and_retired(server: RunningServer) -> None:
    store = server.service.opened.profiles
    store.create(make_profile("lenient", ("dirty_base",)), by="ann", now=SystemClock().now())
    form = {"reason": "It is too lenient.", "token": server.token("decide")}
    with server.client("operate") as client:
        client.headers.update(PAGE)
        assert 'href="/profiles/lenient@1"' in client.get("/profiles").text
        assert "dirty_base" in client.get("/profiles/lenient").text
        answer = client.post("/profiles/lenient@1/retire", data=form, follow_redirects=True)
    assert "lenient@1 is retired." in answer.text
    assert form["reason"] in answer.text
    ending = store.versions.find("lenient").ending
    assert ending
    assert ending.by.startswith("ann-decide")


def test_profile_is_created_by_a_form_with_faults_beside_their_fields(
    server: RunningServer,
) -> None:
    token, good = server.token("decide"), 'name = "careful"\n'
    with server.client("operate") as client:
        client.headers.update(PAGE)
        assert "Create a profile" in client.get("/profiles").text
        for source, secret, at, said in (
            (good, "guessed", "create-token", "a token of the scope decide is required"),
            ('name = "careful"\nnmae = 1\n', token, "source", "unknown key nmae"),
        ):
            answer = client.post("/profiles", data={"source": source, "token": secret})
            assert answer.status_code == 409
            assert f'aria-describedby="{at}-fault {at}-hint" aria-invalid="true"' in answer.text
            fault = answer.text.partition(f'id="{at}-fault"')[2].partition("</p>")[0]
            assert said in fault
            assert source in html.unescape(answer.text)
        form = {"source": good, "token": token}
        assert "is created." in client.post("/profiles", data=form, follow_redirects=True).text
        assert "already exists" in client.post("/profiles", data=form).text
    version = server.service.opened.profiles.versions.find("careful")
    assert version.by.startswith("ann-decide")
