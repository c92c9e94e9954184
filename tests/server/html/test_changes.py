"""Changed files as a tree."""

from attractor.pipeline.workspace.diffs import FileDiff
from attractor.server.html.changes import MOST_FOLDERS, FileTree, HighlightedDiff, tree_of


def tree(*paths: str) -> FileTree:
    return tree_of([HighlightedDiff(FileDiff(path, 1, 0, False, ""), ()) for path in paths])


def shown(folder: FileTree) -> dict[str, object]:
    files = {name: each.file.path for name, each in folder.files}
    return {**{f"{inner.name}/": shown(inner) for inner in folder.folders}, **files}


def test_folder_that_has_one_folder_alone_is_joined_to_it() -> None:
    assert shown(tree("a/b/one", "a/b/c/two", "three", "x/y/four", "x/z/five")) == {
        "a/b/": {"one": "a/b/one", "c/": {"two": "a/b/c/two"}},
        "x/": {"y/": {"four": "x/y/four"}, "z/": {"five": "x/z/five"}},
        "three": "three",
    }


def test_tree_of_a_hostile_path_is_not_deep() -> None:
    [folder] = tree("a/" * 2000 + "file").folders
    assert folder.name == "/".join("a" * MOST_FOLDERS)
    assert folder.files[0][0] == "a/" * (2000 - MOST_FOLDERS) + "file"
