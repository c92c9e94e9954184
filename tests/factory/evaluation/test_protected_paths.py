from attractor.factory.evaluation.protected_paths import LONGEST, MOST, protected_paths
from tests.tables import table

PRODUCT = ["todo.py", "src/agents/x.py", "docs/runs", ".gitignore", ".gitattributes", "ci/x", "é"]


@table(
    "path",
    [
        "scenarios",
        "runs/x/manifest.json",
        "agents/reviewer.md",
        "attractor.toml",
        "ATTRACTOR.toml",
        ".github/workflows/ci.yml",
        ".github/actions/a/action.yml",
        ".gitlab-ci.yml",
        ".ci/build.sh",
        ".circleci/config.yml",
        "Jenkinsfile",
        ".gitmodules",
        "lib/.gitmodules",
        ".GITMODULES/x",
        "gitmod~1",
        ".git\u200cmodules",
    ],
)
def test_project_configuration_is_protected(path: str) -> None:
    assert protected_paths([*PRODUCT, path]) == (path.replace("\u200c", "\\U0000200C"),)


STARTING_OR_DIRECTING = [
    *(".claude/settings.json", "web/.claude/agents/x.md", ".mcp.json", ".cursor/mcp.json"),
    *(".vscode/tasks.json", "web/.vscode/tasks.json", ".husky/pre-commit", ".envrc", ".npmrc"),
    *(".pre-commit-config.yaml", ".devcontainer/devcontainer.json", "AGENTS.md", "src/agents.md"),
    *("CLAUDE.md", "CODEOWNERS", ".github/CODEOWNERS", ".github/copilot-instructions.md"),
    # Only a link is a changed path with the name of a folder.
    *(".vscode", "web/.VSCode", ".github"),
]


@table("path", STARTING_OR_DIRECTING)
def test_file_that_starts_by_itself_or_directs_agents_is_protected_unless_named(path: str) -> None:
    assert protected_paths([*PRODUCT, path]) == (path,)
    assert protected_paths([*PRODUCT, path], allowed=[path]) == ()
    assert protected_paths([path], allowed=["other.md"]) == (path,)


def test_names_of_scenarios_are_hidden() -> None:
    changed = ["scenarios/todo/holdout/x.toml", "scenarios/todo/y", "Scenarios/x", "scenarios"]
    assert protected_paths(changed) == ("Scenarios/", "scenarios", "scenarios/")


def test_files_of_the_product_are_not_protected() -> None:
    assert protected_paths(PRODUCT) == ()


def test_paths_refused_by_git_are_protected() -> None:
    assert protected_paths(PRODUCT, offending=[".gitattributes"]) == (".gitattributes",)


def test_more_can_be_protected_and_some_allowed_by_name() -> None:
    changed = ["LICENSE", "agents/x.md", ".gitmodules"]
    found = protected_paths(changed, more=["LICENSE"], allowed=["/agents", ".gitmodules"])
    assert found == (".gitmodules", "LICENSE")


def test_first_paths_are_listed_without_control_characters() -> None:
    many = [f"runs/{number:03}\x1b[31m{'x' * 300}" for number in range(2 * MOST)]
    found = protected_paths(many)
    assert len(found) == MOST
    assert all("\x1b" not in path and len(path) <= LONGEST for path in found)
