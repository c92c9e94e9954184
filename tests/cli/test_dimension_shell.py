"""`attractor dimension shell`: the shell of a person in the folder of a dimension."""

import json
from pathlib import Path

from tests.cli.running import run_here
from tests.worlds.desks import PlacedDesk


def test_shell_is_in_the_folder_and_knows_the_ports(tmp_path: Path) -> None:
    desk = PlacedDesk(tmp_path)
    desk.place.mkdir()
    (desk.place / "attractor.toml").write_text('[workspace]\nports = ["WEB_PORT"]\n')
    shell = tmp_path / "shell.sh"
    shell.write_text("#!/bin/sh\necho $WEB_PORT > port.txt\n")
    shell.chmod(0o755)
    made = desk.do("dimension", "add", "try", "--kind", "directory")
    assert made.returncode == 0, made.stderr
    place = json.loads(desk.do("dimension", "shell", "try", "--json").stdout)
    variables = {**desk.environ, "SHELL": str(shell)}
    run_here(("dimension", "shell", "try"), folder=desk.place, variables=variables)
    assert (Path(place["folder"]) / "port.txt").read_text().strip() == place["ports"]["WEB_PORT"]
