"""An engine that has been taken over: test/tools/hostile_query.c stands in the place of the query program, measured like any other,
and does what a literal in the approved SQL tells it. It gets zeros or an end, and nothing leaves but declared cells.

GUARANTEES takes the sentences of doc/threat-model.md about a subverted engine one by one and names what proves each. The ordinary run
takes a seeded sample with every kind of case in it, TRUCE_LONG=1 all of them."""
import csv
import io
import json
import os
import pathlib
import random
import threading
import time

import pytest

from confidential import HOSTILE, Secrets, World, files_below, is_alive, missing
from stack import ROOT

pytestmark = pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")

EPERM, EAGAIN, EACCES, ENOSYS = 1, 11, 13, 38
SEALED = "canary-sealed-77c0"
SQL = "WITH core AS (SELECT p.city AS label, count(*) AS n FROM people AS p WHERE p.city <> 'hostile:{0}' AND p.city <> $skip " \
      "GROUP BY p.city) SELECT label, n FROM core ORDER BY label"
NOTES = SQL.replace("count(*) AS n", "count(DISTINCT p.note) AS n")
LONG = bool(os.environ.get("TRUCE_LONG"))
SEED = int(os.environ.get("TRUCE_SEED", "20261124"))
MEMORY_MB, THREADS = 256, 2

FAILING = ["cell-text", "cell-date", "cell-range", "cell-control", "cell-utf", "cell-kind", "cell-size", "rows-partial", "rows-many",
           "bytes-many", "frame-kind", "frame-size", "end-never", "call-socket", "call-fork", "call-execve", "call-kill",
           "call-ptrace", "call-segv", "bytes-beyond", "failed-after-cells", "frame-large"]
DYING = ["call-execveat", "call-vm-read", "call-vm-write", "call-connect", "call-bind", "call-vfork", "call-sendmsg", "call-io-uring",
         "call-bpf", "call-tkill", "call-mount", "call-x32", "call-ia32"]
MORE = ["cell-cut", "vet-answer", "frame-half", *DYING]
PASSING = {"rows-most": 100, "bytes-most": 1, "rows-none": 0, "cell-null": 1, "end-payload": 1, "end-twice": 1}
ENDLESS = ["never-flood", "never-unread", "never-idle", "never-memory"]
MORE_ENDLESS = ["never-threads", "never-stopped", "never-late", "never-half"]
LYING = ["vet-canonical", "vet-columns", "vet-table", "vet-output", "vet-vetter", "vet-engine", "vet-code", "vet-kind"]
MORE_LYING = ["vet-fewer", "vet-order", "vet-type", "vet-empty", "vet-cells", "vet-exit", "vet-large", "vet-deep"]
READING = ["honest", "notes", "read", "hammer", "ways-out", "tricks", "leftovers", "vet-executed"]
MODES = [*READING, *FAILING, *MORE, *PASSING, *ENDLESS, *MORE_ENDLESS, *LYING, *MORE_LYING]

# The sentences of doc/threat-model.md, and the cases that prove them. Every case of this file proves one.
GUARANTEES = {
    "no keys": ["honest", "read", "hammer", "leftovers", "frame-half"],  # each run searches files, sockets and words for the planted values
    "no column outside the grant": ["read", "hammer", "vet-executed", "leftovers", "notes", "vet-columns", "vet-table", "vet-fewer", "vet-order"],
    "no network": ["ways-out", "tricks", *(f"call-{name}" for name in ("socket", "connect", "bind", "sendmsg", "io-uring", "x32", "ia32"))],
    "no file": ["ways-out", "tricks", "call-execve", "call-execveat", "call-mount"],
    "its address space": ["ways-out", "tricks", "call-ptrace", "call-vm-read", "call-vm-write", "call-fork", "call-vfork", "call-kill",
                          "call-tkill", "call-bpf", "call-segv"],
    "at most `max_rows` rows": ["rows-many", "rows-most", "rows-none", "rows-partial", "end-twice"],
    "`max_bytes` octets": ["bytes-many", "bytes-most", "bytes-beyond", "frame-size", "frame-large", "end-payload"],
    "of the declared types": ["cell-text", "cell-date", "cell-range", "cell-control", "cell-utf", "cell-kind", "cell-size", "cell-null",
                              "cell-cut", "vet-output"],
    "one constant error, quantised time, never retried": [*FAILING, "vet-answer", "frame-kind", "end-never", "failed-after-cells", *ENDLESS,
                                                          *MORE_ENDLESS],
    "only approved templates": ["vet-canonical", "vet-executed", "vet-vetter", "vet-engine", "vet-code", "vet-kind", "vet-type", "vet-empty",
                                "vet-cells", "vet-exit", "vet-large", "vet-deep"],
}


def sample(names, count):
    return names if LONG else random.Random(SEED).sample(names, count)


