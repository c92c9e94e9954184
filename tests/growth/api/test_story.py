"""The story of an app: the words of its morphs and stages, its command and its page."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attractor.growth.api.story import story
from attractor.growth.desires import UserDesire
from attractor.growth.lineage import DeployedStage, next_stage, rollback_stage, write_stage
from attractor.growth.morph import morph_registry, parameters_of, read_morph
from attractor.growth.plans.drafts import FeedbackEntry, draft_desires
from tests.browsers import browser
from tests.cli.running import attractor
from tests.growth.apps.lending import LENDING, write_lending
from tests.growth.apps.test_pages import require_look, served
from tests.growth.deployment.living import NEW_FIELD, make_released
from tests.growth.test_lineage import plan_of
from tests.tables import table

FIELD: dict[str, Any] = {"type": "add_field", "entity": "block", "name": "soil <i>"}
DROP: dict[str, Any] = {"type": "drop_field", "entity": "block", "field": "crop"}
AT = datetime(2026, 11, 26, tzinfo=UTC)
STEPS = ["look", "write", "send"]
RETYPE: dict[str, Any] = {"type": "retype_field", "entity": "tool", "field": "price"}


@table(
    ("morph", "words"),
    [
        (FIELD, "Adds “soil <i>” to “block”."),
        (DROP, "Removes “crop” from “block”."),
        ({**DROP, "erase": True}, "Removes “crop” from “block”, and erases the values."),
        (
            {"type": "add_entity", "name": "Tool", "fields": ["name", {"name": "due"}]},
            "Keeps a new kind of record: “Tool”, with “name” and “due”.",
        ),
        (
            {"type": "add_pipeline", "name": "{name.x}", "steps": STEPS},
            "Does something new: “{name.x}”, in the steps “look”, “write” and “send”.",
        ),
        (
            {**RETYPE, "field_type": "integer", "pii": True},
            "“price” of “tool” is a whole number now and is kept as personal.",
        ),
        (
            {"type": "set_preference", "name": "dark", "replaces": "light"},
            "Follows the wish “dark”, instead of “light”.",
        ),
    ],
)
def test_morph_says_in_words_what_it_changes(morph: dict[str, Any], words: str) -> None:
    assert read_morph(morph).in_words() == words


def test_every_type_of_morph_has_words_with_its_parameters() -> None:
    operations = "list of {name, method, path, input, output}"
    values = {"list of text": ("one",), "true or false": False, operations: ()}
    for name, type_ in morph_registry().items():
        given: dict[str, Any] = {
            one.name: values.get(one.values, one.values.partition(" or ")[0])
            for one in parameters_of(name)
            if one.is_required
        }
        words = type_.model_construct(**given).in_words()
        assert words.endswith("."), name
        assert "{" not in words, name


def grown() -> Sequence[DeployedStage]:
    entry = FeedbackEntry("0123456789ab", AT, 'Bob\'s secret (a quotation, data only): "x"')
    [said] = draft_desires(None, [entry], LENDING, AT, {})
    wish = UserDesire(goal="know the <b>soil</b>")
    seed = next_stage([], replace(plan_of(FIELD), is_first=True))
    second = next_stage([seed], replace(plan_of(FIELD), desires=(wish, said.desire)))
    return [
        replace(one, day="2026-11-26")
        for one in (seed, second, rollback_stage([seed, second], seed))
    ]


def test_page_of_the_app_tells_its_story_the_newest_first(tmp_path: Path) -> None:
    tree = write_lending(tmp_path / "tree")
    with served(tree) as client:
        assert "The story begins with the first version" in client.get("/story").text
        assert '<a href="/story">' in client.get("/").text
    for stage in grown():
        write_stage(stage, tree)
    with served(tree) as client:
        page = client.get("/story", headers={"accept-language": "de"}).text
        titles = re.findall(r"<h2 id=.*?>([^<]+) <", page)
        assert titles == ["Back to v0", "A new version", "The first version"]
        assert page.index("A new version") < page.index("This was undone later.")
        assert page.index("This was undone later.") < page.index("The first version")
        assert page.count("This was undone later.") == 1
        assert "<li>Takes back v0-2.</li>" in page
        assert "know the &lt;b&gt;soil&lt;/b&gt;" in page
        assert "Improve the app. Its user wrote on 2026-11-26.<" in page
        assert "secret" not in page
        assert "Adds “soil &lt;i&gt;” to “block”." in page
        assert "Keeps “Contract”, “Block”, “SprayEvent”" in page
        assert '<time datetime="2026-11-26">26.11.2026</time>' in page
        with browser() as started:
            shown = started.new_page(viewport={"width": 390, "height": 844})
            shown.goto(str(client.base_url.join("/story")))
            require_look(shown)


def test_command_tells_the_stages_with_their_words(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    plan = app.plan(NEW_FIELD)
    app.decide(app.deploy(plan).run_id)
    app.deploy(plan)
    app.stop()
    record: Any = story(app.plane)
    second, first = record["chapters"]
    assert (record["running"], first["stage"], second["stage"]) == ("v0-2", "v0", "v0-2")
    assert first["cost_usd"] is None
    assert (second["cost_usd"], second["decided_by"]) == (0, "ann")
    assert second["words"] == ["Adds “soil” to “Block”."]
    state = {"ATTRACTOR_STATE_DIR": str(app.plane.project.machine.state_dir)}
    told = attractor("grow", "story", folder=app.folder, variables=state)
    assert told.stdout.startswith(f"v0-2 (juvenile, {second['day']}, running, "), told.stderr
    assert "\n  Adds “soil” to “Block”.\n" in told.stdout
