"""Loading on demand gives the answer that loading all gives, and is a term that the contract says; a room that keeps ciphertext asks once."""
import json

import pytest

from confidential import World, missing

pytestmark = pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")

ROWS = 400_000
SPECIFICATION = {
    "title": "Loading", "parties": ["bank", "shop"],
    "queries": [{"name": "all", "max_rows": 100,
                 "sql": "WITH core AS (SELECT s.store AS store, count(*) AS n, sum(s.price) AS price, sum(o.customer) AS customers FROM sales AS s "
                        "JOIN orders AS o ON s.sale = o.sale GROUP BY s.store) SELECT store, n, price, customers FROM core ORDER BY store"},
                {"name": "few", "max_rows": 100,
                 "sql": "WITH core AS (SELECT s.store AS store, count(*) AS n, sum(s.note) AS note FROM sales AS s WHERE s.sale < 1000 GROUP BY s.store) "
                        "SELECT store, n, note FROM core ORDER BY store"}],
    "queriers": ["bank"], "recipients": ["bank"], "days": 5}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loading")
    world = World(folder / "stack", ["bank", "shop"])
    sales = world.seal("shop", "sales", "--sql", "SELECT i AS sale, (i * 7919 % 50)::INTEGER AS store, (i * 104729 % 100003)::INTEGER AS price, "
                       f"(hash(i) % 1000000007)::BIGINT AS note FROM range({ROWS}) AS r(i)", options=("--rows-per-part", "150000"))
    orders = world.seal("bank", "orders", "--sql", f"SELECT i AS sale, (i * 31 % 90001)::INTEGER AS customer FROM range({ROWS}) AS r(i)")
    datasets = [{"table": "sales", "folder": str(sales)}, {"table": "orders", "folder": str(orders)}]
    world.everything = world.agree({**SPECIFICATION, "datasets": datasets}, "all.json")
    world.demand = world.agree({**SPECIFICATION, "datasets": datasets, "loading": "on-demand"}, "demand.json")
    yield world
    world.close()


def asked(world, contract, query):
    """The answer, and the segments that the host was asked for."""
    before = len(world.recorder.frames("room"))
    job = world.ask(contract, query, "bank", {})
    assert job["state"] == "done", job
    frames = world.recorder.frames("room")[before:]
    return world.open(job["run"], "bank"), [payload for kind, payload in frames if kind == "segments_request"]


def segments(requests):
    return sum(json.loads(request)["count"] for request in requests)


def exact():
    """Columns of few values are dictionaries in the file, one per row group, and the engine must not take one for another."""
    cells = {}
    for i in range(ROWS):
        cell = cells.setdefault(i * 7919 % 50, [0, 0, 0])
        for place, number in enumerate((1, i * 104729 % 100003, i * 31 % 90001)):
            cell[place] += number
    return "store,n,price,customers\n" + "".join(f"{store},{n},{price},{customers}\n" for store, (n, price, customers) in sorted(cells.items()))


def test_the_answers_are_the_same_and_so_is_every_request_of_loading_all(world):
    everything, first = asked(world, world.everything, "all")
    again, second = asked(world, world.everything, "all")
    demand, _ = asked(world, world.demand, "all")
    assert everything == again == demand == exact()
    assert first == second


def test_on_demand_reads_less_where_the_query_needs_less(world):
    everything, all_requests = asked(world, world.everything, "few")
    demand, requests = asked(world, world.demand, "few")
    assert everything == demand
    assert segments(requests) < segments(all_requests) / 2


def test_the_contract_says_what_loading_on_demand_shows(world):
    assert "LOADING ON DEMAND" in world.truce("contract", "explain", world.demand, party="bank")
    assert "LOADING ON DEMAND" not in world.truce("contract", "explain", world.everything, party="bank")


def test_a_room_that_keeps_ciphertext_asks_once(world):
    expected, first = asked(world, world.everything, "all")
    world.kill("room")
    world.start("room", world.program.parent / "truce-room-sim", "serve", world.service_folder("room"), "--host", world.recorder.path,
                "--keep-ciphertext", "1")
    world.wait_for_rooms(1)
    answer, cold = asked(world, world.everything, "all")
    assert answer == expected and cold == first
    answer, warm = asked(world, world.everything, "all")
    assert answer == expected and warm == []
    few, _ = asked(world, world.everything, "few")
    answer, again = asked(world, world.everything, "all")
    assert answer == expected and again == first, "other columns took the place"
    assert len(few.splitlines()) == 51
