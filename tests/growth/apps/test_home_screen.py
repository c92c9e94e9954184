"""A phone puts a generated app on its home screen."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from attractor.growth.apps.skeleton import write_app
from attractor.growth.simulation.traffic import read_recording
from attractor.growth.specification.document import read_document
from tests.browsers import browser
from tests.growth.apps.lending import write_lending
from tests.growth.apps.test_access import Street
from tests.growth.apps.test_pages import served


def test_browser_finds_no_error_in_the_manifest_and_draws_the_icon(tmp_path: Path) -> None:
    recorded = tmp_path / "taped"
    tree = write_lending(tmp_path / "tree")
    with served(tree, APP_RECORDING=str(recorded)) as client, browser() as started:
        page = started.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.goto(str(client.base_url))
        devtools: Any = page.context.new_cdp_session(page)
        found = devtools.send("Page.getAppManifest")
        assert found["url"].endswith("/manifest.webmanifest")
        assert found["errors"] == []
        assert devtools.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
        drawn = (
            "async () => { const icon = new Image(); icon.src = '/icon.svg'; await icon.decode();"
        )
        assert page.evaluate(drawn + " return icon.naturalWidth; }") == 512
        assert problems == []
        manifest = client.get("/manifest.webmanifest").json()
        assert (manifest["name"], manifest["short_name"]) == (
            "Lend the tools of a street",
            "Lend the",
        )
    assert {one.request.path for one in read_recording(recorded).exchanges} == {"/"}


@pytest.mark.parametrize(
    ("purpose", "short", "letters"),
    [
        ("Choir & scores", "Choir &", "CS"),
        ("Nachbarschaftshilfe", "Nachbarschaf", "N"),
        ("<b>", "<b>", "B"),
        ("借书 登记", "借书 登记", "借登"),
    ],
)
def test_icon_has_the_first_letters(tmp_path: Path, purpose: str, short: str, letters: str) -> None:
    write_app(read_document(f"{{identity: {{purpose: {purpose!r}}}}}"), tmp_path)
    with served(tmp_path) as client:
        icon = ElementTree.fromstring(client.get("/icon.svg").text)
        assert "".join(icon.itertext()).strip() == letters
        assert client.get("/manifest.webmanifest").json()["short_name"] == short


def test_person_who_is_not_signed_in_gets_manifest_and_icon(tmp_path: Path) -> None:
    street = Street(tmp_path)
    with street.serving(), street.client() as client:
        for path in ("/manifest.webmanifest", "/icon.svg"):
            assert client.get(path).status_code == 200
            assert client.post(path).status_code == 405
        assert client.get("/icon.svg/x").status_code == 403
