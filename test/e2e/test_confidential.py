"""Values are planted and keys are known: neither is found at the host, in a socket, a log, a core or an error text, when runs go
well and when they do not."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import time

import pytest

from confidential import World, Secrets, duckdb, files_below, is_alive, missing, reads_as
from stack import Refused
from vault_support import Client

pytestmark = [pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}"),
              pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of processes")]

ROWS = 3000
GRANTED_NUMBER, HIDDEN_NUMBER = 0x1EC4E7CA9A4150DE, 0x2D61B3F09C7785AB
HIDDEN_MOMENT = 1_234_567_890_123_457  # microseconds
SEALED = "canary-sealed-9d41f7"

CORE = "WITH core AS (SELECT p.city AS city, count(*) AS n FROM people AS p WHERE p.city <> $skip AND p.amount <> 7 GROUP BY p.city) " \
       "SELECT city, n FROM core ORDER BY city"
PAIRS = "WITH core AS (SELECT {keys}, count(*) AS n FROM rings AS a JOIN rings AS b ON a.ring = b.ring " \
        "JOIN rings AS c ON b.ring = c.ring WHERE a.city <> $skip AND a.amount <> 7 GROUP BY {group}) SELECT city, n FROM core ORDER BY city, n"
SLOW = PAIRS.format(keys="a.city AS city", group="a.city")
OPEN = SLOW.replace("a.city <> $skip AND ", "")
BOMB = PAIRS.format(keys="a.id AS one, b.id AS two, c.id AS three, a.city AS city", group="a.id, b.id, c.id, a.city")


def make_people(path):
    """Planted values in rows, statistics (least and greatest of a column), Bloom filters and key-value metadata."""
    duckdb(f"""COPY (SELECT i AS id,
        CASE i WHEN 17 THEN 'CANARY-GRANTED-least' WHEN 18 THEN 'zz-CANARY-GRANTED-most' ELSE ['north', 'south', 'east'][1 + i % 3] END AS city,
        CASE i WHEN 17 THEN {GRANTED_NUMBER} ELSE i % 100 END AS amount, i % 2 AS ring,
        CASE i WHEN 5 THEN 'AA-CANARY-HIDDEN-least' WHEN 6 THEN 'zz-CANARY-HIDDEN-most' ELSE 'CANARY-HIDDEN-' || (i % 500) END AS note,
        CASE i WHEN 9 THEN {HIDDEN_NUMBER} ELSE i END AS income,
        make_timestamp({HIDDEN_MOMENT} + CASE i WHEN 9 THEN 0 ELSE 1000000 * (i + 1) END) AS born
        FROM range({ROWS}) AS r(i)) TO '{path}' (FORMAT parquet, KV_METADATA {{canary: 'CANARY-HIDDEN-metadata'}})""")
    assert all(mark in path.read_bytes() for mark in (b"CANARY-GRANTED", b"CANARY-HIDDEN-metadata", b"AA-CANARY-HIDDEN-least",
                                                      struct.pack("<q", HIDDEN_NUMBER)))


def query(name, sql, **changes):
    return {"name": name, "sql": sql, "parameters": [{"name": "skip", "type": "VARCHAR", "public": False}], "max_rows": 100,
            "seconds": 20, "memory_mb": 256, **changes}


def copy_vault(folder, copy):
    """A consistent copy of a vault that is running."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("state.db*"))
    with contextlib.closing(sqlite3.connect(folder / "state.db")) as live, \
            contextlib.closing(sqlite3.connect(copy / "state.db")) as still:
        (copy / "state.db").chmod(0o600)
        live.backup(still)


