"""`attractor estimate` prints tables, and JSON."""

from tests.cli.git_desk import (
    GitDesk,
    desk as desk,  # a fixture
)

PIPELINE = """digraph p { start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="Plan"]; make [shape=parallelogram, tool_command="true"]
    start -> plan -> make -> exit }
"""


def test_estimate_names_its_basis(desk: GitDesk) -> None:
    desk.make(PIPELINE)
    nobody_knows = desk.do("estimate", "pipeline.dot")
    assert (nobody_knows.returncode, nobody_knows.stderr) == (0, "")
    assert "no earlier run" in nobody_knows.stdout
    assert "assumed: 3 to 120 calls of a model; no model is chosen" in nobody_knows.stdout
    priced = desk.do("estimate", "pipeline.dot", "--model", "gpt-5.2")
    assert "assumed: 3 to 120 calls of gpt-5.2\n" in priced.stdout
    assert priced.stdout.count("$") > nobody_knows.stdout.count("$")
    assert "$" not in nobody_knows.stdout.partition("stage")[0]
    lacking = desk.json("estimate", "pipeline.dot", "--model", "azure/gpt-4.1")["not_ready"]
    names = "AZURE_API_KEY and AZURE_API_BASE or AZURE_AD_TOKEN and AZURE_API_BASE"
    words = f"node plan: --model, --provider or [llm]: missing {names} of the provider 'azure'"
    assert lacking == [{"message": words, "fix": f"set {names}"}]
    desk.run()
    output = desk.do("estimate", "pipeline.dot", "--backend", "simulate").stdout
    assert "from 1 earlier run that succeeded, 1 with the same pipeline text" in output
    assert "1 visit in 1 run" in output
    record = desk.json("estimate", "pipeline.dot", "--backend", "simulate")
    assert record["seconds"]["low"] == record["seconds"]["high"] > 0
    assert [one["node"] for one in record["stages"]] == ["plan", "make"]
    mistyped = desk.do("estimate", "pipeline.dot", "--backend", "agnt")
    assert (mistyped.returncode, "did you mean agent?" in mistyped.stderr) == (2, True)
    desk.write("digraph {")
    assert desk.do("estimate", "pipeline.dot").returncode == 2
    assert desk.do("estimate", "nowhere.dot").returncode == 2
