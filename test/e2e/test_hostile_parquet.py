"""Hostile Parquet of a party that writes its own files and seals them with a tool of its own.

Each file of hostile_parquet.py is read by the query program alone, with what it costs; and a sample of them (all with TRUCE_LONG=1)
is sealed, signed and run in a whole stack, joined with another party's honest table. Such a file ends its run: constant
error, nothing else at the host; the next job is served, the other party's data is what it was.
"""
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess

import pytest

import forge
from confidential import REVEAL, World, is_alive, missing
from host_support import SEGMENT, b64u, canonical, digest, leaf, merkle
from hostile_parquet import IDS, ROWS, WORDS, cases
from parquet_forge import honest_file, layout, longs, texts
from query_room import Spawner, rows_of
from stack import BUILD

STREAM = BUILD / "src/tcb/seal/stream-tool"
pytestmark = pytest.mark.skipif(bool(missing) or not STREAM.exists(), reason=f"not built: {', '.join(missing)}")

LONG = bool(os.environ.get("TRUCE_LONG"))
SEED = int(os.environ.get("TRUCE_SEED", "20261124"))
IN_A_STACK = 7
OF_A_CONTRACT = 27
MEMORY_MB, THREADS = 256, 2
MEMORY_LIMIT_MB = MEMORY_MB + 432 + 16 * THREADS
SECONDS = 10
CASES = cases()


# ---- The query program alone ----

SQL = "SELECT word, count(*), CAST(sum(id) AS BIGINT) FROM t WHERE id < 500 GROUP BY 1 ORDER BY 1"
OUTPUT = [{"name": "word", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}, {"name": "s", "type": "BIGINT"}]


def read(spawner, columns, rows):
    file = honest_file(columns, rows)
    request = {"executed": SQL, "output": OUTPUT, "threads": THREADS, "memory_mb": MEMORY_MB, "max_rows": 100, "max_bytes": 100000}
    return spawner.run(request, {"t": [file]}, SECONDS)


def test_every_file_ends_within_its_limits(figure):
    spawner = Spawner()
    cpu, memory = (0, ""), (0, "")
    wrong = {}
    try:
        for case in CASES:
            answer = read(spawner, case.columns, case.rows)
            cpu = max(cpu, (round(answer.cost.cpu, 2), case.name))
            memory = max(memory, (round(answer.cost.memory_mb), case.name))
            given = answer.kind == b"E"
            if (given and case.ends == "fails") or (not given and (case.ends == "gives" or answer.octets)):
                wrong[case.name] = answer.kind
            if answer.cost.memory_mb > MEMORY_LIMIT_MB or answer.kind == b"late":
                wrong[case.name] = (answer.cost.memory_mb, answer.kind)
        honest = read(spawner, honest_columns(), ROWS)
        assert rows_of(honest.octets, 3)[0] == ["word 0", 29, sum(i for i in IDS if i % 7 == 0)]
    finally:
        spawner.close()
    figure(f"hostile Parquet: {len(CASES)} files; worst CPU {cpu[0]} s ({cpu[1]}), worst memory {memory[0]} MB ({memory[1]}; "
           f"limit {MEMORY_LIMIT_MB} MB)")
    assert wrong == {}
    assert len(CASES) >= 75


def honest_columns():
    return [longs("id", IDS), texts("word", WORDS)]


# ---- Sealed by its owner, and run ----

def stream(word, key, associated, octets):
    return subprocess.run([STREAM, word, key, associated.encode().hex()], input=octets, check=True, capture_output=True).stdout


class Attacker:
    """A party that exchanges what its own tool has sealed for what it likes, and signs that."""

    def __init__(self, world, party):
        self.world, self.party = world, party
        self.key = forge.open_key(world.folder, world.party_folder(party) / "signing.pem", party)

    def data_key(self, folder):
        lines = subprocess.run([REVEAL, "party", self.world.party_folder(self.party), self.world.passphrase_file, folder], check=True,
                               capture_output=True, text=True).stdout.splitlines()
        return next(line.rsplit(" ", 1)[1] for line in lines if line.startswith("data:"))

    def seal(self, name, case):
        """Seals an honest file, and puts the hostile one in its place under the same key."""
        honest = self.world.folder / "honest.csv"
        honest.write_text("id,word\n" + "".join(f"{i},{word}\n" for i, word in zip(IDS, WORDS)))
        folder = self.world.seal(self.party, name, honest, upload=False)
        manifest, policy = (forge.content(json.loads((folder / f"{kind}.json").read_text())) for kind in ("manifest", "policy"))
        self.exchange(folder, manifest, case)
        policy["data"] = manifest["data"]
        manifest["policy"] = digest(canonical(policy))
        for kind, payload in (("manifest", manifest), ("policy", policy)):
            (folder / f"{kind}.json").write_text(json.dumps(forge.signed(payload, self.key)))
        self.world.truce("dataset", "upload", folder, party=self.party)
        return folder

    def exchange(self, folder, manifest, case):
        data, columns = layout(case.columns, case.rows)
        plain, rows = data, []
        for _, chunk_range, chunk in columns:
            section = len(chunk).to_bytes(4, "little") + chunk + bytes(4)
            rows.append({"chunks": [chunk_range], "meta": [len(plain), len(section)]})
            plain += section
        associated = f"truce-part/1\n{manifest['dataset']}\n{manifest['version']}\n0"
        sealed = stream("seal", self.data_key(folder), associated, plain)
        leaves = [leaf(sealed[at:at + SEGMENT]) for at in range(0, len(sealed), SEGMENT)]
        (folder / "parts/000000.sealed").write_bytes(sealed)
        (folder / "parts/000000.leaves").write_bytes(b"".join(leaves))
        root = merkle(leaves)
        manifest["rows"] = case.rows
        manifest["data"] = "sha256:" + leaf(root).hex()
        manifest["parts"] = [{"number": 0, "size": len(sealed), "plain_size": len(plain), "root": "sha256:" + root.hex(),
                              "rows": case.rows, "data_end": len(data), "groups": [case.rows], "columns": rows}]
        for column, (element, _, _) in zip(manifest["columns"], columns):
            column["element"] = b64u(element)


