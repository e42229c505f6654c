"""An engine that has been taken over: test/tools/hostile_query.c stands in the place of the query program, measured like any other,
and does what a literal in the approved SQL tells it. It gets zeros or an end, and nothing leaves but declared cells."""
import csv
import io
import os
import random

import pytest

from confidential import HOSTILE, Secrets, World, files_below, is_alive, missing

pytestmark = pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")

EPERM, EACCES = 1, 13
SEALED = "canary-sealed-77c0"
SQL = "WITH core AS (SELECT p.city AS label, count(*) AS n FROM people AS p WHERE p.city <> 'hostile:{0}' AND p.city <> $skip " \
      "GROUP BY p.city) SELECT label, n FROM core ORDER BY label"
FAILING = ["cell-text", "cell-date", "cell-range", "cell-control", "cell-utf", "cell-kind", "cell-size", "rows-partial", "rows-many",
           "bytes-many", "frame-kind", "frame-size", "end-never", "call-socket", "call-fork", "call-execve", "call-kill",
           "call-ptrace", "call-segv"]
ENDLESS = ["never-flood", "never-unread", "never-idle"]
LYING = ["vet-canonical", "vet-columns", "vet-table", "vet-output", "vet-vetter", "vet-engine", "vet-code", "vet-kind"]
MODES = ["honest", "read", "hammer", "ways-out", "vet-executed", *FAILING, *ENDLESS, *LYING]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    world = World(folder / "stack", ["bank", "shop"], query=HOSTILE)
    (folder / "people.csv").write_text("id,city,note\n" + "".join(
        f"{i},{'CANARY-GRANTED' if i == 7 else ['north', 'south'][i % 2]},CANARY-HIDDEN-{random.randbytes(16).hex()}\n" for i in range(20000)))
    (folder / "purchases.csv").write_text("customer,item\n" + "".join(f"{i},CANARY-SHOP-{i:06}\n" for i in range(2000)))
    people = world.seal("bank", "people", folder / "people.csv", entity="id", min_entities=5)
    purchases = world.seal("shop", "purchases", folder / "purchases.csv", entity="customer", min_entities=5)
    world.contract = world.agree({
        "title": "Hostile", "parties": ["bank", "shop"],
        "datasets": [{"table": "people", "folder": str(people)}, {"table": "purchases", "folder": str(purchases)}],
        "queries": [{"name": mode, "sql": SQL.format(mode).replace("hostile:honest", "nobody"),"parameters": [{"name": "skip", "type": "VARCHAR", "public": False}],
                     "max_rows": 100, "max_bytes": 65536, "seconds": 2 if mode in ENDLESS else 20, "memory_mb": 256}
                    for mode in MODES],
        "queriers": ["bank"], "recipients": ["bank"], "days": 5})
    world.secrets = Secrets(folder)
    for name in ("GRANTED", "HIDDEN", "SHOP"):
        world.secrets.add(name, f"CANARY-{name}")
    world.secrets.add("sealed", SEALED)
    yield world
    world.close()


def ask(world, mode):
    job = world.ask(world.contract, mode, "bank", {"skip": SEALED})
    # The programs are copies beside the stack, and the hostile one has the marks in it.
    files = [path for path in files_below(world.folder) if path.parent.name != "programs"]
    assert world.secrets.search(files) == set()
    for side, octets in world.recorder.octets.items():
        assert world.secrets.search_octets(f"socket-{side}", bytes(octets)) == set()
    assert world.processes["room"].poll() is None, "the room has ended"
    return job


def cells(world, mode):
    job = ask(world, mode)
    assert job["state"] == "done", job
    rows = list(csv.reader(io.StringIO(world.open(job["run"], "bank"))))
    assert rows[0] == ["label", "n"]
    return {label: int(number) for label, number in rows[1:]}


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


@pytest.mark.parametrize("mode", FAILING)
def test_what_breaks_the_contract_is_the_one_failure(world, mode):
    job = ask(world, mode)
    assert (job["state"], job["reason"]) == ("failed", "query.failed")


@pytest.mark.parametrize("mode", ENDLESS)
def test_what_does_not_end_is_ended(world, mode):
    run = world.run(world.contract, mode, "bank", {"skip": SEALED}, wait=False)
    child = world.engine_child()
    job = world.wait(run, 30)
    assert (job["state"], job["reason"]) == ("failed", "query.failed")
    assert not is_alive(child)
    assert world.processes["room"].poll() is None


@pytest.mark.parametrize("mode", LYING)
def test_a_vetter_that_lies_is_refused_and_chooses_no_word(world, mode):
    before = len(world.recorder.frames("room"))
    job = ask(world, mode)
    assert (job["state"], job["reason"]) == ("refused", "room.vet.refused")
    said = world.recorder.frames("room")[before:]
    assert [kind for kind, _ in said if kind not in ("progress", "ready")] == ["refused"], "no key was asked for"


def test_after_all_that_the_room_works(world):
    assert cells(world, "honest") == {"north": 10000, "south": 9999}