def one_of_each_kind(names):
    """A kind is what stands before the dash."""
    kinds = sorted({name.split("-")[0] for name in names})
    return names if LONG else [random.Random(SEED).choice([name for name in names if name.split("-")[0] == kind]) for kind in kinds]


FAILS = one_of_each_kind(FAILING + MORE)
PASSES = one_of_each_kind(list(PASSING))
ENDS_NEVER = ENDLESS + MORE_ENDLESS if LONG else ["never-memory", *sample([m for m in ENDLESS + MORE_ENDLESS if m != "never-memory"], 2)]
LIES = sample(LYING + MORE_LYING, 4)
CHOSEN = [*READING, *FAILS, *PASSES, *ENDS_NEVER, *LIES]


QUERIES_OF_A_CONTRACT = 60


def agreement(world, title, modes, people, purchases):
    return world.agree({
        "title": title, "parties": ["bank", "shop"],
        "datasets": [{"table": "people", "folder": str(people)}, {"table": "purchases", "folder": str(purchases)}],
        "queries": [{"name": mode, "sql": (NOTES if mode == "notes" else SQL).format(mode).replace("hostile:honest", "nobody"),
                     "parameters": [{"name": "skip", "type": "VARCHAR", "public": False}],
                     "max_rows": 100, "max_bytes": 65536, "seconds": 2 if mode.startswith("never-") else 20, "memory_mb": MEMORY_MB}
                    for mode in modes],
        "queriers": ["bank"], "recipients": ["bank"], "days": 5}, name=f"{title}.json")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    world = World(folder / "stack", ["bank", "shop"], query=HOSTILE)
    (folder / "people.csv").write_text("id,city,note\n" + "".join(
        f"{i},{'CANARY-GRANTED' if i == 7 else ['north', 'south'][i % 2]},CANARY-HIDDEN-{random.randbytes(16).hex()}\n" for i in range(20000)))
    (folder / "purchases.csv").write_text("customer,item\n" + "".join(f"{i},CANARY-SHOP-{i:06}\n" for i in range(2000)))
    people = world.seal("bank", "people", folder / "people.csv", entity="id", min_entities=5)
    purchases = world.seal("shop", "purchases", folder / "purchases.csv", entity="customer", min_entities=5)
    world.contracts = {}
    for number in range(0, len(CHOSEN), QUERIES_OF_A_CONTRACT):
        modes = CHOSEN[number:number + QUERIES_OF_A_CONTRACT]
        contract = agreement(world, f"hostile-{number}", modes, people, purchases)
        world.contracts.update({mode: contract for mode in modes})
    world.secrets = Secrets(folder)
    for name in ("GRANTED", "HIDDEN", "SHOP"):
        world.secrets.add(name, f"CANARY-{name}")
    world.secrets.add("sealed", SEALED)
    yield world
    world.close()


def ask(world, mode):
    job = world.ask(world.contracts[mode], mode, "bank", {"skip": SEALED})
    # The programs are copies beside the stack, and the hostile one has the marks in it.
    files = [path for path in files_below(world.folder) if path.parent.name != "programs"]
    assert world.secrets.search(files) == set()
    for side, octets in world.recorder.octets.items():
        assert world.secrets.search_octets(f"socket-{side}", bytes(octets)) == set()
    assert world.processes["room"].poll() is None, "the room has ended"
    assert world.children(world.child_of_room("truce-query")) == [], "something of the engine is left"
    return job


def cells(world, mode):
    job = ask(world, mode)
    assert job["state"] == "done", job
    rows = list(csv.reader(io.StringIO(world.open(job["run"], "bank"))))
    assert rows[0] == ["label", "n"]
    return {label: int(number) for label, number in rows[1:]}


def test_every_guarantee_is_in_the_threat_model_and_every_case_proves_one():
    text = (ROOT / "doc/threat-model.md").read_text()
    for sentence in GUARANTEES:
        assert sentence in text, sentence
    named = {mode for modes in GUARANTEES.values() for mode in modes}
    assert named <= set(MODES)
    assert set(MODES) - named == set()


def test_the_program_answers_honestly_when_it_is_not_told_otherwise(world):
    assert cells(world, "honest") == {"north": 10000, "south": 9999}


def check_reads(got):
    assert got["octets given"] > 10000 and got["granted marks"] >= 1, "the search sees what is granted"
    assert got["zeros"] > 300000, "in the place of other columns"
    assert got["hidden marks"] == got["marks of the other dataset"] == 0
    assert got["ten before the end"] == 10
    known = {"octets given", "granted marks", "zeros", "hidden marks", "marks of the other dataset", "ten before the end"}
    refused = {label: given for label, given in got.items() if label not in known}
    assert len(refused) == 10 and set(refused.values()) == {0}, refused


