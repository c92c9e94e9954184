"""A person registers a suite in the browser, and sees why one is refused."""

from tests.factory.flows import HOLDOUT
from tests.scenarios.suites import write_suite
from tests.server.conftest import PAGE, RunningServer


def test_suite_is_registered_by_a_form_with_the_fault_beside_its_field(
    server: RunningServer,
) -> None:
    project, token = server.service.project.root, server.token("decide")
    write_suite(project / "scenarios" / "todo", made=HOLDOUT.format(wanted="made"))
    with server.client("operate") as client:
        client.headers.update(PAGE)
        assert '<option value="scenarios/todo">' in client.get("/suites").text
        for folder, said in (
            ("scenarios/none", "scenarios/none"),
            ("../outside", "is outside of the project"),
            ("a\0b", "invalid file"),
            (300 * "x", "invalid file"),
        ):
            refused = client.post("/suites", data={"folder": folder, "token": token})
            assert refused.status_code == 409
            assert said in refused.text.partition('id="folder-fault"')[2]
        form = {"folder": "scenarios/todo", "token": token}
        answer = client.post("/suites", data=form, follow_redirects=True)
    assert "is registered." in answer.text
    version = server.service.opened.suites.versions.find("todo")
    assert version.by.startswith("ann-decide")
