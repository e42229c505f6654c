"""Looking for what must not be there: planted values, keys in every spelling, files, memory, sockets.

`World` is a stack whose host and room are processes of the test, with everything between them recorded. `Secrets` knows the
planted values and the keys, and searches with test/tools/scan_tool.c.
"""
import base64
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from stack import BUILD, PROGRAMS, TRUCE, Refused, Stack
from host_support import NAMES

TOOLS = BUILD / "test/tools"
SCAN, REVEAL, HOSTILE = TOOLS / "scan-tool", TOOLS / "reveal-tool", TOOLS / "hostile-query"
HEADER = struct.Struct("<IHHQ")
REQUIRED = [TRUCE, SCAN, REVEAL, HOSTILE, *(PROGRAMS / name for name in (
    "truce-query", "truce-seal-engine", "truce-template-engine", "truce-attest", "truce-vault", "truce-host", "truce-room-sim", "truce-sim-chip",
    "truce-simulation-init"))]
missing = [str(path) for path in REQUIRED if not path.exists()]


# ---- Spellings ----

def reads_as(value):
    """A value in the spellings in which it could leave: octets, hex, base64 at its three alignments, UTF-16."""
    spellings = {"octets": value, "hex": value.hex().encode(), "HEX": value.hex().upper().encode(),
                 "utf16": value.decode("latin-1").encode("utf-16-le"), "reversed": value[::-1]}
    for shift in range(3):
        # What does not depend on the neighbours: whole groups of three octets only.
        whole = base64.b64encode(bytes(shift) + value)
        start, end = (0, 4, 4)[shift], (shift + len(value)) // 3 * 4
        spellings[f"base64.{shift}"] = whole[start:end]
        spellings[f"base64url.{shift}"] = whole[start:end].replace(b"+", b"-").replace(b"/", b"_")
    return {name: text for name, text in spellings.items() if len(text) >= 8}


