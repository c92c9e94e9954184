"""Generated files: the same bytes for the same specification, bodies kept, types checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import cast

import pytest

from attractor.base.json import Json, canonical_json
from attractor.growth.apps.process import export_state, import_state
from attractor.growth.apps.skeleton import GENERATED, generate, write_app
from attractor.growth.apps.stack import FilePart
from attractor.growth.errors import InvalidApp
from attractor.growth.limit_rules import Limit
from attractor.growth.migration import State, parse_records, state_text
from attractor.growth.morph import apply_morphs
from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import SpecGraph
from tests.counts import count
from tests.growth.apps.small_app import SPEC, write_small_app
from tests.growth.sequences import GUARDED, random_sequence
from tests.tables import table

VALUES: tuple[Json, ...] = (None, "", "Zoë\u2028\x00'", 0, -(10**30), 1.0, 1e-300, True, [1], {})


def random_state(random: Random, graph: SpecGraph) -> State:
    """Return records of all entities, sorted as an export sorts them."""
    state: dict[str, str] = {}
    for entity in graph.of_kind("entity"):
        fields = [one.id.partition(".")[2] for one in graph.children(entity.id, "field")]
        ids = sorted(random.sample(["a", "b/c", "Zoë", "\U0001f404", "10", "9"], 3))
        records = [{**{f: random.choice(VALUES) for f in fields}, "id": one} for one in ids]
        state[entity.id] = state_text(tuple(records))
    return {name: parse_records(text, place=name) for name, text in state.items()}


@pytest.mark.anyio
async def test_random_apps_compile_and_their_state_round_trips(tmp_path: Path):
    running = count(ci=1, full=20)
    for seed in range(count(ci=10, full=200)):
        graph = apply_morphs(GUARDED, random_sequence(seed, GUARDED))
        files = write_app(graph, tmp_path / str(seed))
        for path, file in files.items():
            if path.endswith(".py"):
                compile(file.text, path, "exec")
        assert generate(graph) == generate(apply_morphs(GUARDED, random_sequence(seed, GUARDED)))
        if seed < running:
            state = random_state(Random(seed), graph)
            await import_state(tmp_path / str(seed), tmp_path / f"state{seed}", state)
            after = await export_state(tmp_path / str(seed), tmp_path / f"state{seed}")
            assert {k: state_text(v) for k, v in after.items()} == {
                k: state_text(v) for k, v in state.items()
            }


def test_app_is_written_again_without_its_bodies(tmp_path: Path):
    write_small_app(tmp_path)
    body = tmp_path / "app" / "steps" / "weigh.py"
    web = tmp_path / "app" / "web.py"
    written = body.read_text()
    web.write_text("edited")
    write_app(SPEC, tmp_path)
    assert body.read_text() == written
    assert web.read_text() == generate(SPEC)["app/web.py"].text
    record = json.loads((tmp_path / GENERATED).read_text())
    assert record["app/steps/weigh.py"]["nodes"] == ["weigh"]
    assert record["app/steps/weigh.py"]["part"] == "body"

    smaller = SPEC.replace(removed=["weigh"])
    write_app(smaller, tmp_path)
    assert not body.exists()
    body.write_bytes(b"\xff")
    with pytest.raises(InvalidApp, match=r"app/steps/weigh.py is not UTF-8"):
        write_app(SPEC, tmp_path)


def test_hostile_words_stay_text(tmp_path: Path):
    words = '"""\\" + exit() #\n<% x %> << y >> {{ z }}'
    limit: dict[str, Json] = {"name": words, "one_of": [words], "of": ["kind"]}
    document: dict[str, Json] = {
        "identity": {"purpose": words},
        "workflows": {"pipelines": [{"name": "Run", "steps": [{"name": "a", "strategy": words}]}]},
        "interface": {"panels": [words]},
        "data_contracts": {"entities": [{"name": "Toy", "fields": ["kind"], "limits": [limit]}]},
    }
    files = generate(read_document(canonical_json(document)))
    spec: dict[str, object] = {"__name__": __name__}
    for path, file in files.items():
        if path.endswith(".py"):
            compile(file.text, path, "exec")
    text = files["app/spec.py"].text
    exec(text.replace("app.limit_rules", "attractor.growth.limit_rules"), spec)
    assert spec["TITLE"] == words
    (limit_read,) = cast("dict[str, tuple[Limit]]", spec["LIMITS"])["toy"]
    assert (limit_read.label, limit_read.values) == (words, (words,))


RULES: Mapping[str, tuple[str, str]] = {
    "filter: kilos >= 3": ("integer", 'one["kilos"] >= 3'),
    "filter: kilos == red": ("text", 'one["kilos"] == "red"'),
    "filter: kilos != true": ("boolean", 'one["kilos"] != True'),
    "filter: kilos > many": ("integer", "raise NotBuilt"),
    "filter: litres > 3": ("integer", "raise NotBuilt"),
    "take the best": ("integer", "raise NotBuilt"),
}


@table("rule", RULES)
def test_known_rule_is_built_without_an_agent(rule: str):
    type_, expected = RULES[rule]
    graph = read_document(
        f"""
identity: {{purpose: Weigh}}
data_contracts: {{entities: [{{name: Block, fields: [{{name: kilos, type: {type_}}}]}}, Harvest]}}
workflows:
  pipelines:
    - {{name: Run, steps: [{{name: Take, reads: [Block], writes: [Harvest], rule: "{rule}"}}]}}
"""
    )
    file = generate(graph)["app/steps/take.py"]
    assert expected in file.text
    assert file.part is FilePart.BODY
    assert file.nodes == ("take",)
