import tomllib

from hypothesis import given, strategies as st

from attractor.factory.resources.protected_paths import (
    LONGEST,
    MOST,
    allowing_line,
    describe_protected_paths,
    protected_paths,
)
from tests.tables import table

ATTACKS = """
    scenarios runs/x/manifest.json agents/reviewer.md attractor.toml ATTRACTOR.toml
    .gitmodules lib/.gitmodules .GITMODULES/x gitmod~1 .github/workflows/ci.yml
    .github/actions/a/action.yml .github/dependabot.yml .github/CODEOWNERS
    .github/copilot-instructions.md .github/instructions/x.instructions.md
    .github/prompts/x.prompt.md .github/chatmodes/x.chatmode.md .github/agents/x.agent.md
    .github/hooks/x.json .github/renovate.json .github/ISSUE_TEMPLATE/.envrc
    .github/ISSUE_TEMPLATE/AGENTS.md .github lib/.github/workflows/ci.yml .gitlab-ci.yml
    .gitlab/ci/build.yml .gitlab/duo/chat-rules.md .gitea/workflows/ci.yml
    .forgejo/workflows/ci.yml .circleci/config.yml .buildkite/pipeline.yml .woodpecker.yml
    .woodpecker/ci.yml .travis.yml .drone.yml .cirrus.yml .cirrus.star .appveyor.yml
    appveyor.yml .ci/build.sh .semaphore/semaphore.yml .teamcity/settings.kts
    .azure-pipelines/ci.yml azure-pipelines.yml bitbucket-pipelines.yml Jenkinsfile
    .builds/ci.yml .tekton/run.yaml .gitpod.yml .renovaterc .renovaterc.json .releaserc
    .goreleaser.yml .readthedocs.yaml .pre-commit-config.yaml .pre-commit-hooks.yaml
    .husky/pre-commit .githooks/pre-push .lefthook.yml lefthook.yml web/lefthook.yaml
    lefthook-local.yml lefthook.toml replit.md
    .lintstagedrc .lintstagedrc.js .overcommit.yml .commitlintrc.js .czrc .vscode/tasks.json
    .vscode/settings.json .vscode/launch.json .vscode/mcp.json .vscode/extensions.json .vscode
    .VSCode/tasks.json app.code-workspace .idea/workspace.xml .idea/runConfigurations/x.xml
    .fleet/run.json .zed/tasks.json .zed/settings.json .nvim.lua .exrc .vimrc .lvimrc
    .dir-locals.el .projectile .sublime-project .devcontainer/devcontainer.json
    .devcontainer.json .envrc .env .env.local .env.vault .direnv/x .mise.toml
    .mise/config.toml .config/mise.toml mise.toml lib/mise.toml .tool-versions .asdfrc
    mise.local.toml mise/config.toml .sdkmanrc .rtx.toml .devbox.json .flox/env/manifest.toml
    .npmrc web/.npmrc .yarnrc
    .yarnrc.yml .yarn/releases/yarn.cjs .pnpmfile.cjs .bunfig.toml .pypirc .cargo/config.toml
    .mvn/jvm.config .mvn/extensions.xml .mvn/wrapper/maven-wrapper.jar .bundle/config .gemrc
    .irbrc .pryrc .bazelrc .bazelversion .buckconfig .gradle/init.gradle .sbtopts .jvmopts
    .eslintrc .eslintrc.js .prettierrc .prettierrc.js .pylintrc .babelrc .babelrc.js .swcrc
    .mocharc.js .stylelintrc.js .storybook/main.js .vitepress/config.ts .puppeteerrc.cjs
    .nycrc .Rprofile .ipython/profile_default/startup/x.py .jupyter/config.py .gdbinit
    .lldbinit .bashrc .profile .zshenv .inputrc .tmux.conf .terraformrc .tflint.hcl
    .docker/config.json .netrc .ssh/config .gitconfig .claude/settings.json
    web/.claude/agents/x.md .claude.json .mcp.json .cursor/mcp.json .cursor/rules/x.mdc
    .cursorrules .cursorignore .windsurfrules .windsurf/rules/x.md .clinerules
    .clinerules/x.md .roo/rules/x.md .roomodes .kilocode/rules/x.md .codex/config.toml
    .gemini/settings.json .geminiignore .opencode/agent/x.md opencode.json opencode.jsonc
    .agents/skills/x/SKILL.md .agent/rules.md .amp/settings.json .augment/rules/x.md
    .augment-guidelines .continue/config.yaml .continuerules .kiro/steering/x.md
    .junie/guidelines.md .trae/rules/x.md .qwen/settings.json .crush.json .crush/x .goosehints
    .aider.conf.yml .aiderignore .openhands/setup.sh .qodo/x.toml .pr_agent.toml
    .coderabbit.yaml .sourcery.yaml .tabnine/x .rules AGENTS.md src/agents.md
    AGENTS.override.md AGENT.md CLAUDE.md docs/CLAUDE.md CLAUDE.local.md GEMINI.md QWEN.md
    WARP.md CRUSH.md CONVENTIONS.md copilot-instructions.md CODEOWNERS docs/CODEOWNERS
    .well-known .well-known/.vscode/tasks.json .changeset/config.json .changeset/x.js
    .changeset .new-tool/run
"""

