"""Hostile SQL: what the vetter must refuse, what it may let through because it tells nothing, and what must come to an end.

The statements are data: test/corpus-sql/hostile.json (refused.json is vet_test.c's) (a code each, or `null` with a reason where a statement
looks worse than it is, or `ends` where only the limit stops it), and run.json: statements that pass, run over data of which the
answer is known. `residual` marks what no threshold prevents (doc/threat-model.md, "Differencing"), so that it is known and stays so.
The ordinary run takes a seeded sample of the first two, TRUCE_LONG=1 all of them, twice.
"""
import json
import os
import random

import pytest

from parquet_forge import DOUBLE, Column, honest_file, integers, longs, money, texts
from query_room import QUERY, ROOT, Spawner, rows_of

pytestmark = pytest.mark.skipif(not QUERY.exists(), reason="not built: truce-query")

LONG = bool(os.environ.get("TRUCE_LONG"))
SAMPLE = 150
SEED = int(os.environ.get("TRUCE_SEED", "20261124"))
VET_CPU_SECONDS = 8  # RLIMIT_CPU of a vetting task
VET_MEMORY_MB = 1024  # and its RLIMIT_AS
RUN_MEMORY_MB, RUN_THREADS = 256, 2
# What run.c allows besides: the program, its libraries, the threads.
RUN_MEMORY_LIMIT_MB = RUN_MEMORY_MB + 432 + 16 * RUN_THREADS
MAX_ROWS, MAX_BYTES = 100, 65536


def load(name):
    return json.loads((ROOT / "test/corpus-sql" / name).read_text())


def text_of(pieces):
    if isinstance(pieces, str):
        return pieces
    return "".join(piece if isinstance(piece, str) else piece["repeat"] * piece["times"] for piece in pieces)


TABLES = load("refused.json")["tables"]
REFUSED = load("hostile.json")["cases"]
QUICK = [case for case in REFUSED if not case.get("ends")]
FOREMOST = [case for case in QUICK if case["name"].startswith(("dodge", "bomb", "text", "names"))]
OTHERS = [case for case in QUICK if case not in FOREMOST]
RUNS = load("run.json")["cases"]


class Worst:
    """The greatest CPU time and memory of a suite, and whose they were."""

    def __init__(self):
        self.cpu, self.memory, self.count = (0, ""), (0, ""), 0

    def take(self, cost, name):
        self.cpu = max(self.cpu, (round(cost.cpu, 2), name))
        self.memory = max(self.memory, (round(cost.memory_mb), name))
        self.count += 1

    def __str__(self):
        return f"{self.count} statements; worst CPU {self.cpu[0]} s ({self.cpu[1]}), worst memory {self.memory[0]} MB ({self.memory[1]})"


@pytest.fixture(scope="module")
def spawner():
    spawner = Spawner()
    yield spawner
    spawner.close()


# ---- Vetting ----

def vet(spawner, case, worst):
    answer = spawner.vet(TABLES, text_of(case["sql"]), case.get("parameters", ()), VET_CPU_SECONDS * 8)
    worst.take(answer.cost, case["name"])
    return answer


def wrong(case, answer):
    """What is not as the corpus says, or None."""
    if answer.kind == b"A":
        return None if "why" in case and case["code"] is None else "accepted"
    if answer.kind != b"R":
        return f"ended without an answer ({answer.status})"
    told = answer.json()
    if told["code"] != case["code"]:
        return told
    if answer.cost.cpu > VET_CPU_SECONDS or answer.cost.memory_mb > VET_MEMORY_MB:
        return f"{answer.cost.cpu} s, {answer.cost.memory_mb} MB"
    return None


def test_every_hostile_statement_is_refused_with_its_code(spawner, figure):
    worst, found = Worst(), {}
    others = OTHERS if LONG else random.Random(SEED).sample(OTHERS, SAMPLE)
    for case in FOREMOST + others:
        problem = wrong(case, vet(spawner, case, worst))
        if problem:
            found[case["name"]] = problem
    figure(f"hostile SQL, vetting (seed {SEED}): {worst}")
    assert found == {}


def test_the_corpus_is_what_it_says():
    names = [case["name"] for case in load("hostile.json")["cases"]]
    assert len(set(names)) == len(names) >= 600
    assert sum(case.get("code") is not None for case in QUICK) >= 600


def test_a_refusal_is_the_same_octets_again(spawner):
    """Whatever was vetted before, in whichever order: the answer follows from the text and the schemas alone."""
    cases = QUICK if LONG else random.Random(SEED + 1).sample(QUICK, 40)
    first = {case["name"]: vet(spawner, case, Worst()).octets for case in cases}
    other = Spawner()
    try:
        for case in reversed(cases):
            assert vet(other, case, Worst()).octets == first[case["name"]], case["name"]
    finally:
        other.close()