def learn_secrets(world, secrets, data):
    secrets.add("granted", "CANARY-GRANTED")
    secrets.add("hidden", "CANARY-HIDDEN")
    secrets.add("sealed", SEALED)
    secrets.add_number("granted-number", GRANTED_NUMBER)
    secrets.add_number("hidden-number", HIDDEN_NUMBER)
    secrets.add("hidden-moment", struct.pack("<q", HIDDEN_MOMENT))
    secrets.add("shop-granted", "CANARY-SHOP-item")
    secrets.add("shop-hidden", "CANARY-SHOP-memo")
    for party, folders in data.items():
        lines = secrets.add_keys_of("party", world.party_folder(party), world.passphrase_file, *folders)
        assert {line.split(":")[0] for line in lines} == {"private", "storage", "data"}
        copy = secrets.folder / f"vault-{party}"
        copy_vault(world.service_folder(f"vault-{party}"), copy)
        lines = secrets.add_keys_of("vault", copy)
        assert any(line.startswith("release:") for line in lines)
        # The vault keeps it in a file of its own, under the key of its state.
        for name in [name for name in secrets.values if name.startswith("key:vault:master")]:
            del secrets.values[name]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("confidential")
    world = World(folder / "stack", ["bank", "shop"])
    people = folder / "people.parquet"
    make_people(people)
    (folder / "purchases.csv").write_text("customer,item,memo\n" + "".join(
        f"{i % ROWS},{'CANARY-SHOP-item' if i == 3 else 'tea'},CANARY-SHOP-memo-{i % 90}\n" for i in range(4000)))
    rings = world.seal("bank", "rings", people)
    data = {"bank": world.seal("bank", "people", people, entity="id", min_entities=20),
            "shop": world.seal("shop", "purchases", folder / "purchases.csv", entity="customer", min_entities=20)}
    world.specification = {
        "title": "Planted", "parties": ["bank", "shop"],
        "datasets": [{"table": "people", "folder": str(data["bank"])}, {"table": "purchases", "folder": str(data["shop"])},
                     {"table": "rings", "folder": str(rings)}],
        "queries": [
            query("cities", CORE), query("narrow", CORE, max_rows=1), query("slow", SLOW, memory_mb=1500), query("late", SLOW, seconds=2, memory_mb=1500),
            {**query("open", OPEN, memory_mb=1500), "parameters": []},
            query("bomb", BOMB, memory_mb=64),
            query("joined", "WITH core AS (SELECT s.item AS item, count(*) AS n FROM people AS p JOIN purchases AS s ON p.id = s.customer "
                            "WHERE p.city <> $skip GROUP BY s.item) SELECT item, n FROM core ORDER BY item")],
        "queriers": ["bank"], "recipients": ["bank", "shop"], "days": 5}
    world.contract = world.agree(world.specification)
    world.secrets = Secrets(folder / "secrets") if (folder / "secrets").mkdir() is None else None
    learn_secrets(world, world.secrets, {"bank": [data["bank"], rings], "shop": [data["shop"]]})
    yield world
    world.close()


PARAMETERS = {"skip": SEALED}


def check_nothing_leaked(world):
    """No planted value and no key in any file of the stack and the parties, in what crossed to the room, or in any word printed."""
    secrets = world.secrets
    files = files_below(world.folder)
    assert len(files) > 60
    assert secrets.search(files) == set()
    for side, octets in world.recorder.octets.items():
        assert len(octets) > 10000
        assert secrets.search_octets(f"socket-{side}", bytes(octets)) == set()
    assert len(world.said) > 1000
    assert secrets.search_octets("said", bytes(world.said)) == set()


def check_memory(world):
    """As in a core of each service. A vault has its own release keys; nobody else has any."""
    for name in ("host", "attest", "vault-bank", "vault-shop"):
        if name == "host":
            pid = world.processes["host"].pid
        else:
            pid = int((world.service_folder("run") / f"{name}.pid").read_text())
        hits = {hit for hit, _ in world.secrets.search([f"pid:{pid}"])}
        own = re.compile(rf"key:release:.*@{name}:")
        assert {hit for hit in hits if not own.match(hit)} == set(), name
        assert world.secrets.scanned > 1 << 20


# ---- The search itself ----

def test_the_search_finds_every_spelling(world, tmp_path):
    secret = b"CANARY-GRANTED"
    for name, text in reads_as(secret).items():
        path = tmp_path / name
        path.write_bytes(random.Random(name).randbytes(70000 + len(name)) + text + b"end")
        assert world.secrets.search([path]) != set(), name
    for shift in range(3):
        path = tmp_path / "text"
        path.write_bytes(base64.b64encode(b"x" * (30 + shift) + secret + b"yyyy"))
        assert world.secrets.search([path]) != set()


def test_the_search_finds_keys_in_memory(world, tmp_path):
    names = sorted(world.secrets.values)
    assert {name.split(":")[1] for name in names if name.startswith("key:")} == {"private", "storage", "data", "release"}
    program = "import sys, time; held = bytes.fromhex(sys.argv[1][::-1]); print('held', flush=True); time.sleep(60)"
    for kind in ("private", "storage", "data", "release"):
        name = next(name for name in names if name.startswith(f"key:{kind}"))
        holder = subprocess.Popen(["/usr/bin/python3", "-c", program, world.secrets.values[name].hex()[::-1]],
                                  stdout=subprocess.PIPE)
        try:
            holder.stdout.readline()
            assert any(hit.startswith(name) for hit, _ in world.secrets.search([f"pid:{holder.pid}"]))
        finally:
            holder.kill()
            holder.wait()


# ---- Runs that go well, and runs that do not ----

def test_a_good_run(world):
    job = world.ask(world.contract, "cities", "bank", PARAMETERS)
    assert job["state"] == "done"
    answer = world.open(job["run"], "shop")
    assert answer.splitlines() == ["city,n", "east,990", "north,990", "south,988"] or len(answer.splitlines()) == 4
    assert "CANARY" not in answer
    assert world.ask(world.contract, "joined", "bank", PARAMETERS)["state"] == "done"
    check_nothing_leaked(world)
    check_memory(world)