NORMAL = {
    "any": """
        README.md LICENSE CHANGELOG.md .gitignore docs/.gitkeep tmp/.keep .gitattributes
        .mailmap .editorconfig .github/ISSUE_TEMPLATE/bug.yml
        .github/PULL_REQUEST_TEMPLATE.md .github/FUNDING.yml docs/runs PLAN.md
        src/agents/x.py ci/x é
    """,
    "python": """
        todo.py pyproject.toml uv.lock tests/test_todo.py tox.ini setup.cfg .python-version
        .coveragerc .flake8 src/app/__init__.py requirements.txt
    """,
    "node": """
        package.json package-lock.json tsconfig.json src/index.ts vite.config.ts .nvmrc
        .node-version .npmignore .prettierignore .eslintignore eslint.config.js
        .changeset/brave-cat.md
    """,
    "rust": """
        Cargo.toml Cargo.lock src/main.rs build.rs .rustfmt.toml rust-toolchain.toml
    """,
    "go": """
        go.mod go.sum main.go internal/agents/agents.go
    """,
    "c": """
        CMakeLists.txt src/a.c include/a.h Makefile .clang-format
    """,
    "java and ruby": """
        pom.xml src/main/java/A.java .java-version Gemfile .ruby-version lib/a.rb
    """,
    "web": """
        index.html .nojekyll .well-known/security.txt public/.well-known/assetlinks.json
        css/site.css robots.txt
    """,
    "service": """
        Dockerfile .dockerignore compose.yaml .env.example .env.sample config/.env.template
        deploy/app.yaml
    """,
    "docs": """
        docs/index.md mkdocs.yml .markdownlint.json .markdownlint.yaml .yamllint book.toml
    """,
}


def test_attack_is_refused() -> None:
    attacks = ATTACKS.split()
    assert len(attacks) >= 128
    for path in attacks:
        assert len(protected_paths([path, "todo.py"])) == 1, path


@table("path", ["web/.VSCode/tasks.json", ".git\u200cmodules", "\u200c.envrc", "AGENTS\u200d.md"])
def test_case_and_invisible_characters_hide_no_path(path: str) -> None:
    assert len(protected_paths([path])) == 1


@table("kind", NORMAL)
def test_normal_change_passes(kind: str) -> None:
    assert protected_paths(NORMAL[kind].split()) == ()


def test_normal_changes_are_sixty() -> None:
    assert sum(len(paths.split()) for paths in NORMAL.values()) >= 60


names = st.text("abc.-_X", min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))


@given(st.lists(names, max_size=3), names, st.lists(names, max_size=3))
def test_hidden_path_is_protected_at_any_depth(
    above: list[str], name: str, below: list[str]
) -> None:
    path = "/".join([*above, f".{name}", *below])
    assert protected_paths([path]) == (path,)
    assert protected_paths([path], allowed=[f"/{path}"]) == ()
    assert protected_paths([path], allowed=["/other"]) == (path,)


def test_names_of_scenarios_are_hidden() -> None:
    changed = ["scenarios/todo/holdout/x.toml", "scenarios/todo/y", "Scenarios/x", "scenarios"]
    assert protected_paths(changed) == ("Scenarios/", "scenarios", "scenarios/")


def test_attribute_files_are_protected_by_their_content() -> None:
    names = ["a/.gitattributes", "b/.gitattributes"]
    assert protected_paths(names, offending=names[:1], programs=names[1:]) == tuple(names)
    allowed = protected_paths(names, offending=names[:1], programs=names, allowed=names)
    assert allowed == ("a/.gitattributes",)


def test_more_can_be_protected_and_some_allowed_by_name() -> None:
    changed = ["LICENSE", "agents/x.md", ".gitmodules"]
    found = protected_paths(changed, more=["LICENSE"], allowed=["/agents", ".gitmodules"])
    assert found == (".gitmodules", "LICENSE")


def test_first_paths_are_listed_without_control_characters() -> None:
    many = [f"runs/{number:03}\x1b[31m{'x' * 300}" for number in range(2 * MOST)]
    found = protected_paths(many)
    assert len(found) == MOST
    assert all("\x1b" not in path and len(path) <= LONGEST for path in found)
    assert allowing_line(found, ()) == allowing_line(found[:1], ()) == ""


def test_line_for_the_profile_allows_exactly_the_refused_paths() -> None:
    changed = [".envrc", 'a b/.x"[1]*', "docs/AGENTS.md", "é/.x"]
    allowed = tomllib.loads(allowing_line(protected_paths(changed), ["/agents"]))
    patterns = allowed["unprotected_paths"]
    assert protected_paths(["agents/x", *changed], allowed=patterns) == ()
    assert protected_paths([".envrc2", "b/.envrc", 'a b/.x"1z'], allowed=patterns) != ()
    assert allowing_line([".envrc", ".gitmodules"], ()) == ""


def test_agent_is_told_the_rule() -> None:
    told = describe_protected_paths(["/deploy"], ["/.npmrc"])
    for name in (".gitignore", ".github/FUNDING.yml", "mise.toml", "/deploy", "allows /.npmrc."):
        assert name in told
