"""Hostile SQL before a real room: refusals that do not depend on data, and failures that do not say why.

The texts are signed by everybody, as if all parties' tools were hostile too: the room vets them itself. Each is asked of three
contracts that differ in nothing but their data, which is empty, small and full.
"""
import json
import os
import time

import pytest

import forge
from confidential import missing
from forge import content, setting
from hostile_host import HostileHost
from stack import Stack

pytestmark = pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")

ROWS = {"empty": 0, "small": 12, "full": 6000}
DATA = ("SELECT CAST(i AS BIGINT) AS id, 'c' || (i % 3) AS city, 'note ' || i AS note, CAST(i % 90 AS INTEGER) AS age, "
        "CAST(i AS DECIMAL(12,2)) AS income FROM range({0}) r(i)")
BENIGN = "WITH c AS (SELECT city, count(*) AS n FROM people GROUP BY city) SELECT city, n FROM c"
# One of each kind of refusal, and some that would be of use.
REFUSED = {
    "sql.parse": "SELECT FROM WHERE", "sql.statement": "COPY people TO '/tmp/x'", "sql.clause": "SELECT * FROM read_parquet('/sealed/0/0')",
    "sql.function": "WITH c AS (SELECT stats(people.note) AS x, count(*) AS n FROM people GROUP BY stats(people.note)) SELECT x AS x, n AS n FROM c",
    "sql.size": "WITH c AS (SELECT count(*) AS n FROM people WHERE people.age IN (" + ",".join(map(str, range(1100))) + ")) "
                "SELECT n AS n FROM c",
    "name.dataset": "WITH c AS (SELECT count(*) AS n FROM '/etc/passwd') SELECT n AS n FROM c",
    "name.column": "WITH c AS (SELECT people.rowid AS x, count(*) AS n FROM people GROUP BY people.rowid) SELECT x AS x, n AS n FROM c",
    "name.ambiguous": "WITH c AS (SELECT count(*) AS n FROM people AS p JOIN people AS p ON p.city = p.city) SELECT n AS n FROM c",
    "parameter.name": "WITH c AS (SELECT count(*) AS n FROM people WHERE people.note = $x) SELECT n AS n FROM c",
    "mode.template": "WITH c AS (SELECT people.note AS note FROM people) SELECT note AS note FROM c",
    "mode.output_type": "WITH c AS (SELECT people.city AS city, count(*) AS n FROM people GROUP BY people.city) SELECT city AS city, n / 3 AS x FROM c",
    "join.kind": "WITH c AS (SELECT count(*) AS n FROM people AS q, people AS p) SELECT n AS n FROM c",
    "column.aggregate": "WITH c AS (SELECT people.city AS city, sum(people.income * CAST(people.note = 'note 7' AS INTEGER)) AS s FROM people "
                        "GROUP BY people.city) SELECT city AS city, s AS s FROM c",
    "column.cast": "WITH c AS (SELECT count(*) AS n FROM people WHERE people.note = 5) SELECT n AS n FROM c",
}
JOIN = "people a JOIN people b ON a.note <> b.note"
# All of these read the same columns, so that nothing but the reason of the failure could tell them apart.
FAILING = {
    "q1": f"WITH c AS (SELECT count(a.note) AS n FROM {JOIN} JOIN people d ON d.note <> b.note WHERE a.city <> 'x') SELECT n FROM c",
    "q2": f"WITH c AS (SELECT count(DISTINCT a.note || b.note) AS n FROM {JOIN} WHERE a.city <> 'x') SELECT n FROM c",
    "q3": "WITH c AS (SELECT city, count(note) AS n FROM people GROUP BY city) SELECT sum(CAST(99999999999999999999999999999999999999 "
          "AS DECIMAL(38,0))) AS x FROM c",
    "q4": "WITH c AS (SELECT substring(note, 6, 2) AS k, count(*) AS n FROM people WHERE city <> 'x' GROUP BY 1) SELECT k, n FROM c",
}


def chosen():
    codes = list(REFUSED)
    return codes if os.environ.get("TRUCE_LONG") else [codes[i] for i in (2, 3, 5, 9, 12)]


