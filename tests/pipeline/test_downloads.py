"""Downloads of package managers in sandboxes, read by the package managers themselves."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from zipfile import ZipFile

import pytest

from attractor.pipeline.project.project import Project
from tests.needs import needs
from tests.pipeline.projects import adjusted, make_project, open_project
from tests.pipeline.test_caches import execute, sandbox as sandbox, stages, with_cargo, with_go
from tests.scenarios.suites import write_files

GO_FILES = {
    "go.mod": "module app\n\ngo 1.19\n\nrequire example.org/dep v1.0.0\n",
    "main.go": 'package main\n\nimport "example.org/dep"\n\nfunc main() { println(dep.Word) }\n',
}
TRY_TO_WRITE = "; touch {}/new 2> /dev/null && echo written >> said"


def download(folder: Path, *command: str, **environ: str) -> None:
    """Run a command of the operator."""
    variables = {"PATH": os.environ["PATH"], **environ}
    subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)


def said(opened: Project, sandbox: str) -> str:
    """Execute the pipeline in the project, and return what its stage wrote."""
    execute(opened, sandbox, workspace="in-place")
    return (opened.root / "said").read_text()


@needs("go")
def test_go_reads_the_module_cache_of_the_operator(tmp_path: Path, sandbox: str) -> None:
    module = {"go.mod": "module example.org/dep\n\ngo 1.19\n"}
    versions = "example.org/dep/@v/v1.0.0."
    proxy = write_files(tmp_path / "proxy", {f"{versions}info": '{"Version": "v1.0.0"}'})
    write_files(proxy, {f"{versions}mod": module["go.mod"]})
    with ZipFile(proxy / f"{versions}zip", "w") as archive:
        for name, text in {**module, "dep.go": 'package dep\n\nconst Word = "read"\n'}.items():
            archive.writestr(f"example.org/dep@v1.0.0/{name}", text)
    get = "go mod download example.org/dep@v1.0.1 2> missing"
    command = f"go run . > said 2>&1; {get}" + TRY_TO_WRITE.format("$GOMODCACHE") + "; true"
    project = make_project(tmp_path / "project", stages(command), **GO_FILES)
    opened = with_go(open_project(project))
    home = {"HOME": str(tmp_path), "GOSUMDB": "off", "GOPROXY": f"file://{proxy}"}
    try:
        download(project, "go", "mod", "tidy", **home)
        assert said(adjusted(opened, downloads=("go",)), sandbox) == "read\n"
        assert "module lookup disabled by GOPROXY=off" in (project / "missing").read_text()
        assert said(opened, sandbox) != "read\n"
    finally:
        # Its folders are read-only.
        download(project, "go", "clean", "-modcache", **home)


CRATE = {
    "Cargo.toml": '[package]\nname = "dep"\nversion = "1.0.0"\nedition = "2021"\n',
    "src/lib.rs": 'pub const WORD: &str = "read";\n',
}
RUST_FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
    '[dependencies]\ndep = "1.0.0"\n',
    "src/main.rs": 'fn main() { println!("{}", dep::WORD); }\n',
}


@contextmanager
def registry(folder: Path) -> Generator[str]:
    """Serve a registry with one crate, and yield its address."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in CRATE.items():
            entry = tarfile.TarInfo(f"dep-1.0.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, BytesIO(text.encode()))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        checksum = sha256(content.getvalue()).hexdigest()
        version = '{"name": "dep", "vers": "1.0.0", "deps": [], "features": {}, "yanked": false'
        config = {"dl": f"{address}/{{crate}}-{{version}}.crate"}
        write_files(
            folder,
            {
                "config.json": json.dumps(config),
                "3/d/dep": f'{version}, "cksum": "{checksum}"}}\n',
            },
        )
        (folder / "dep-1.0.0.crate").write_bytes(content.getvalue())
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield address
        finally:
            server.shutdown()


@needs("cargo")
def test_cargo_reads_the_registry_and_the_git_checkouts_of_the_operator(
    tmp_path: Path, sandbox: str
) -> None:
    retry = "export CARGO_NET_RETRY=0"  # without downloads it would take 12 seconds
    run = f"{retry}; cargo run --quiet > said 2>&1; cargo add absent 2> missing"
    steal = "cat $CARGO_HOME/credentials.toml >> said"
    command = f"{run}; {steal}{TRY_TO_WRITE.format('$CARGO_HOME/registry')}; true"
    files = dict(RUST_FILES)
    if sandbox == "bubblewrap":  # With Landlock, cargo does not open the repository.
        git = {name: text.replace('"dep"', '"other"') for name, text in CRATE.items()}
        other = make_project(tmp_path / "other", **git)
        files["Cargo.toml"] += f'other = {{ git = "file://{other}" }}\n'
        files["src/main.rs"] = files["src/main.rs"].replace("dep::", "other::")
    project = make_project(tmp_path / "project", stages(command), **files)
    opened = with_cargo(open_project(project))
    with registry(tmp_path / "registry") as address:
        source = '[source.crates-io]\nreplace-with = "mine"\n[source.mine]\n'
        source += f'registry = "sparse+{address}/"\n'
        write_files(project, {".cargo/config.toml": source})
        download(project, "cargo", "fetch", HOME=str(tmp_path), PATH=opened.machine.environ["PATH"])
    write_files(tmp_path, {".cargo/credentials.toml": "secret\n"})
    assert said(adjusted(opened, downloads=("cargo",)), sandbox) == "read\n"
    assert "`absent` could not be found" in (project / "missing").read_text()
    assert said(opened, sandbox) != "read\n"


DEBIAN = Path("/usr/share/maven-repo")


def copy_debian_repository(folder: Path) -> None:
    """Make a local repository from Debian's packages, of links into `/usr`."""

    def link(source: str, to: str) -> None:
        Path(to).symlink_to(Path(source).resolve())

    shutil.copytree(DEBIAN, folder, copy_function=link)


PLUGINS = {"compiler": "3.10.1", "resources": "3.3.0"}
POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    "<groupId>org.example</groupId><artifactId>{}</artifactId><version>1</version>{}</project>"
)
PLUGIN = "<plugin><artifactId>maven-{}-plugin</artifactId><version>{}</version></plugin>"
DEPENDENCY = (
    "<properties><maven.compiler.source>11</maven.compiler.source>"
    "<maven.compiler.target>11</maven.compiler.target></properties>"
    "<dependencies><dependency><groupId>org.example</groupId><artifactId>{}</artifactId>"
    "<version>1</version></dependency></dependencies>"
)


