import json
from pathlib import Path

from tests.cli.running import attractor


def test_shipped_agents_and_those_of_the_project_are_listed(tmp_path: Path) -> None:
    own = tmp_path / "agents" / "reviewer"
    own.mkdir(parents=True)
    (tmp_path / "attractor.toml").touch()
    (own / "agent.toml").write_text('description = "Ours."\n[limits]\ncost_usd = 1.5\n')
    (own / "prompt.md.j2").write_text("Review.")
    shown = attractor("agents", folder=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in shown] == [
        *(
            "coder",
            "compiler",
            "guide",
            "historian",
            "judge",
            "planner",
            "requirements",
            "researcher",
            "reviewer",
        ),
        *("safety", "surface", "tester", "toolsmith"),
    ]
    assert "reviewer      workspace  Ours." in shown
    listed = json.loads(attractor("agents", "--json", folder=tmp_path).stdout)
    [ours] = [one for one in listed if one["folder"] == str(own)]
    assert (ours["name"], ours["tools"], ours["limits"]["cost_usd"]) == ("reviewer", None, 1.5)


def test_mistake_in_an_agent_is_an_error_of_usage(tmp_path: Path) -> None:
    own = tmp_path / "agents" / "mine"
    own.mkdir(parents=True)
    (tmp_path / "attractor.toml").touch()
    (own / "agent.toml").write_text("\nmodell = 'x'\n")
    ended = attractor("agents", folder=tmp_path)
    assert ended.returncode == 2
    assert f"{own / 'agent.toml'}:2: unknown key modell" in ended.stderr
    assert "did you mean model?" in ended.stderr