@pytest.mark.parametrize("name,least", [("narrow", 0), ("bomb", 0), ("late", 2)])
def test_a_failed_run(world, name, least):
    started = time.monotonic()
    job = world.ask(world.contract, name, "bank", PARAMETERS)
    assert (job["state"], job["reason"]) == ("failed", "query.failed")
    assert time.monotonic() - started > least
    with pytest.raises(Refused):
        world.open(job["run"], "bank")
    check_nothing_leaked(world)
    check_memory(world)


def test_a_sealed_parameter_cannot_be_tried_against_the_receipt(world):
    """The host has contract and receipt; a digest over a value of small domain would be the value."""
    job = world.ask(world.contract, "cities", "bank", PARAMETERS)
    words = ["contract", "executed", world.contract, "cities", "--param", f"skip={SEALED}", "--json"]
    executed = json.loads(subprocess.run([world.program, *words, "--party", "bank"], env=world.environment(), check=True,
                                         capture_output=True, text=True, cwd=world.folder).stdout)["executed"]
    assert SEALED in executed
    guess = hashlib.sha256(executed.encode())
    world.secrets.values["guess"] = guess.digest()
    try:
        check_nothing_leaked(world)
    finally:
        del world.secrets.values["guess"]
    receipt = world.folder / "receipt.json"
    receipt.write_bytes(world.receipt(job["run"]))
    said = world.truce_json("receipt", "show", receipt)["predicate"]["query"]
    assert said["executed"] == said["canonical"]


def test_words_of_refusal(world):
    for words in (["run", world.contract, "cities", "--param", f"skip={SEALED}", "--param", "other=1"],
                  ["run", world.contract, "cities", "--param", "skip=" + "x" * 70000],
                  ["run", world.contract, "none", "--param", f"skip={SEALED}"],
                  ["result", "open", "0" * 32, "--accept-simulated"],
                  ["dataset", "seal", "people", world.folder.parent / "people.parquet", "--entity", "note", "--version", "3",
                   "--sql", "SELECT CAST(note AS INTEGER) AS note FROM 'people.parquet'"]):
        with pytest.raises(Refused):
            world.truce(*words, party="bank")
    check_nothing_leaked(world)


def test_a_refused_run(world):
    grant = json.loads(world.grant_path(world.contract, "bank").read_text())
    payload = json.loads(base64.urlsafe_b64decode(grant["payload"] + "=="))
    owner = Client(world.service_folder("vault-bank") / "vault.json")
    path = f"/keys/{payload['key']}/{payload['version']}"
    assert owner.call("PATCH", path, {"attributes": {"enabled": False}}).status == 200
    try:
        job = world.ask(world.contract, "cities", "bank", PARAMETERS)
        assert job["state"] == "refused"
        check_nothing_leaked(world)
        check_memory(world)
    finally:
        assert owner.call("PATCH", path, {"attributes": {"enabled": True}}).status == 200


# ---- While a query runs ----

def limits_of(pid):
    text = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return re.search(r"Max core file size\s+(\S+)\s+(\S+)", text).groups()


def crash(pid, folder):
    """Ends a process as a fault would, with cores allowed from outside; gives the files that this made."""
    try:
        resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except PermissionError:
        pass  # not even root may here: the limit stays
    before = set(files_below(folder))
    os.kill(pid, signal.SIGSEGV)
    until = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.2)
    return {path for path in set(files_below(folder)) - before if path.name.startswith("core")}


@pytest.fixture
def running(world, request):
    """A run in the middle of its work, "slow" if not said otherwise, and its engine child, which is killed at the end."""
    query = getattr(request, "param", "slow")
    run = world.run(world.contract, query, "bank", PARAMETERS if query == "slow" else {}, wait=False)
    child = world.engine_child()
    time.sleep(1.5)
    assert is_alive(child)
    yield run, child
    if is_alive(child):
        os.kill(child, signal.SIGKILL)
    world.wait(run)


def test_the_engine_has_the_granted_columns_and_nothing_else(world, running):
    run, child = running
    os.kill(child, signal.SIGSTOP)
    hits = {hit.split("~")[0] for hit, _ in world.secrets.search([f"pid:{child}"])}
    assert world.secrets.scanned > 1 << 20
    # The engine reads the granted columns and has the text, so the search sees what is there.
    assert {"granted", "sealed"} <= hits
    assert {hit for hit in hits if not hit.startswith(("granted", "sealed"))} == set()
    for program in ("truce-query", "truce-sim-chip"):
        assert world.secrets.search([f"pid:{world.child_of_room(program)}"]) == set()
    check_memory(world)
    check_nothing_leaked(world)
    room = {hit.split("~")[0] for hit, _ in world.secrets.search([f"pid:{world.processes['room'].pid}"])}
    assert not any(hit.startswith(("key:private", "key:storage")) for hit in room)


