"""Two builds of one commit, in folders of different names and depths, without a cache between them: equal octets."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DUCKDB = ROOT / ".deps/duckdb/libduckdb.so"
MEASURED = ("truce-room", "truce-room-sim", "truce-query")
FIRST, SECOND = "0" * 40, "1" * 40

pytestmark = pytest.mark.skipif(not DUCKDB.exists(), reason="libduckdb.so is not fetched")


def run(*words, **options):
    finished = subprocess.run([*map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, **options)
    assert finished.returncode == 0, f"{words}: {finished.stdout[-4000:]}"
    return finished.stdout


def build(folder, build_name, commit, targets):
    """Copies the sources below `folder` and builds there; gives the folder of the programs."""
    source = folder / "truce"
    source.mkdir(parents=True)
    names = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        path = ROOT / name
        if path.is_file() and not name.startswith(("test/corpus", "test/vectors")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, source / name)
    environment = dict(os.environ, CCACHE_DISABLE="1", TRUCE_COMMIT=commit, CC="gcc")
    run("meson", "setup", source / build_name, source, f"-Dduckdb={DUCKDB}", cwd=folder, env=environment)
    run("ninja", "-C", source / build_name, *[f"src/main/{target}" for target in targets], env=environment)
    return source / build_name / "src/main"


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    first = tmp_path_factory.mktemp("a")
    second = tmp_path_factory.mktemp("another-one") / "deeper" / "still"
    second.mkdir(parents=True)
    yield build(first, "build", FIRST, (*MEASURED, "truce-identity")), build(second, "out/of/tree", SECOND, (*MEASURED, "truce-identity"))
    shutil.rmtree(first)
    shutil.rmtree(second)


@pytest.mark.parametrize("name", MEASURED)
def test_two_builds_are_equal(builds, name):
    first, second = (folder / name for folder in builds)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", MEASURED)
def test_no_path_and_no_commit_is_in_a_measured_program(builds, name):
    for folder in builds:
        content = (folder / name).read_bytes()
        for trace in (str(folder.parent.parent).encode(), b"/tmp/", b"/root/", b"/home/", FIRST.encode(), SECOND.encode()):
            assert trace not in content, trace


def test_the_commit_is_told_by_another_program(builds):
    for folder, commit in zip(builds, (FIRST, SECOND)):
        assert f"truce-room 0.1.0\ncommit {commit}\n" in run(folder / "truce-room", "--version")
