"""Makes a site of the pages: a hook that mkdocs calls, see `mkdocs.yml`.

The navigation is the list in docs/README.md, so a new page is named in one place. Pages outside
docs/, such as the README, and files of code that a page links to, become pages of the site.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
CONTENTS = "docs/README.md"
OTHER_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pipelines/README.md")
LINK = re.compile(r'(\]\(|(?:src|srcset|href)=")(?!https?:|#|mailto:)([^)\s"#]+)')
FENCES = re.compile(r"(^ *```.*?^ *```$)", re.M | re.S)
LANGUAGES = {".dot": "dot", ".j2": "jinja", ".js": "javascript", ".json": "json", ".toml": "toml"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the list of the pages."""
    home = [{"Attractor": site_path("README.md")}, {"All pages": site_path(CONTENTS)}]
    config.nav = [{"Home": home}, *navigation(CONTENTS)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and files outside docs/ that pages link to."""
    files.remove(files.src_uris["README.md"])
    pages = [*OTHER_PAGES, *(f"docs/{one.src_uri}" for one in files.documentation_pages())]
    linked = {target for page in pages for target in targets(page)}
    for path in sorted({*OTHER_PAGES, CONTENTS, *linked}):
        if site_path(path) not in files.src_uris:
            is_listed = path in (*OTHER_PAGES, CONTENTS)
            level = InclusionLevel.INCLUDED if is_listed else InclusionLevel.NOT_IN_NAV
            uri, text = site_path(path), page_text(path)
            files.append(File.generated(config, uri, content=text, inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to the pages of the site."""
    path = repository_path(page.file.src_uri)
    parts = FENCES.split(markdown)
    return "".join(
        part if FENCES.fullmatch(part) else LINK.sub(lambda link: as_site_link(path, link), part)
        for part in parts
    )


def as_site_link(path: str, link: re.Match[str]) -> str:
    """Return a link of a page as a link between pages of the site."""
    # The address of raw HTML is relative to the built page, which has the same folder.
    folder = PurePosixPath(site_path(path)).parent
    return link[1] + os.path.relpath(site_path(resolved(path, link[2])), folder)


def navigation(path: str) -> list[Any]:
    """Return the list on a page of contents, nested by its headings."""
    levels: list[list[Any]] = [[]]
    for line in (ROOT / path).read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"(##+) (.*)", line):
            del levels[len(heading[1]) - 1 :]
            levels[-1].append({heading[2]: (below := [])})
            levels.append(below)
        elif item := re.match(r"- \[([^\]]*)\]\(([^)#]*)\)", line):
            target = resolved(path, item[2])
            levels[-1].append(navigation_item(item[1], target))
    return [one for one in levels[0] if isinstance(one, str) or all(one.values())]


def navigation_item(title: str, path: str) -> dict[str, Any]:
    """Return a page, with the pages of its own list if it is one of contents."""
    if path != CONTENTS and path.startswith("docs/") and path.endswith("/README.md"):
        return {title: [site_path(path), *navigation(path)]}
    return {title: site_path(path)}


def targets(path: str) -> Iterator[str]:
    """Yield the files of the repository that a page links to."""
    for part in FENCES.split((ROOT / path).read_text("utf-8")):
        if not FENCES.fullmatch(part):
            yield from (resolved(path, link[2]) for link in LINK.finditer(part))


def resolved(path: str, link: str) -> str:
    """Return the path in the repository that a link of a page refers to."""
    return os.path.normpath(PurePosixPath(path).parent / link)


def site_path(path: str) -> str:
    """Return the path in the site of a file of the repository."""
    if path == "README.md":
        return "index.md"
    if path == CONTENTS:
        return "contents.md"
    if path.startswith("docs/") and not path.endswith(".py"):
        return path.removeprefix("docs/")
    return path if path.endswith(".md") else f"source/{path}.md"


def repository_path(uri: str) -> str:
    """Return the path in the repository of a page of the site."""
    own = {site_path(one): one for one in (*OTHER_PAGES, CONTENTS)}
    if uri.startswith("source/"):
        return uri.removeprefix("source/").removesuffix(".md")
    return own.get(uri, f"docs/{uri}" if (ROOT / "docs" / uri).exists() else uri)


def page_text(path: str) -> str:
    """Return a file as a page: a page as it is, code in a fence, a folder as a list."""
    file = ROOT / path
    if path.endswith(".md"):
        return file.read_text("utf-8")
    if file.is_dir():
        names = sorted(one.name for one in file.iterdir() if not one.name.startswith("__"))
        return f"# {path}\n\n" + "\n".join(f"- `{name}`" for name in names)
    language = LANGUAGES.get(file.suffix, "python" if file.suffix == ".py" else "text")
    return f"# {path}\n\n`````{language}\n{file.read_text('utf-8')}\n`````\n"