class World:
    def __init__(self, folder):
        self.stack = Stack(folder / "stack", ["bank", "shop"])
        self.contracts = {}
        for size, rows in ROWS.items():
            dataset = self.stack.seal("bank", f"people-{size}", "--sql", DATA.format(rows), entity="id", min_entities=5)
            self.contracts[size] = self.agree(size, dataset)
        self.keys = {party: forge.open_key(folder, self.stack.party_folder(party) / "signing.pem", party) for party in self.stack.parties}
        self.host = HostileHost(self.stack)
        self.documents = {size: self.host.documents(contract, self.request(contract, "benign", f"{size}.request"))
                          for size, contract in self.contracts.items()}

    def agree(self, size, dataset):
        limits = {"max_rows": 50, "memory_mb": 192}
        return self.stack.agree({
            "title": "Hostile", "parties": ["bank", "shop"], "datasets": [{"table": "people", "folder": str(dataset)}],
            "queries": [{"name": "benign", "sql": BENIGN, **limits}] +
                       [{"name": name, "sql": sql, "seconds": 2 if name == "q1" else 20, **limits} for name, sql in FAILING.items()],
            "queriers": ["bank"], "recipients": ["bank"], "days": 5}, name=f"{size}.json")

    def request(self, contract, query, name):
        path = self.stack.folder / name
        self.stack.truce("run", contract, query, "--out", path, party="bank")
        return path

    def close(self):
        if hasattr(self, "host"):
            self.host.close()
        self.stack.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("hostile"))
    yield world
    world.close()


def said_by_room(outcome):
    """What the host sees of the room, without the run's name."""
    frames = [(kind, content) for who, kind, _, content in outcome.trace if who == "room"]
    return frames, outcome.end, outcome.code, outcome.why, outcome.where


@pytest.mark.parametrize("code", chosen())
def test_a_refusal_is_the_same_on_empty_small_and_full_data(world, code):
    seen = {}
    for size, documents in world.documents.items():
        index = [query["name"] for query in content(documents["contract"])["queries"]].index("benign")
        agreement = forge.Agreement(documents, world.keys, contract=setting("queries", index, "sql", REFUSED[code]))
        outcome = world.host.play(agreement.documents)
        seen[size] = json.dumps(said_by_room(outcome))
        assert (outcome.end, outcome.why, outcome.where) == ("refused", "room.vet.refused", code), size
        assert outcome.calls == [], "no token and no key was asked for"
    assert len(set(seen.values())) == 1, seen


def clocked(world, query, number):
    """One run over full data: what the room said, and the seconds from its last word before the engine to the failure."""
    documents = world.host.documents(world.contracts["full"], world.request(world.contracts["full"], query, f"{query}-{number}.request"))
    times, receive = [], world.host.receive

    def watched():
        frame = receive()
        times.append(time.monotonic())
        return frame
    world.host.receive = watched
    try:
        outcome = world.host.play(documents)
    finally:
        world.host.receive = receive
    return outcome, times[-1] - times[-2]


def test_failures_look_alike_and_end_at_whole_seconds(world, figure):
    shapes, late = {}, {}
    for query in FAILING:
        for attempt in range(4):  # a busy machine delays what the room does at the second
            outcome, seconds = clocked(world, query, attempt)
            assert outcome.end == "failed", (query, outcome)
            assert outcome.result is None and outcome.receipt is None
            late[query] = seconds % 1
            if late[query] < 0.35:
                break
        shapes[query] = [(kind, size) for who, kind, size, _ in outcome.trace if who == "room" and kind in ("progress", "failed")]
    assert len(set(map(str, shapes.values()))) == 1, shapes
    assert all(seconds < 0.35 for seconds in late.values()), late
    figure(f"failing runs end at whole seconds; the latest {max(late.values()):.2f} s after one ({len(late)} causes, equal traces)")
    documents = world.host.documents(world.contracts["full"], world.request(world.contracts["full"], "benign", "last.request"))
    assert world.host.play(documents).end == "receipt", "the room serves the next job"