def test_no_process_of_the_room_leaves_a_core(world, tmp_path, running):
    run, child = running
    room, spawner = world.processes["room"], world.child_of_room("truce-query")
    assert limits_of(room.pid) == limits_of(child) == ("0", "0")
    control = subprocess.Popen(["/usr/bin/sleep", "60"], cwd=tmp_path)
    has_cores = crash(control.pid, tmp_path) != set()
    control.wait()
    assert has_cores or "/" in pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    assert crash(child, world.folder) == set()
    job = world.wait(run)
    assert (job["state"], job["reason"]) == ("failed", "query.failed")
    assert crash(room.pid, world.folder) == set()
    room.wait()
    assert not is_alive(spawner)
    world.start_room()
    check_nothing_leaked(world)


@pytest.mark.parametrize("running", ["open"], indirect=True)
def test_a_killed_room(world, running):
    run, child = running
    world.kill("room")
    until = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_alive(child), "an engine without a room"
    check_nothing_leaked(world)
    check_memory(world)
    world.start_room()
    os.kill(world.engine_child(), signal.SIGKILL)
    assert world.wait(run)["state"] == "failed"
    check_nothing_leaked(world)


@pytest.mark.parametrize("running", ["open"], indirect=True)
def test_a_killed_host(world, running):
    run, child = running
    world.kill("host")
    check_nothing_leaked(world)
    if is_alive(child):
        os.kill(child, signal.SIGKILL)
    world.processes["room"].wait(timeout=30)
    world.start_host()
    world.start_room()
    os.kill(world.engine_child(30), signal.SIGKILL)
    assert world.wait(run)["state"] == "failed"
    assert world.ask(world.contract, "cities", "bank", PARAMETERS)["state"] == "done"
    check_nothing_leaked(world)
    check_memory(world)


# ---- What the host sees is the same for other values ----

def make_twins(folder):
    """Two files of equal shape: numbers that no compression makes smaller."""
    for seed, name in enumerate(("twin_1", "twin_2")):
        values = random.Random(seed).sample(range(1 << 61, 1 << 62), 5000)
        (folder / f"{name}.csv").write_text("id,number\n" + "".join(f"{i},{n}\n" for i, n in enumerate(values)))


def trace_of(world, run_twin):
    """The host's trace of one run, and what came of it."""
    before = world.trace.stat().st_size
    job = run_twin()
    lines = world.trace.read_text()[before:].splitlines()
    assert len(lines) > 12
    return job, lines


def normal(lines, name):
    """Without the dataset's name; a signature in DER is up to two octets longer or shorter, by chance."""
    text = [line.replace(name, "twin") for line in lines]
    return [re.sub(r"(receipt\D+)(\d+)", lambda match: match[1] + str(round(int(match[2]), -2)), line) for line in text]


def test_the_trace_does_not_depend_on_values(world, tmp_path):
    make_twins(tmp_path)
    twins = {name: world.seal("bank", name, tmp_path / f"{name}.csv") for name in ("twin_1", "twin_2")}
    shapes = []
    for name, path in twins.items():
        manifest = json.loads((path / "manifest.json").read_text())
        payload = json.loads(base64.urlsafe_b64decode(manifest["payload"] + "=="))
        shapes.append([(part["size"], part["plain_size"], part["columns"]) for part in payload["parts"]])
    assert shapes[0] == shapes[1]
    shape = "WITH core AS (SELECT {key} count(*) AS n FROM {name} AS t WHERE t.number > 3000000000000000000 {group}) SELECT n FROM core"
    queries = []
    for name in twins:
        for kind, key, group in (("good", "", ""), ("fail", "t.number AS number,", "GROUP BY t.number")):
            queries.append({"name": f"{kind}_{name}", "sql": shape.format(key=key, name=name, group=group), "max_rows": 3,
                            "seconds": 20, "memory_mb": 256})
    contract = world.agree({
        "title": "Twins", "parties": ["bank", "shop"],
        "datasets": [{"table": name, "folder": str(path)} for name, path in twins.items()], "queries": queries,
        "queriers": ["bank"], "recipients": ["bank"], "days": 5}, name="twins.json")
    for kind, state in (("good", "done"), ("fail", "failed")):
        traces, answers = [], []
        for name in twins:
            job, lines = trace_of(world, lambda: world.ask(contract, f"{kind}_{name}", "bank"))
            assert job["state"] == state
            traces.append(normal(lines, name))
            answers.append(world.open(job["run"], "bank") if state == "done" else None)
        assert traces[0] == traces[1]
        assert state == "failed" or answers[0] != answers[1]
        assert any("segments_request" in line for line in traces[0])
        assert any(("result" if state == "done" else "failed") in line for line in traces[0])
