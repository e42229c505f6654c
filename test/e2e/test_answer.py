"""Two parties join row-level tables, one of them in many parts, and get the exact answer."""
import csv
import io
import os
import random

import pytest

from stack import Refused, Stack

CUSTOMERS = 3000
PURCHASES = 40000


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answer")
    stack = Stack(folder / "stack", ["bank", "shop"])
    random.seed(7)
    stack.customers = [(i, random.choice(["north", "south", "east", "isle"] if i % 500 == 0 else ["north", "south", "east"]),
                        random.randrange(18, 90)) for i in range(CUSTOMERS)]
    stack.purchases = [(random.randrange(CUSTOMERS + 200), f"{random.randrange(1, 100000) / 100:.2f}",
                        f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}") for _ in range(PURCHASES)]
    (folder / "customers.csv").write_text("id,region,age\n" + "".join(f"{i},{r},{a}\n" for i, r, a in stack.customers))
    (folder / "purchases.csv").write_text("customer,amount,day\n" + "".join(f"{c},{a},{d}\n" for c, a, d in stack.purchases))
    customers = stack.seal("bank", "customers", folder / "customers.csv", entity="id", min_entities=20)
    purchases = stack.seal("shop", "purchases", "--sql",
                           f"SELECT customer, CAST(amount AS DECIMAL(12,2)) AS amount, day FROM read_csv('{folder}/purchases.csv')",
                           entity="customer", min_entities=20, options=("--rows-per-part", "4096"))
    assert len(list((purchases / "parts").glob("*.sealed"))) == 10
    stack.contract = stack.agree({
        "title": "Spending by region",
        "parties": ["bank", "shop"],
        "datasets": [{"table": "customers", "folder": str(customers)}, {"table": "purchases", "folder": str(purchases)}],
        "queries": [{
            "name": "spending",
            "sql": "WITH core AS (SELECT c.region AS region, count(*) AS n, sum(p.amount) AS total FROM customers AS c "
                   "JOIN purchases AS p ON c.id = p.customer WHERE c.age >= $age AND p.day >= $since GROUP BY c.region) "
                   "SELECT region, n, total FROM core ORDER BY region",
            "parameters": [{"name": "age", "type": "INTEGER", "min": "18", "max": "99"},
                           {"name": "since", "type": "DATE", "min": "2026-01-01", "max": "2026-12-31", "public": False}],
            "max_rows": 100}],
        "queriers": ["bank"], "recipients": ["bank", "shop"], "days": 5})
    yield stack
    stack.close()


def expected(stack, age, since, least=20):
    customers = {i: (region, years) for i, region, years in stack.customers}
    cells = {}
    for customer, amount, day in stack.purchases:
        region, years = customers.get(customer, (None, 0))
        if region is not None and years >= age and day >= since:
            count, cents, who = cells.get(region, (0, 0, set()))
            cells[region] = (count + 1, cents + round(float(amount) * 100), who | {customer})
    return [[region, str(count), f"{cents // 100}.{cents % 100:02}"] for region, (count, cents, who) in sorted(cells.items())
            if len(who) >= least]


def rows(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("age,since", [(18, "2026-01-01"), (65, "2026-06-15"), (88, "2026-12-01")])
def test_the_answer_is_exact_and_small_groups_are_absent(world, age, since):
    answer = world.answer(world.contract, "spending", "bank", {"age": age, "since": since})
    assert rows(answer) == [["region", "n", "total"], *expected(world, age, since)]
    assert "isle" not in answer


def test_the_answer_is_the_same_on_every_run(world):
    parameters = {"age": 30, "since": "2026-03-01"}
    first = world.answer(world.contract, "spending", "bank", parameters)
    assert all(world.answer(world.contract, "spending", "bank", parameters) == first for _ in range(2))


def test_the_answer_is_the_same_on_every_number_of_threads(world):
    parameters = {"age": 25, "since": "2026-02-01"}
    first = world.answer(world.contract, "spending", "bank", parameters)
    for threads in (1, 2, 5, 16):
        with world.other_room("--threads", threads):
            assert world.answer(world.contract, "spending", "bank", parameters) == first


def test_every_recipient_opens_it_and_the_request_tells_who(world):
    run = world.run(world.contract, "spending", "bank", {"age": 20, "since": "2026-01-01"}, options=("--recipient", "shop"))
    assert rows(world.open(run, "shop"))[1:] == expected(world, 20, "2026-01-01")
    with pytest.raises(Refused):
        world.open(run, "bank")


def test_a_parameter_that_is_not_public_is_nowhere_at_the_host(world):
    canary = "2026-11-19"
    world.run(world.contract, "spending", "bank", {"age": 20, "since": canary})
    for path in world.service_folder("host").rglob("*"):
        if path.is_file() and not path.is_socket():
            assert canary.encode() not in path.read_bytes(), path


def test_outside_its_domain_a_parameter_is_refused_before_anything_is_sent(world):
    with pytest.raises(Refused) as refusal:
        world.run(world.contract, "spending", "bank", {"age": 100, "since": "2026-01-01"})
    assert "contract.parameter.above" in refusal.value.stderr and "age" in refusal.value.stderr


def test_who_is_no_querier_cannot_ask(world):
    with pytest.raises(Refused) as refusal:
        world.run(world.contract, "spending", "shop", {"age": 20, "since": "2026-01-01"})
    assert "run.querier" in refusal.value.stderr


def test_owners_see_who_ran_what(world):
    before = len(world.truce_json("releases", party="shop")["value"])
    world.run(world.contract, "spending", "bank", {"age": 40, "since": "2026-01-01"})
    assert len(world.truce_json("releases", party="shop")["value"]) == before + 1


def test_a_revoked_contract_runs_no_more(world, tmp_path):
    world.truce("contract", "revoke", world.contract, "--yes", party="shop")
    with pytest.raises(Refused):
        world.run(world.contract, "spending", "bank", {"age": 20, "since": "2026-01-01"})