def chosen():
    """Those that the room itself must survive always, and a sample of the others."""
    first = [case for case in CASES if case.name in ("an element 1,000 deep", "a chunk that is cut", "a million million rows",
                                                      "one text of 600 MiB in 600 KiB")]
    others = [case for case in CASES if case not in first and case.ends == "fails"]
    return first + (others if LONG else random.Random(SEED).sample(others, IN_A_STACK - len(first)))


JOINED = ("WITH c AS (SELECT p.city AS city, count(*) AS n FROM people AS p JOIN {0} AS h ON p.id = h.id WHERE h.word <> 'x' "
          "GROUP BY p.city) SELECT city, n FROM c")
HONEST = "WITH c AS (SELECT p.city AS city, count(*) AS n FROM people AS p GROUP BY p.city) SELECT city, n FROM c"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("parquet") / "stack", ["bank", "shop"])
    people = world.folder / "people.csv"
    people.write_text("id,city\n" + "".join(f"{i},{'north' if i % 2 else 'south'}\n" for i in range(150)))
    world.people = world.seal("bank", "people", people, entity="id", min_entities=5)
    yield world
    world.close()


def agreement(world, attacker, name, group):
    tables = {f"h{i}": attacker.seal(f"{name}-{i}", case) for i, case in enumerate(group)}
    limits = {"max_rows": 100, "seconds": SECONDS, "memory_mb": MEMORY_MB}
    return world.agree({
        "title": name, "parties": ["bank", "shop"],
        "datasets": [{"table": "people", "folder": str(world.people)}] +
                    [{"table": table, "folder": str(folder)} for table, folder in tables.items()],
        "queries": [{"name": "honest", "sql": HONEST, **limits}] +
                   [{"name": table, "sql": JOINED.format(table), **limits} for table in tables],
        "queriers": ["bank"], "recipients": ["bank"], "days": 5}, name=f"{name}.json")


def stored(world):
    """Every object of the bank's at the host."""
    folder = world.service_folder("host") / "storage"
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in pathlib.Path(folder).rglob("*")
            if path.is_file() and "people" in str(path)}


def test_a_sealed_hostile_file_ends_its_run_and_nothing_else(world, figure):
    attacker = Attacker(world, "shop")
    group, checked = chosen(), 0
    for number in range(0, len(group), OF_A_CONTRACT):
        some = group[number:number + OF_A_CONTRACT]
        contract = agreement(world, attacker, f"hostile-{number}", some)
        before = stored(world)
        assert before
        room = world.processes["room"]
        answer = world.answer(contract, "honest", "bank")
        for i, case in enumerate(some):
            said = len(world.recorder.frames("room"))
            job = world.ask(contract, f"h{i}", "bank")
            kinds = [kind for kind, _ in world.recorder.frames("room")[said:] if kind != "progress"]
            if job["state"] == "refused":
                # What the room cannot put into a footer never reaches an engine; the reason names the liar's dataset.
                assert job["reason"].startswith("footer."), (case.name, job)
                assert kinds.count("refused") == 1 and "result" not in kinds, (case.name, kinds)
            else:
                assert (job["state"], job["reason"]) == ("failed", "query.failed"), (case.name, job)
                assert kinds.count("failed") == 1 and "result" not in kinds, (case.name, kinds)
            assert room.poll() is None and is_alive(room.pid), case.name
            checked += 1
        assert world.answer(contract, "honest", "bank") == answer
        assert stored(world) == before
    assert checked >= min(len(group), IN_A_STACK)
    figure(f"hostile Parquet, sealed and run in a stack (seed {SEED}): {checked} files, each ended its run, the room goes on")