def test_whatever_it_asks_for_it_gets_granted_octets_or_zeros_or_nothing(world):
    check_reads(cells(world, "read"))


def test_another_text_than_was_approved_reads_no_more(world):
    check_reads(cells(world, "vet-executed"))


def test_requests_that_change_on_their_way(world):
    got = cells(world, "hammer")
    assert got["threads"] >= 5 and got["answers"] > 1000
    assert got["hidden marks"] == got["marks of the other dataset"] == 0
    assert got["granted marks seen"] == 1


def test_no_way_out(world):
    got = cells(world, "ways-out")
    assert len(got) == 19
    assert all(error in (EPERM, EACCES) for error in got.values()), got
    assert not os.path.exists("/tmp/hostile")


def test_the_kernel_refuses_every_other_call(world):
    got = cells(world, "tricks")
    assert got["calls tried"] > 400 and got["calls not refused"] == 0, got
    assert got["signal the spawner"] == EPERM and got["a process by clone"] == EPERM and got["a process by clone3"] == ENOSYS
    assert got["punch a hole into the memory"] in (EPERM, EACCES) and got["map more of the window"] == EPERM
    assert got["a named socket"] != 0 and got["an answer that nobody asked for"] == EAGAIN
    assert is_alive(world.child_of_room("truce-query"))


def test_nothing_is_left_of_another_run(world):
    before = cells(world, "leftovers")
    assert before["hidden marks"] == 0 < before["granted marks"] and before["octets in the window"] < 100000
    got = cells(world, "notes")
    assert got["hidden marks"] > 0 and got["octets in the window"] > 300000, "the hidden column is in the window, where it is granted"
    assert cells(world, "leftovers") == before


@pytest.mark.parametrize("mode", PASSES)
def test_at_the_limit_and_no_further(world, mode):
    job = ask(world, mode)
    assert job["state"] == "done", job
    opened = world.open(job["run"], "bank")
    rows = list(csv.reader(io.StringIO(opened)))
    assert len(rows) - 1 == PASSING[mode] <= 100
    assert len(opened.encode()) <= 65536 and (mode != "bytes-most" or len(opened.encode()) == 65536)
    assert "CANARY" not in opened


@pytest.mark.parametrize("mode", FAILS)
def test_what_breaks_the_contract_is_the_one_failure(world, mode):
    before = len(world.recorder.frames("room"))
    job = ask(world, mode)
    assert (job["state"], job["reason"], job["attempts"]) == ("failed", "query.failed", 1)
    [failed] = [payload for kind, payload in world.recorder.frames("room")[before:] if kind == "failed"]
    assert json.loads(failed) == {"run": job["run"]}, "no word but the run's name"


class Costs(threading.Thread):
    """The greatest memory and CPU time of a child, and the room's memory beside it."""

    def __init__(self, child, room):
        super().__init__(daemon=True)
        self.child, self.room, self.memory_mb, self.cpu, self.room_mb = child, room, 0, 0.0, 0
        self.start()

    def peak(self, pid):
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:")), 0)

    def run(self):
        while is_alive(self.child):
            try:
                self.memory_mb = max(self.memory_mb, self.peak(self.child))
                fields = pathlib.Path(f"/proc/{self.child}/stat").read_text().rsplit(")", 1)[1].split()
                self.cpu = max(self.cpu, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
                self.room_mb = max(self.room_mb, self.peak(self.room))
            except (OSError, IndexError):
                return
            time.sleep(0.02)


@pytest.mark.parametrize("mode", ENDS_NEVER)
def test_what_does_not_end_is_ended(world, mode, figure):
    run = world.run(world.contracts[mode], mode, "bank", {"skip": SEALED}, wait=False)
    child = world.engine_child()
    costs = Costs(child, world.processes["room"].pid)
    job = world.wait(run, 40)
    costs.join(10)
    assert (job["state"], job["reason"], job["attempts"]) == ("failed", "query.failed", 1)
    assert not is_alive(child)
    assert world.processes["room"].poll() is None
    assert costs.memory_mb <= MEMORY_MB + 432 + 16 * os.cpu_count()
    assert costs.room_mb <= 512
    figure(f"hostile engine, {mode}: {costs.cpu:.1f} CPU s, {costs.memory_mb} MB; the room beside it {costs.room_mb} MB")


@pytest.mark.parametrize("mode", LIES)
def test_a_vetter_that_lies_is_refused_and_chooses_no_word(world, mode):
    before = len(world.recorder.frames("room"))
    job = ask(world, mode)
    assert (job["state"], job["reason"]) == ("refused", "room.vet.refused")
    said = world.recorder.frames("room")[before:]
    assert [kind for kind, _ in said if kind not in ("progress", "ready")] == ["refused"], "no key was asked for"


def test_after_all_that_the_room_works(world):
    assert cells(world, "honest") == {"north": 10000, "south": 9999}
