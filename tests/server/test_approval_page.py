"""A tool call that an agent asks about is shown and answered on the page *Attention*, once."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from attractor.engine.questions.call_rules import CallPermissions, PermissionMode
from attractor.twins.script.script import Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from attractor.worlds.actors import Actor, create_actor
from attractor.worlds.orders import here, send
from attractor.worlds.status import ActorStatus, read_actor
from tests.agent.twinned import MODELS, says, use, uses
from tests.browsers import chromium, keep_picture
from tests.cli.test_agent import steps
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, service_of, serving
from tests.server.test_attention_page import ANN, sign_in
from tests.server.test_pages_in_a_browser import look_at

EDIT = {"file_path": "notes.md", "content": "one\n<b>two</b>\n"}


@pytest.mark.slow
def test_tool_call_is_shown_and_answered(tmp_path: Path) -> None:
    calls = [use("write_file", EDIT), use("shell", {"command": "rm notes.md"})]
    rules = steps("write", *map(uses, calls), says("Done."))
    project = make_project(tmp_path / "project", **{"attractor.toml": SETTINGS})
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as twin:
        service = service_of(project, **twin.environ())
        opened = service.opened
        opened.identity.create_id()
        actor = Actor(
            name="writer",
            spawner=ANN,
            created=opened.now(),
            model=MODELS["openai"],
            workspace="in-place",
            folder=str(project),
            permissions=CallPermissions(PermissionMode.ASK),
        )
        with serving(service) as server, chromium() as screen:
            folder = create_actor(actor, here(opened), opened.project.machine.state_dir)
            send(folder, "write it", ANN, opened)
            wait_until(lambda: read_actor(folder).status is ActorStatus.ASKING)
            page = screen.page
            sign_in(server, page)
            page.get_by_role("link", name="Attention").click()
            row = page.get_by_role("region", name="Chosen row")
            expect(row.get_by_role("figure").first).to_contain_text("+<b>two</b>")
            keep_picture(page, "approval")
            assert look_at(page, "approval", page.url) == []
            row.get_by_role("button", name="Allow this call once").click()
            expect(row.get_by_text("rm notes.md").first).to_be_visible()
            assert "<b>two</b>" in (project / "notes.md").read_text()
            row.get_by_label("Words (to refuse, for the agent; from now on, a rule)").fill(
                "keep it"
            )
            row.get_by_role("button", name="Allow this call once").click()
            expect(page.get_by_text("the agent gets no words with a call")).to_be_visible()
            row.get_by_role("textbox", name="Words").fill("keep it")
            row.get_by_role("button", name="Refuse it").click()
            wait_until(lambda: read_actor(folder).history.answers)
            assert "a person refused it: keep it" in str(twin.requests[-1].body)
            assert (project / "notes.md").exists()
            with server.client() as client:
                client.post(f"/api/v1/actors/{folder.project.project_id}/writer/stop")
