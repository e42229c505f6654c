"""A small room in Python around the real `truce-query`: its spawner, its frames, its reads, and what each task costs.

`Spawner` starts the program as the room does. `vet` asks one vetting task; `run` serves a run over plain Parquet files, all of
them shown in the window from the start. Every task gives its CPU seconds and its greatest resident memory, from the kernel.
"""
import array
import json
import os
import pathlib
import select
import signal
import socket
import struct
import threading
import time

from stack import PROGRAMS, ROOT  # noqa: F401

QUERY = PROGRAMS / "truce-query"
VET, RUN, KILL = 1, 2, 3
SPAWNED, EXITED, REFUSED, READY = 1, 2, 3, 4
# The window, as src/tcb/edge/query_wire.h has it.
SEGMENT_BYTES, SEGMENT_SHIFT, SEGMENTS_MAX, SHOWN = 65520, 40, 1 << 24, 1
STATES_BYTES = 4 * SEGMENTS_MAX
WINDOW_BYTES = STATES_BYTES + (SEGMENTS_MAX << 16)
NULL, NUMBER, DATE, TEXT = range(4)


class Cost:
    """What a task took, as far as it could be seen: CPU and wall seconds, and resident memory in megabytes."""

    def __init__(self):
        self.cpu = self.wall = self.memory_mb = 0.0


class Watch(threading.Thread):
    """Looks at a task's memory until it is gone. What is small and quick may escape; what is large is not quick."""

    def __init__(self, pid, cost):
        super().__init__(daemon=True)
        self.pid, self.cost, self.over = pid, cost, False

    def run(self):
        while not self.over:
            try:
                text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
            except OSError:
                return
            for line in text.splitlines():
                if line.startswith("VmHWM:"):
                    self.cost.memory_mb = max(self.cost.memory_mb, int(line.split()[1]) / 1024)
            time.sleep(0.002)


class Answer:
    def __init__(self, kind, octets, status, cost):
        self.kind, self.octets, self.status, self.cost = kind, octets, status, cost

    def json(self):
        return json.loads(self.octets)


class Spawner:
    def __init__(self, program=QUERY):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = ours
        self.pid = os.fork()
        if self.pid == 0:
            number = theirs.fileno()
            if number != 3:
                os.dup2(number, 3)
            os.set_inheritable(3, True)
            os.execve(program, ["truce-query"], {})
        theirs.close()
        assert self.report(20)[0] == READY

    def report(self, seconds):
        self.control.settimeout(seconds)
        octets = self.control.recv(64)
        assert len(octets) == 12, "the spawner has ended"
        return struct.unpack("<Iii", octets)

    def children_cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def spawn(self, order, *descriptors):
        self.control.sendmsg([struct.pack("<Ii", order, 0)],
                             [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
        news, pid, _ = self.report(20)
        assert news == SPAWNED
        return pid

    def task(self, order, request, seconds, *descriptors):
        """Runs one task to its end; a task that is not over after `seconds` is killed, as the room does it."""
        ours, theirs = socket.socketpair()
        cost, before, start = Cost(), self.children_cpu(), time.monotonic()
        pid = self.spawn(order, theirs.fileno(), *descriptors)
        theirs.close()
        watch = Watch(pid, cost)
        watch.start()
        kind, octets = converse(ours, b"V" if order == VET else b"Q", request, start + seconds)
        ours.close()
        if kind == b"late":
            self.control.send(struct.pack("<Ii", KILL, pid))
        news, ended, status = self.report(30)
        assert news == EXITED and ended == pid
        cost.wall, cost.cpu = time.monotonic() - start, self.children_cpu() - before
        watch.over = True
        watch.join()
        return Answer(kind, octets, status, cost)

    def vet(self, tables, sql, parameters=(), seconds=30):
        request = json.dumps({"tables": tables, "sql": sql, "parameters": list(parameters)}).encode()
        return self.task(VET, request, seconds)

    def run(self, request, tables, seconds):
        """`tables`: names with their parts' octets; they become the request's tables, dataset 0 and so on."""
        reads, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        window, read_only, listed = show(tables)
        try:
            return self.task(RUN, json.dumps({**request, "tables": listed}).encode(), seconds, theirs.fileno(), read_only)
        finally:
            for end in (reads, theirs):
                end.close()
            os.close(read_only)
            os.close(window)

    def close(self):
        self.control.close()
        os.waitpid(self.pid, 0)


def segments_of(size):
    return (size - 1 + SEGMENT_SHIFT) // SEGMENT_BYTES + 1


def show(tables):
    """A window that shows every octet: its descriptor, one for the child, and the request's tables."""
    window = os.memfd_create("window", os.MFD_CLOEXEC)
    os.ftruncate(window, WINDOW_BYTES)
    first, listed = 0, []
    for number, (name, parts) in enumerate(tables.items()):
        entries = []
        for octets in parts:
            os.pwrite(window, octets, STATES_BYTES + (first << 16))
            os.pwrite(window, struct.pack("<I", SHOWN) * segments_of(len(octets)), 4 * first)
            entries.append({"size": len(octets), "first": first})
            first += segments_of(len(octets))
        listed.append({"name": name, "dataset": number, "parts": entries})
    return window, os.open(f"/proc/self/fd/{window}", os.O_RDONLY | os.O_CLOEXEC), listed


def receive(stream, count, until):
    octets = bytearray()
    while len(octets) < count:
        if not select.select([stream], [], [], max(0, until - time.monotonic()))[0]:
            raise TimeoutError
        piece = stream.recv(count - len(octets))
        if not piece:
            raise EOFError
        octets += piece
    return bytes(octets)


def converse(stream, kind, request, until):
    """The last frame's kind (b"" where the stream ended without one, b"late" at the deadline) and all octets of cells, or of
    the one answer."""
    stream.sendall(struct.pack("<I", len(request)) + kind + request)
    cells = b""
    try:
        while True:
            size, = struct.unpack("<I", receive(stream, 4, until))
            seen = receive(stream, 1, until)
            octets = receive(stream, size, until)
            if seen != b"C":
                return seen, cells if seen == b"E" else octets
            cells += octets
    except TimeoutError:
        return b"late", b""
    except (EOFError, ConnectionError):
        return b"", b""


def rows_of(cells, columns):
    """Cells as lists of Python values: None, int, str."""
    at, values = 0, []
    while at < len(cells):
        kind, at = cells[at], at + 1
        if kind == NULL:
            values.append(None)
        elif kind == NUMBER:
            values.append(int.from_bytes(cells[at:at + 16], "little", signed=True))
            at += 16
        elif kind == DATE:
            values.append(int.from_bytes(cells[at:at + 4], "little", signed=True))
            at += 4
        else:
            size, = struct.unpack_from("<I", cells, at)
            values.append(cells[at + 4:at + 4 + size].decode())
            at += 4 + size
    return [values[i:i + columns] for i in range(0, len(values), columns)]
