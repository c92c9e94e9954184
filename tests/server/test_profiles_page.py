"""A person reads profiles in the browser, and retires one with a token."""

from attractor.base.clock import SystemClock
from attractor.factory.launch import evaluator_of
from attractor.factory.resources.profiles import make_profile
from tests.server.conftest import RunningServer

PAGE = {"accept": "text/html"}


def test_profile_is_shown_and_retired(server: RunningServer) -> None:
    store = evaluator_of(server.service.host).stores.profiles
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
