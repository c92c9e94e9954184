"""One script, and the expected result of each provider's own client."""

from typing import Any

from pydantic import BaseModel

TEXT = "größe 🐍 and a few words more"
THOUGHT = "hm, let me see"
CITIES = [{"city": "Köln"}, {"city": "New York"}]
PERSON = '{"name": "Alice", "age": 30}'
PATCH = "*** Begin Patch\n*** Delete File: größe.txt\n*** End Patch\n"
PATCH_IN_TOML = PATCH.replace("\n", "\\n")
SCRIPT = f"""
[[rules]]
when = {{ last_user = "say" }}
answer = {{ text = "{TEXT}", usage = {{ input = 900, output = 12, cache_read = 800 }} }}

[[rules]]
when = {{ last_user = "think" }}
answer = {{ thinking = "{THOUGHT}", text = "{TEXT}" }}

[[rules]]
when = {{ last_user = "look", step = 0 }}
answer = {{ text = "I look.", tool_calls = [
    {{ name = "look", arguments = {{ city = "Köln" }} }},
    {{ name = "look", arguments = {{ city = "New York" }} }},
] }}

[[rules]]
when = {{ last_user = "look", step = 1, tool_result = {{ regex = "(?s)rain.*sun" }} }}
answer.text = "Rain and sun."

[[rules]]
when = {{ last_user = "edit", step = 0 }}
answer.tool_calls = [
    {{ name = "apply_patch", raw_arguments = "{PATCH_IN_TOML}" }},
    {{ name = "look", arguments = {{ city = "Köln" }} }},
]

[[rules]]
when = {{ last_user = "edit", step = 1, tool_result = {{ regex = "(?s)patched.*rain" }} }}
answer.text = "Edited."

[[rules]]
when = {{ last_user = "who" }}
answer.text = '{PERSON}'

[[rules]]
when = {{ last_user = "short" }}
answer = {{ text = "Once upon", finish = "length" }}

[[rules]]
when = {{ last_user = "busy" }}
answer.fault = {{ kind = "status", status = 429, message = "too busy", retry_after = "7s" }}

[[rules]]
when = {{ last_user = "broken" }}
answer.fault = {{ kind = "status", status = 500, message = "no luck" }}

[[rules]]
when = {{ last_user = "once more", attempt = 1 }}
answer.fault = {{ kind = "status", status = 503, message = "not yet", retry_after = "0s" }}

[[rules]]
when = {{ last_user = "once more" }}
answer.text = "Now."

[[rules]]
when = {{ last_user = "in the middle" }}
answer = {{ text = "{TEXT}", fault = {{ kind = "cut", after = 4 }} }}

[[rules]]
when = {{ last_user = "overloaded" }}
[rules.answer]
text = "{TEXT}"
fault = {{ kind = "status", status = 529, message = "full", after = 4 }}

[[rules]]
when = {{ model = "a-model-with-a-name" }}
answer.text = "Listed."
"""


def fields_of(params: Any) -> set[str]:
    """Return the fields of a client's own request type, with the inherited ones."""
    bases = [fields_of(one) for one in getattr(params, "__orig_bases__", ())]
    return {*getattr(params, "__annotations__", ())}.union(*bases)


class Person(BaseModel):
    """The requested object."""

    name: str
    age: int


ALICE = Person(name="Alice", age=30)