def der_items(octets):
    """The contents of all primitive INTEGERs and OCTET STRINGs, also within OCTET STRINGs."""
    at, found = 0, []
    while at + 2 <= len(octets):
        tag, size = octets[at], octets[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(octets[at:at + count], "big")
            at += count
        content = octets[at:at + size]
        at += size
        if tag in (0x30, 0xA0, 0xA1):
            found += der_items(content)
        elif tag == 0x04 and content[:1] == b"\x30":
            found += der_items(content)
        elif tag in (0x02, 0x04):
            found.append(content.lstrip(b"\0"))
    return found


def private_numbers(pkcs8):
    """The secret numbers of an RSA or EC key: for RSA all but modulus and exponent, for EC the scalar."""
    numbers = [item for item in der_items(pkcs8) if len(item) >= 24]
    if len(numbers) <= 2:
        return numbers[:1]
    return numbers[1:]


class Secrets:
    """Names and octets of what must not be seen, and the search for it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.values = {}

    def add(self, name, value):
        self.values[name] = value.encode() if isinstance(value, str) else value

    def add_number(self, name, number):
        """A number as an engine or a file holds it, and as a person writes it."""
        self.add(f"{name}.octets", struct.pack("<q", number))
        self.add(f"{name}.text", str(number))

    def add_keys_of(self, kind, *words):
        """What the reveal tool prints: keys in PKCS#8 by their secret numbers, others whole."""
        lines = subprocess.run([REVEAL, kind, *words], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        for line in lines:
            name, text = line.rsplit(" ", 1)
            octets, name = bytes.fromhex(text), re.sub(r"[^a-z0-9:./-]", "_", name) + f"@{pathlib.Path(words[0]).name}"
            parts = private_numbers(octets) if len(octets) > 64 else [octets]
            for number, part in enumerate(parts):
                # Long numbers by fragments, so that a line break in a text form does not hide them.
                for at in range(0, len(part) - 15, max(16, len(part) // 4)):
                    self.add(f"key:{name}:{number}:{at}", part[at:at + 24])
        assert lines
        return lines

    def search(self, sources, only=None, plain=False):
        """The set of (name, source) that occur; `plain` looks for the octets alone."""
        patterns = self.folder / "patterns"
        with patterns.open("w") as file:
            for name, value in self.values.items():
                if only is None or only(name):
                    spellings = {"octets": value} if plain else reads_as(value)
                    for spelling, octets in spellings.items():
                        file.write(f"{name}~{spelling} {octets[:256].hex()}\n")
        sources = [str(source) for source in sources]
        result = subprocess.run([SCAN, patterns], input="\n".join(sources) + "\n", capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
        lines = [line.split("\t") for line in result.stdout.splitlines()]
        assert lines[-1][0] == "scanned" and int(lines[-1][1]) > 0, "nothing was searched"
        self.scanned = int(lines[-1][1])
        return {(name, source) for name, source in lines[:-1]}

    def search_octets(self, label, octets, only=None):
        path = self.folder / label
        path.write_bytes(octets)
        return self.search([path], only)


def files_below(*folders, but=()):
    found = []
    for folder in folders:
        for path in pathlib.Path(folder).rglob("*"):
            if path.is_file() and not path.is_socket() and not path.is_symlink() and path.name not in but:
                found.append(path)
    return found


# ---- DuckDB, to make Parquet files with everything that an owner's tool may leave in them ----

def duckdb(*statements):
    """Runs statements in a plain DuckDB: the library of the query program, in a process of its own."""
    listed = subprocess.run(["ldd", PROGRAMS / "truce-query"], check=True, capture_output=True, text=True).stdout
    library = re.search(r"libduckdb\.so => (\S+)", listed).group(1)
    subprocess.run(["/usr/bin/python3", "-c", DUCKDB_PROGRAM, library, *statements], check=True, timeout=120,
                   cwd=tempfile.gettempdir())


DUCKDB_PROGRAM = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
database, connection = ctypes.c_void_p(), ctypes.c_void_p()
assert library.duckdb_open(None, ctypes.byref(database)) == 0
assert library.duckdb_connect(database, ctypes.byref(connection)) == 0
library.duckdb_result_error.restype = ctypes.c_char_p
for statement in sys.argv[2:]:
    result = ctypes.create_string_buffer(256)
    if library.duckdb_query(connection, statement.encode(), result) != 0:
        sys.exit(library.duckdb_result_error(result).decode())
"""


# ---- What crosses between host and room ----

class Recorder:
    """A socket before the host's: the room connects here. Keeps every octet of both directions."""

    def __init__(self, path, host_path):
        self.path, self.host_path = str(path), str(host_path)
        self.octets = {"room": bytearray(), "host": bytearray()}
        self.connections = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                room, _ = self.listener.accept()
                host = socket.socket(socket.AF_UNIX)
                host.connect(self.host_path)
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.pump, args=("room", room, host), daemon=True).start()
            threading.Thread(target=self.pump, args=("host", host, room), daemon=True).start()

    def pump(self, sender, source, target):
        try:
            while octets := source.recv(1 << 20):
                self.octets[sender] += octets
                target.sendall(octets)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def frames(self, sender):
        """(kind, payload) of what that side has said. Only for streams that were not cut."""
        octets, at, found = bytes(self.octets[sender]), 0, []
        while at + HEADER.size <= len(octets):
            size, kind, _, _ = HEADER.unpack_from(octets, at)
            found.append((NAMES[kind], octets[at + HEADER.size:at + HEADER.size + size]))
            at += HEADER.size + size
        return found

    def close(self):
        self.listener.close()


class World(Stack):
    """A stack whose host and room the test starts itself: the host with its trace, the room behind a recorder."""

    def __init__(self, folder, parties, query=None):
        self.program = TRUCE
        self.said = bytearray()
        self.processes = {}
        self.recorder = None
        self.starts = 0
        self.folder = pathlib.Path(folder)
        if query is not None:
            self.program = self.install(query)
        super().__init__(folder, parties)
        self.trace = self.service_folder("host") / "messages.trace"
        self.take_over()

    def install(self, query):
        """A folder of programs in which `query` is the query program."""
        folder = self.folder / "programs"
        folder.mkdir(parents=True)
        for path in REQUIRED:
            if path.parent == PROGRAMS:
                shutil.copy(path, folder)
        # The programs find the engine beside them.
        (folder / "libduckdb.so").symlink_to((PROGRAMS / "libduckdb.so").resolve())
        shutil.copy(query, folder / "truce-query")
        return folder / "truce"

    def truce(self, *words, party=None, cwd=None, timeout=300):
        """As in Stack, and keeps every word that is printed, but for answers that are opened."""
        command = [str(self.program), *map(str, words)] + (["--party", party] if party else [])
        result = subprocess.run(command, cwd=cwd or self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout)
        self.said += result.stderr.encode() + (b"" if words[:2] == ("result", "open") else result.stdout.encode())
        if result.returncode != 0:
            raise Refused(command, result)
        return result.stdout

    # ---- Host and room ----

    def take_over(self):
        for name in ("room", "host"):
            pid_file = self.service_folder("run") / f"{name}.pid"
            pid = int(pid_file.read_text())
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + 10
            while is_alive(pid) and time.monotonic() < until:
                time.sleep(0.02)
            pid_file.unlink()
        self.start_host()
        self.start_room()

    def start(self, name, *words):
        self.starts += 1
        logs = self.service_folder("run")
        with open(logs / f"own-{name}-{self.starts}.out", "wb") as out, open(logs / f"own-{name}-{self.starts}.err", "wb") as err:
            self.processes[name] = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                                    cwd=logs)

    def start_host(self):
        port = self.folder / f"port-{self.starts}"
        self.start("host", self.program.parent / "truce-host", "serve", self.service_folder("host"), "--trace", self.trace,
                   "--port-file", port)
        until = time.monotonic() + 20
        while not port.exists():
            assert time.monotonic() < until and self.processes["host"].poll() is None
            time.sleep(0.02)

    def start_room(self):
        if self.recorder:
            self.recorder.close()
        old = self.recorder
        self.recorder = Recorder(self.folder / f"room-{self.starts}.sock", self.service_folder("host") / "room.sock")
        if old:
            for side in old.octets:
                self.recorder.octets[side] += old.octets[side]
        self.start("room", self.program.parent / "truce-room-sim", "serve", self.service_folder("room"), "--host",
                   self.recorder.path)

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def close(self):
        for name in ("room", "host"):
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if self.home.exists():
            subprocess.run([str(self.program), "down"], env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=120)

    # ---- Runs ----

    def ask(self, contract, query, party, parameters=None, seconds=60):
        """Asks for a run and waits for its end; gives the job as the host knows it."""
        run = self.run(contract, query, party, parameters, wait=False)
        return self.wait(run, seconds)

    def job(self, run):
        status, octets = self.host("GET", f"/v1/jobs/{run}")
        assert status == 200, octets
        return json.loads(octets)

    def wait(self, run, seconds=60, states=("done", "failed", "refused")):
        until = time.monotonic() + seconds
        while True:
            job = self.job(run)
            if job["state"] in states:
                return job
            assert time.monotonic() < until, job
            time.sleep(0.1)

    # ---- Processes ----

    def children(self, pid):
        text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
        return [int(word) for word in text.split()]

    def child_of_room(self, program):
        """The process that the room has started: "truce-query", which is the spawner of engines, or "truce-sim-chip"."""
        [pid] = [pid for pid in self.children(self.processes["room"].pid) if os.readlink(f"/proc/{pid}/exe").endswith(program)]
        return pid

    def engine_child(self, seconds=20):
        """The child that runs a query: the one that has the window."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for pid in self.children(self.child_of_room("truce-query")):
                try:
                    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
                except OSError:
                    continue
                if "memfd:window" in maps:
                    return pid
            time.sleep(0.02)
        raise AssertionError("no query is running")


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
