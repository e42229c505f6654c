"""Sealing with the real reader: formats, parts, interruption, no plaintext on disk, Google's Tink opens the parts."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", SOURCE / "build"))
TOOL = BUILD / "src" / "party" / "dataset" / "seal-tool"
ENGINE = BUILD / "src" / "main" / "truce-seal-engine"
CANARY = "canary-3f1d9a"

pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="truce-seal-engine is not built (configure with -Dduckdb=…)")


class Owner:
    def __init__(self, folder):
        self.folder = folder
        self.keys = folder / "keys"
        self.keys.write_bytes(os.urandom(32))
        self.environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
        (folder / "tmp").mkdir()

    def command(self, out, *source, rows=0, threads=0):
        return [TOOL, "seal", self.keys, self.folder / out, ENGINE, str(rows), str(threads), *map(str, source)]

    def run(self, command):
        return subprocess.run(command, capture_output=True, text=True, env=self.environment)

    def seal(self, out, *source, **options):
        done = self.run(self.command(out, *source, **options))
        assert done.returncode == 0, done.stderr
        words = done.stdout.splitlines()[-1].split()
        return dict(zip(words[1::2], map(int, words[2::2])))

    def verify(self, out):
        return self.run([TOOL, "verify", self.keys, self.folder / out])

    def key(self, out):
        return bytes.fromhex(self.run([TOOL, "key", self.keys, self.folder / out]).stdout.strip())


@pytest.fixture
def owner(tmp_path):
    return Owner(tmp_path)


def rows_sql(count):
    return (f"SELECT i::BIGINT AS id, '{CANARY}-' || i AS name, hash(i)::UBIGINT AS noise, (i % 100)::DECIMAL(9,2) AS paid "
            f"FROM range({count}) t(i)")


def files_with(needle, *folders):
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                if path.is_file() and needle.encode() in path.read_bytes():
                    found.append(path)
            except OSError:
                pass
    return found


def test_formats(owner):
    (owner.folder / "a.csv").write_text("id,name\n1,one\n2,two\n")
    (owner.folder / "a.jsonl").write_text('{"id": 1, "name": "one"}\n{"id": 2, "name": "two"}\n')
    groups = SOURCE / "test" / "vectors" / "parquet" / "groups.parquet"
    assert owner.seal("csv", owner.folder / "a.csv")["rows"] == 2
    assert owner.seal("json", owner.folder / "a.jsonl")["rows"] == 2
    assert owner.seal("parquet", groups)["rows"] == 5000
    assert owner.seal("twice", groups, groups, rows=3000) == {"parts": 4, "kept": 0, "rows": 10000} | {
        "size": sum(path.stat().st_size for path in (owner.folder / "twice" / "parts").glob("*.sealed"))}
    assert owner.seal("sql", f"SELECT city, count(*) AS n FROM '{groups}' GROUP BY ALL ORDER BY ALL")["rows"] == 7
    assert owner.seal("empty", "SELECT 1 AS id WHERE false")["rows"] == 0
    for out in ("csv", "json", "parquet", "twice", "sql", "empty"):
        assert owner.verify(out).returncode == 0


def test_a_bad_source_is_told_in_the_engines_words(owner):
    done = owner.run(owner.command("bad", "SELECT * FROM nothing_at_all"))
    assert done.returncode != 0 and "nothing_at_all" in done.stderr and "dataset.source.refused" in done.stderr
    done = owner.run(owner.command("nested", "SELECT [1, 2] AS list"))
    assert done.returncode != 0 and "list" in done.stderr
    command = owner.command("none", "SELECT 1 AS id")
    command[4] = owner.folder / "no-such-program"
    assert "dataset.source" in owner.run(command).stderr


def test_threads_do_not_change_sizes(owner):
    sizes = {owner.seal(f"t{threads}", rows_sql(200_000), rows=70_000, threads=threads)["size"]
             for threads in (1, 2, 5)}
    assert len(sizes) == 1


def interrupt(owner, out, source, rows, when):
    """Starts a sealing and kills it when `when` holds."""
    process = subprocess.Popen(owner.command(out, source, rows=rows), stdout=subprocess.DEVNULL, env=owner.environment)
    deadline = time.monotonic() + 60
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be interrupted"


def test_interruption_and_resume(owner):
    source, parts = rows_sql(1_000_000), owner.folder / "out" / "parts"
    interrupt(owner, "out", source, 50_000, lambda: (parts / "000003.state").exists())
    assert not (owner.folder / "out" / "manifest.json").exists()
    assert files_with(CANARY, owner.folder / "out", owner.folder / "tmp") == []
    finished = len(list(parts.glob("*.state")))
    before = {path.name: path.read_bytes() for path in parts.glob("*.sealed") if path.with_suffix(".state").exists()}
    sealed = owner.seal("out", source, rows=50_000)
    assert sealed["kept"] == finished >= 4 and sealed["parts"] == 20
    assert all((parts / name).read_bytes() == octets for name, octets in before.items())
    assert owner.verify("out").returncode == 0
    left = sorted(path.name for path in (owner.folder / "out").iterdir())
    assert left == ["data.key", "manifest.json", "parts", "policy.json"]
    assert {path.suffix for path in parts.iterdir()} == {".sealed", ".leaves"}


def test_a_changed_input_is_noticed_on_resume(owner):
    table = owner.folder / "table.csv"
    lines = [f"{i},value {i}" for i in range(300_000)]
    table.write_text("id,name\n" + "\n".join(lines) + "\n")
    parts = owner.folder / "out" / "parts"
    interrupt(owner, "out", table, 20_000, lambda: (parts / "000001.state").exists())
    lines[5] = "5,value 6"
    table.write_text("id,name\n" + "\n".join(lines) + "\n")
    done = owner.run(owner.command("out", table, rows=20_000))
    assert done.returncode != 0 and "dataset.source.changed" in done.stderr


def test_no_plaintext_is_written(owner):
    """Every file that the sealing processes open for writing, as the kernel sees it, and what is left."""
    if subprocess.run(["which", "strace"], capture_output=True).returncode == 0:
        trace = owner.folder / "trace"
        done = owner.run(["strace", "-f", "-e", "trace=openat,open,creat", "-o", trace,
                          *owner.command("out", rows_sql(300_000), rows=100_000)])
        assert done.returncode == 0, done.stderr
        written = {line.split('"')[1] for line in trace.read_text().splitlines()
                   if ("O_WRONLY" in line or "O_RDWR" in line) and '"' in line and " = -1 " not in line}
        allowed = ("parts/", "data.key", "seal.state", "manifest.json", "policy.json", "/dev/", str(owner.keys))
        assert [name for name in written if not name.startswith(allowed)] == []
    else:
        owner.seal("out", rows_sql(300_000), rows=100_000)
    assert files_with(CANARY, owner.folder) == []
    fresh = [path for path in pathlib.Path("/tmp").iterdir()
             if path.is_file() and path.stat().st_mtime > time.time() - 120 and os.access(path, os.R_OK)]
    assert [path for path in fresh if CANARY.encode() in path.read_bytes()] == []


def test_verify_names_what_is_wrong(owner):
    owner.seal("out", rows_sql(300_000), rows=150_000)
    sealed = owner.folder / "out" / "parts" / "000001.sealed"
    good = sealed.read_bytes()
    assert len(good) > 4 * 65536
    segment = [good[i:i + 65536] for i in range(0, len(good), 65536)]
    changes = {
        "bit": good[:100_000] + bytes([good[100_000] ^ 4]) + good[100_001:],
        "swapped": b"".join([segment[0], segment[2], segment[1], *segment[3:]]),
        "repeated": b"".join([segment[0], segment[1], segment[1], *segment[3:]]),
        "dropped": b"".join([segment[0], *segment[2:]]),
        "cut": good[:-1],
        "other part": (sealed.parent / "000000.sealed").read_bytes(),
    }
    for name, octets in changes.items():
        sealed.write_bytes(octets)
        done = owner.verify("out")
        assert done.returncode != 0 and "part 1" in done.stderr, name
        assert done.stderr.split()[0] in ("part.segment", "dataset.part.size"), name
    sealed.write_bytes(good)
    assert owner.verify("out").returncode == 0


def test_tink_opens_a_part(owner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tink")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = subprocess.run([folder / "bin" / "pip", "install", "-q", "tink==1.16.1"], capture_output=True, text=True)
    if install.returncode != 0:
        pytest.skip("PyPI is not reachable, so there is no live Tink: " + install.stderr.strip()[-200:])
    owner.seal("out", rows_sql(100_000), rows=60_000)
    opened = ("import sys; sys.path.insert(0, sys.argv[1]); import make; make.streaming_aead.register(); "
              "sys.stdout.buffer.write(make.decrypt(bytes.fromhex(sys.argv[2]), sys.argv[3].encode(), "
              "open(sys.argv[4], 'rb').read()))")
    plain = subprocess.run([folder / "bin" / "python", "-B", "-c", opened, SOURCE / "test" / "vectors" / "tink",
                            owner.key("out").hex(), "truce-part/1\nowner/data\n1\n1",
                            owner.folder / "out" / "parts" / "000001.sealed"], capture_output=True, check=True).stdout
    manifest = json.loads((owner.folder / "out" / "manifest.json").read_text())
    payload = manifest["payload"]
    part = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["parts"][1]
    assert len(plain) == part["plain_size"] and plain[:4] == b"PAR1"
