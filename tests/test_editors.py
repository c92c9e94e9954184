"""Instructions on the page about editors."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from tests.examples import ROOT, fences
from tests.needs import require

EXTENSION = ROOT / "docs" / "editors" / "vscode"
PAGE = ROOT / "docs" / "how-to" / "use-an-editor.md"
# Stand-ins for the modules that VS Code passes to an extension: they print the started command.
MODULES = {
    "vscode": (
        "exports.workspace = {getConfiguration: section => ({get: key => `${section}.${key}`})};"
    ),
    "vscode-languageclient/node": (
        "exports.LanguageClient = class {"
        " constructor(...told) { this.told = told; }"
        " async start() { console.log(JSON.stringify(this.told)); }"
        " async stop() { console.log('stopped'); } };"
    ),
}


def manifest() -> Any:
    return json.loads((EXTENSION / "package.json").read_text("utf-8"))


def test_the_extension_names_the_files_that_are_there() -> None:
    language = manifest()["contributes"]["languages"][0]
    assert (language["id"], language["extensions"]) == ("dot", [".dot", ".gv"])
    for file in (manifest()["main"], language["configuration"]):
        assert (EXTENSION / file).is_file()
    json.loads((EXTENSION / language["configuration"]).read_text("utf-8"))


def test_the_page_installs_the_extension_of_this_version_and_sets_its_setting() -> None:
    page = PAGE.read_text("utf-8")
    assert f"{manifest()['name']}-{manifest()['version']}.vsix" in page
    assert list(manifest()["contributes"]["configuration"]["properties"]) == ["attractor.command"]
    assert '"attractor.command"' in page


def test_settings_can_be_read() -> None:
    assert [json.loads(one.text) for one in fences("json") if one.page == PAGE]
    assert [tomllib.loads(one.text) for one in fences("toml") if one.page == PAGE]


def test_the_extension_starts_the_server_for_pipelines_and_stops_it(tmp_path: Path) -> None:
    node = require("node")
    shutil.copy(EXTENSION / manifest()["main"], tmp_path)
    for name, text in MODULES.items():
        file = tmp_path / "node_modules" / f"{name}{'' if '/' in name else '/index'}.js"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    script = "const e = require('./extension.js'); e.activate().then(() => e.deactivate())"
    result = subprocess.run(
        [node, "-e", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    output, stopped = result.stdout.splitlines()
    server, client = json.loads(output)[2:]
    assert server == {"command": "attractor.command", "args": ["lsp"]}
    assert client == {"documentSelector": [{"scheme": "file", "language": "dot"}]}
    assert stopped == "stopped"


def test_zed_settings_name_the_registered_server() -> None:
    settings = [json.loads(one.text) for one in fences("json") if one.page == PAGE]
    (server,) = [one["lsp"]["dot-language-server"] for one in settings if "lsp" in one]
    assert server["binary"]["arguments"] == ["lsp"]
    assert re.match("/.*/attractor$", server["binary"]["path"])
