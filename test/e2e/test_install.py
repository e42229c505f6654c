"""What an operator gets: the installed tree, configuration files, readiness, units, completion of shells, manual pages."""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from party_home import BUILD, ROOT

PROGRAMS = (BUILD / "src/main").resolve()
SERVICES = ("truce-host", "truce-vault", "truce-attest")


def run(*words, **options):
    return subprocess.run([*map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **options)


def output(*words, **options):
    finished = run(*words, **options)
    assert finished.returncode == 0, f"{words}: {finished.returncode}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """An installed tree, not where it was made for."""
    destination = tmp_path_factory.mktemp("install")
    output("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", destination)
    [truce] = destination.glob("**/bin/truce")
    return truce.parent.parent


def command_list():
    return re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +", output(PROGRAMS / "truce", "--help"), flags=re.M)


# ---- The tree ----

def test_the_tree_is_complete_and_what_was_built(tree):
    for path in ("bin/truce", "bin/truce-host", "bin/truce-vault", "bin/truce-attest", "libexec/truce/truce-room",
                 "libexec/truce/truce-room-sim", "libexec/truce/truce-query", "libexec/truce/truce-seal-engine", "libexec/truce/truce-template-engine",
                 "libexec/truce/libduckdb.so", "etc/truce/host.conf", "etc/truce/vault", "lib/systemd/system/truce-host.service",
                 "lib/systemd/system/truce-vault@.service", "lib/sysusers.d/truce-host.conf", "lib/tmpfiles.d/truce-host.conf",
                 "share/man/man1/truce.1", "share/man/man8/truce-host.8", "share/man/man8/truce-room-sim.8",
                 "share/man/man5/truce.conf.5", "share/bash-completion/completions/truce-vault", "share/zsh/site-functions/_truce"):
        assert (tree / path).exists(), path
    for words in command_list():
        assert (tree / f"share/man/man1/truce-{words.replace(' ', '-')}.1").exists(), words
    for name in ("truce-room", "truce-query"):  # installing changes nothing in what is measured
        assert (tree / "libexec/truce" / name).read_bytes() == (PROGRAMS / name).read_bytes()


def test_the_library_is_found_beside_its_programs_only(tree):
    dynamic = output("readelf", "-d", tree / "libexec/truce/truce-query")
    assert re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic) == ["$ORIGIN"]
    for name in ("libexec/truce/truce-room", "bin/truce-host"):
        assert "PATH)" not in output("readelf", "-d", tree / name)


def test_the_installed_tree_runs(tree, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "TRUCE_HOME": str(tmp_path / "home")}
    try:
        answer = json.loads(output(tree / "bin/truce", "up", "--party", "bank", "--json", env=environment))
        assert len(answer["services"]) == 4
        measured = output(tree / "bin/truce", "room", "measure", env=environment)
        assert "truce-query" in measured and "libduckdb.so" in measured
        services = output("readlink", *[f"/proc/{path.read_text().strip()}/exe" for path in (tmp_path / "home/stack/run").glob("*.pid")])
        assert all(line.startswith(str(tree)) for line in services.splitlines())
    finally:
        output(tree / "bin/truce", "down", env=environment)


def test_configuration_is_never_overwritten(tree):
    file = tree / "etc/truce/host.conf"
    original = file.read_text()
    destination = str(tree)[:-len("/usr/local")] if str(tree).endswith("/usr/local") else None
    if destination is None:
        pytest.skip("this build has another prefix")
    file.write_text(original + "# ours\n")
    output("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", destination)
    assert file.read_text() == original + "# ours\n"


def test_every_program_has_version_and_help(tree):
    commit = r"(?:[0-9a-f]{40}(?:\+changes)?|unknown)"
    programs = sorted({path.name: path for folder in ("bin", "libexec/truce") for path in (tree / folder).glob("truce*")}.values())
    assert len(programs) == 13
    for program in programs:
        said = output(program, "--version")
        assert re.match(rf"{program.name} \d+\.\d+\.\d+\ncommit {commit}\ncompiler .+\nengine duckdb 1\.5\.6\n", said), said
        if program.name not in ("truce-query", "truce-seal-engine", "truce-sim-chip", "truce-template-engine"):
            assert "sage:" in output(program, "--help") or "options:" in output(program, "--help")


# ---- Configuration and readiness ----

def config(folder, program, text):
    path = folder / f"{program}.conf"
    path.write_text(f"program = {program}\nfolder = {folder}/{program}\n{text}")
    return path


@pytest.mark.parametrize("text,want", [
    ("lease-ms = 3000\n", "host.conf:3: lease-ms: has to be a whole number from 4000 to 2147483647"),
    ("\nleases = 5\n", "host.conf:4: leases"),
    ("listen = here\n", "host.conf:3: listen: has to be ADDRESS:PORT"),
    ("url = https://a\nurl = https://b\n", "host.conf:4: url"),
    ("what\n", "host.conf:3: what"),
])
def test_a_service_and_the_check_refuse_the_same(tmp_path, text, want):
    path = config(tmp_path, "truce-host", text)
    served = run(PROGRAMS / "truce-host", "serve", "--config", path)
    assert served.returncode == 11 and want in served.stderr, served.stderr
    checked = run(PROGRAMS / "truce", "config", "check", path)
    assert checked.returncode == 11 and want in checked.stderr, checked.stderr
    assert json.loads(run(PROGRAMS / "truce", "config", "check", path, "--json").stdout)["error"]["where"].endswith(want)


def test_the_check_prints_what_counts(tmp_path):
    path = config(tmp_path, "truce-attest", "url = https://localhost:9\nsimulation = /a\nsimulation = /b\n")
    answer = json.loads(output(PROGRAMS / "truce", "config", "check", path, "--json"))
    assert answer == {"program": "truce-attest", "settings": {
        "folder": [f"{tmp_path}/truce-attest"], "url": ["https://localhost:9"], "listen": [], "log": [], "simulation": ["/a", "/b"]}}
    assert run(PROGRAMS / "truce", "config", "check", tmp_path / "none").returncode == 15
    for file in (ROOT / "deploy/etc").glob("*.conf"):
        output(PROGRAMS / "truce", "config", "check", file)


def test_shipped_files_name_every_key(tmp_path):
    """A commented line shows each optional key, and says what holds without it."""
    for file in (ROOT / "deploy/etc").glob("*.conf"):
        shown = set(re.findall(r"^#? ?([a-z-]+) = ", file.read_text(), flags=re.M))
        known = set(json.loads(output(PROGRAMS / "truce", "config", "check", file, "--json"))["settings"])
        assert known - shown <= {"trace", "query"}, file


class Service:
    """A service started as its unit does it: by its configuration file, with somebody who listens for readiness."""

    def __init__(self, folder, program, conf, *options):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        name = f"\0truce-test-{os.getpid()}-{program}"
        self.socket.bind(name)
        self.process = subprocess.Popen([str(PROGRAMS / program), "serve", "--config", str(conf), *options], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, "NOTIFY_SOCKET": "@" + name[1:]})

    def told(self):
        return self.socket.recv(100)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        told = self.told()
        assert self.process.wait(20) == 0
        return told


@pytest.mark.parametrize("program,more", [("truce-host", "room-socket = {}/rooms\nlease-ms = 5000\n"), ("truce-attest", ""),
                                          ("truce-vault", "party = bank\n")])
def test_a_service_says_when_it_is_ready_and_when_it_stops(tmp_path, program, more):
    conf = config(tmp_path, program, "url = https://localhost\nlisten = 127.0.0.1:0\n" + more.format(tmp_path))
    output(PROGRAMS / program, "init", "--config", conf)
    conf.write_text(conf.read_text().replace("listen = 127.0.0.1:0\n", ""))
    service = Service(tmp_path, program, conf, "--port-file", str(tmp_path / "port"))
    assert service.told() == b"READY=1"
    with socket.create_connection(("127.0.0.1", int((tmp_path / "port").read_text())), timeout=10):
        pass
    if program == "truce-host":
        assert (tmp_path / "rooms").stat().st_mode & 0o777 == 0o660
        assert not (tmp_path / program / "room.sock").exists()
    assert service.stop() == b"STOPPING=1"


def test_the_command_line_counts_before_the_file(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        conf = config(tmp_path, "truce-attest", f"url = https://localhost:{port}\nlisten = 127.0.0.1:{port}\n")
        output(PROGRAMS / "truce-attest", "init", "--config", conf)
        refused = run(PROGRAMS / "truce-attest", "serve", "--config", conf)
        assert refused.returncode == 16 and "http.listen.in_use" in refused.stderr, refused
        service = Service(tmp_path, "truce-attest", conf, "--listen", "127.0.0.1:0", "--port-file", str(tmp_path / "port"))
        assert service.told() == b"READY=1"
        assert int((tmp_path / "port").read_text()) != port
        service.stop()


@pytest.mark.parametrize("program,more", [("truce-host", ""), ("truce-attest", ""), ("truce-vault", "party = bank\n")])
def test_a_settled_address_is_not_changed_by_the_file(tmp_path, program, more):
    conf = config(tmp_path, program, "url = https://localhost:1\n" + more)
    output(PROGRAMS / program, "init", "--config", conf)
    conf.write_text(conf.read_text().replace("localhost:1", "localhost:2"))
    refused = run(PROGRAMS / program, "serve", "--config", conf)
    assert refused.returncode == 16 and "program.url.other" in refused.stderr, refused


def test_a_room_is_started_by_its_file(tmp_path):
    conf = config(tmp_path, "truce-room", f"host = {tmp_path}/nobody.sock\nthreads = 1\n")
    output(PROGRAMS / "truce-room-sim", "init", tmp_path / "truce-room")
    refused = run(PROGRAMS / "truce-room-launch", "truce-room-sim", conf)
    assert refused.returncode == 20 and "room.host_socket.connect" in refused.stderr, refused
    conf.write_text(conf.read_text().replace("threads = 1", "threads = 17"))
    refused = run(PROGRAMS / "truce-room-launch", "truce-room-sim", conf)
    assert refused.returncode == 11 and "truce-room.conf:4: threads: has to be a whole number from 1 to 16" in refused.stderr
    assert run(PROGRAMS / "truce-room-launch", "/bin/sh", conf).returncode == 2


# ---- Units ----

@pytest.fixture(scope="module")
def units(tree, tmp_path_factory):
    """The units with their programs' paths in the tree, as systemd-analyze wants to see them."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    folder = tmp_path_factory.mktemp("units")
    for unit in (tree / "lib/systemd/system").glob("*.service"):
        text = re.sub(r"^ExecStart=\S*?/(bin|libexec)/", rf"ExecStart={tree}/\1/", unit.read_text(), flags=re.M)
        (folder / unit.name.replace("@.", "@bank.")).write_text(text)
    return sorted(folder.iterdir())


def test_units_verify(units):
    assert len(units) == 4
    for unit in units:
        checked = run("systemd-analyze", "verify", "--recursive-errors=no", "--man=no", unit)
        assert checked.returncode == 0 and unit.name not in checked.stderr, checked.stderr


def test_units_are_hardened(units):
    for unit in units:
        score = re.search(r"exposure level for \S+: ([0-9.]+)", output("systemd-analyze", "security", "--offline=yes", "--no-pager", unit))
        print(f"{unit.name}: exposure {score[1]}")
        assert float(score[1]) <= 2.0, (unit.name, score[0])
    kinds = {unit.name: re.findall(r"^Type=(\w+)", unit.read_text(), flags=re.M) for unit in units}
    assert kinds == {"truce-attest.service": ["notify"], "truce-host.service": ["notify"], "truce-room.service": ["exec"],
                     "truce-vault@bank.service": ["notify"]}


# ---- Completion ----

def terminal(words, typed, environment, ends):
    """What an interactive shell shows when something is typed; `ends` is what it shows last."""
    child, side = pty.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(environment)
        os.execvp(words[0], words)
    shown = b""

    def read_until(mark, seconds=20):
        nonlocal shown
        end = time.monotonic() + seconds
        start = len(shown)
        while mark.encode() not in shown[start:] and time.monotonic() < end:
            if select.select([side], [], [], 0.2)[0]:
                try:
                    shown += os.read(side, 65536)
                except OSError:
                    break
        return shown[start:].decode(errors="replace")

    try:
        read_until("READY")
        os.write(side, typed.encode())
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\0", "", read_until(ends, 10))
    finally:
        os.close(side)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


CASES = [
    ("truce contr\t", "truce contract", []),
    ("truce contract e\t\t\t", "explain", ["explain", "executed"]),
    ("truce dataset seal --min\t", "--min-entities", []),
    ("truce dataset seal --\t\t", "--passphrase-file", ["--entity", "--min-entities", "--upload", "--json"]),
    ("truce run --party \t\t", "shop", ["bank", "shop"]),
    ("truce result open --format p\t", "parquet", []),
    ("truce config check sales\t", "sales.conf", []),
    ("truce-host se\t", "serve", []),
    ("truce-host serve --lease\t", "--lease-ms", []),
    ("truce-vault init --pa\t", "--party", []),
]


@pytest.fixture
def place(tmp_path, tree):
    for party in ("bank", "shop"):
        (tmp_path / "home/parties" / party).mkdir(parents=True)
    (tmp_path / "sales.conf").write_text("")
    return {"PATH": f"{tree}/bin:/usr/bin:/bin", "TERM": "vt100", "LANG": "C.UTF-8", "HOME": str(tmp_path), "COLUMNS": "200",
            "LINES": "60", "TRUCE_HOME": str(tmp_path / "home"), "PS1": "READY "}


@pytest.mark.parametrize("typed,want,more", CASES, ids=lambda value: value.strip() if isinstance(value, str) else "")
def test_bash_completes(place, tree, tmp_path, typed, want, more):
    (tmp_path / "rc").write_text("bind 'set bell-style none'; bind 'set completion-query-items 0'; bind 'set page-completions off'\n"
                                 f"bind 'set enable-bracketed-paste off'\ncd {tmp_path}\n"
                                 f". {tree}/share/bash-completion/completions/truce\nPS1='READY '\n")
    shown = terminal(["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"], typed, place, want)
    for word in (want, *more):
        assert word in shown, shown


@pytest.mark.parametrize("typed,want,more", CASES, ids=lambda value: value.strip() if isinstance(value, str) else "")
def test_zsh_completes(place, tree, tmp_path, typed, want, more):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    (tmp_path / ".zshrc").write_text(f"cd {tmp_path}\nfpath=({tree}/share/zsh/site-functions $fpath)\nautoload -Uz compinit\n"
                                     f"compinit -u -D\nunsetopt beep prompt_sp\nLISTMAX=1000\nPS1='READY '\n")
    shown = terminal(["zsh", "-d", "-i"], typed, place, want)
    for word in (want, *more):
        assert word in shown, shown


def test_completion_knows_every_option(tree):
    """The scripts hold exactly what --help says."""
    bash = (tree / "share/bash-completion/completions/truce").read_text()
    zsh = (tree / "share/zsh/site-functions/_truce").read_text()
    for words in command_list():
        wanted = set(re.findall(r"^  --([a-z-]+)", output(PROGRAMS / "truce", *words.split(), "--help"), flags=re.M))
        row = re.search(rf"^    'truce {words}'\) arguments=\w+ options='(.*)' ;;$", bash, flags=re.M)
        assert set(re.findall(r"--([a-z-]+)", row[1])) == wanted, words
        block = re.search(rf"^    'truce {words}'\)\n(.*?);;$", zsh, flags=re.M | re.S)
        assert set(re.findall(r"'\*?--([a-z-]+)", block[1])) == wanted, words


# ---- Manual pages ----

def test_programs_and_pages_have_the_same_options():
    for program in (*SERVICES, "truce-room"):
        page = (ROOT / f"doc/man/{program}.8").read_text()
        helped = set(re.findall(r"--([a-z-]+)", output(PROGRAMS / program, "--help")))
        assert set(re.findall(r"^\.It Fl -([a-z-]+)", page, flags=re.M)) == helped, program


def test_commands_and_pages_have_the_same_options():
    common = {"json", "help", "party", "passphrase-file"}
    for words in command_list():
        [page] = [path for path in (ROOT / "doc/man").glob("*.1") if re.search(rf"^\.It Cm {words}\b", path.read_text(), flags=re.M)]
        section = re.split(rf"^\.It Cm {words}\b", page.read_text(), flags=re.M)[1]
        section = re.split(r"^(?:\.It Cm |\.Sh |\.Pp\nEvery command)", section, flags=re.M)[0]
        helped = set(re.findall(r"^  --([a-z-]+)", output(PROGRAMS / "truce", *words.split(), "--help"), flags=re.M))
        assert set(re.findall(r"^\.It Fl -([a-z-]+)", section, flags=re.M)) - common == helped - common, words


def test_the_keys_of_files_are_in_the_manual():
    page = (ROOT / "doc/man/truce.conf.5").read_text()
    for file in (ROOT / "deploy/etc").glob("*.conf"):
        answer = json.loads(output(PROGRAMS / "truce", "config", "check", file, "--json"))
        section = re.search(rf"^\.Ss {answer['program']}\n(.*?)(?=^\.S)", page, flags=re.M | re.S)[1]
        assert set(re.findall(r"^\.It Cm ([a-z-]+)", section, flags=re.M)) == set(answer["settings"]), file


@pytest.mark.parametrize("page", sorted((ROOT / "doc/man").glob("*.[158]")), ids=lambda page: page.name)
def test_pages_are_clean(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    checked = run("mandoc", "-T", "lint", "-W", "warning", page)
    assert checked.returncode == 0, checked.stdout