@needs("maven")
@pytest.mark.skipif(
    not all(
        (DEBIAN / f"org/apache/maven/plugins/maven-{one}-plugin" / version).is_dir()
        for one, version in PLUGINS.items()
    ),
    reason="the plugins of Maven are not installed",
)
def test_maven_reads_the_local_repository_of_the_operator(tmp_path: Path, sandbox: str) -> None:
    repository = tmp_path / ".m2" / "repository"
    copy_debian_repository(repository)
    dep = write_files(repository / "org/example/dep/1", {"dep-1.pom": POM.format("dep", "")})
    # As if it had come from the mirror in the settings of the operator.
    write_files(dep, {"_remote.repositories": "dep-1.jar>mirror=\ndep-1.pom>mirror=\n"})
    source = write_files(
        tmp_path / "dep",
        {"Dep.java": 'public class Dep { public static String word() { return "read"; } }\n'},
    )
    download(source, "javac", "-source", "11", "-target", "11", "Dep.java")
    with ZipFile(dep / "dep-1.jar", "w") as archive:
        archive.write(source / "Dep.class", "Dep.class")
    plugins = "".join(PLUGIN.format(*one) for one in PLUGINS.items())
    build = f"<build><plugins>{plugins}</plugins></build>"
    main = "public static void main(String[] given) { System.out.println(Dep.word()); }"
    files = {
        "pom.xml": POM.format("app", build + DEPENDENCY.format("dep")),
        "absent.xml": POM.format("app", build + DEPENDENCY.format("absent")),
        "src/main/java/App.java": f"public class App {{ {main} }}\n",
    }
    command = (
        f"mvn -o -q compile > log 2>&1; java -cp target/classes:{dep}/dep-1.jar App > said 2>&1; "
        "mvn -o -q -f absent.xml compile > missing 2>&1"
        + TRY_TO_WRITE.format(repository)
        + "; rm -fr target"
    )
    project = make_project(tmp_path / "project", stages(command), **files)
    # The configuration of Debian's packages.
    readable = (Path("/etc/maven"), *Path("/etc").glob("java-*-openjdk"))
    opened = adjusted(open_project(project), readable=readable)
    found = said(adjusted(opened, downloads=("maven",)), sandbox)
    assert found == "read\n", (project / "log").read_text()
    missing = (project / "missing").read_text()
    assert "Cannot access central" in missing, missing
    assert said(opened, sandbox) != "read\n"