@pytest.mark.skipif(not LONG, reason="takes the whole limit of a vetting: TRUCE_LONG=1")
def test_what_never_ends_while_it_is_vetted_is_ended(spawner, figure):
    worst = Worst()
    for case in REFUSED:
        if case.get("ends"):
            answer = vet(spawner, case, worst)
            assert answer.kind == b"" and answer.status != 0
            assert VET_CPU_SECONDS - 1 <= answer.cost.cpu <= VET_CPU_SECONDS + 1
    assert worst.count >= 1
    figure(f"hostile SQL, vetting without end: {worst}")


# ---- Runs ----

def table(name, columns, entity=None, min_entities=None):
    return {"name": name, "columns": [{"name": column, "type": kind} for column, kind in columns], "entity": entity,
            "min_entities": min_entities}


RUN_TABLES = [
    table("people", [("user_id", "BIGINT"), ("ssn", "VARCHAR"), ("city", "VARCHAR"), ("age", "INTEGER"), ("income", "DECIMAL(12,2)"),
                     ("nick", "VARCHAR"), ("long", "VARCHAR")], "user_id", 50),
    table("sales", [("uid", "BIGINT"), ("buyer", "BIGINT"), ("cat", "VARCHAR")], "buyer", 20),
    table("ghosts", [("gid", "BIGINT"), ("nick", "VARCHAR")], "gid", 5),
    table("airports", [("iata", "VARCHAR"), ("city", "VARCHAR"), ("name", "VARCHAR"), ("latitude", "DOUBLE")]),
    table("flights", [("origin", "VARCHAR"), ("delay", "INTEGER"), ("text", "VARCHAR")]),
]


def data():
    """399 people of whom 29 live in a town that is too small, and tables to multiply them with."""
    people, buyers, flights = range(399), range(200), range(2000)
    places = ["north" if i < 250 else "south" if i < 370 else "tiny" for i in people]
    long_text = "a" * 3000
    return [
        honest_file([longs("user_id", people), texts("ssn", [str(i) for i in people]), texts("city", places),
                     integers("age", [18 + i % 60 for i in people]), money("income", [i * 100 for i in people]),
                     texts("nick", [f"k{i}" for i in people]), texts("long", [long_text if i == 7 else "b" for i in people])], 399),
        honest_file([longs("uid", buyers), longs("buyer", buyers), texts("cat", ["ab"[i % 2] for i in buyers])], 200),
        honest_file([longs("gid", [None] * 60 + [1, 2, 3, 4]), texts("nick", ["g"] * 64)], 64),
        honest_file([texts("iata", ["k7", "other", "zz"]), texts("city", ["north", "south", "none"]), texts("name", [long_text] * 3),
                     Column("latitude", DOUBLE, [1000.0, 0.0, 0.0])], 3),
        honest_file([texts("origin", [f"f{i}" for i in flights]), integers("delay", flights),
                     texts("text", ["x" * 200 + str(i) for i in flights])], 2000),
    ]


@pytest.fixture(scope="module")
def files():
    return data()


def run(spawner, files, case):
    vetted = spawner.vet(RUN_TABLES, text_of(case["sql"]))
    assert vetted.kind == b"A", (case["name"], vetted.octets)
    told = vetted.json()
    request = {"executed": told["executed"], "output": told["output"], "threads": RUN_THREADS, "memory_mb": RUN_MEMORY_MB,
               "max_rows": MAX_ROWS, "max_bytes": MAX_BYTES * 9 + 4096}
    tables = {table["name"]: [file] for table, file in zip(RUN_TABLES, files)}
    return spawner.run(request, tables, case.get("seconds", 20)), len(told["output"])


@pytest.mark.parametrize("case", [case for case in RUNS if "gives" in case], ids=lambda case: case["name"])
def test_what_passes_gives_no_more_than_it_may(spawner, files, case):
    answer, columns = run(spawner, files, case)
    assert answer.kind == b"E"
    assert rows_of(answer.octets, columns) == case["gives"]


def test_what_blows_up_is_ended_within_its_limits(spawner, files, figure):
    worst = Worst()
    cases = [case for case in RUNS if case.get("fails")]
    for case in cases:
        answer, _ = run(spawner, files, case)
        worst.take(answer.cost, case["name"])
        assert answer.kind in (b"F", b"", b"late") and answer.octets == b"", case["name"]
        assert answer.cost.cpu <= RUN_THREADS * (case.get("seconds", 20) + 1), case["name"]
        assert answer.cost.memory_mb <= RUN_MEMORY_LIMIT_MB, case["name"]
    assert len(cases) >= 13
    figure(f"hostile SQL, runs that pass vetting and blow up (limit {RUN_MEMORY_LIMIT_MB} MB, {RUN_THREADS} threads): {worst}")
    honest, _ = run(spawner, files, RUNS[0])
    assert honest.kind == b"E", "and the next run is served"
