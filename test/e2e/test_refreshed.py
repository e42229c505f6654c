"""Data that is refreshed: the contract pins schema, policy and least version; the owner publishes a new version and nobody signs again."""
import csv
import io
import json
import shutil
import subprocess
import time

import pytest

from party_home import BUILD, Place

DENIED, UNTRUSTED, NOT_FOUND = 13, 14, 15
PROGRAMS = ["truce", "truce-query", "truce-attest", "truce-vault", "truce-host", "truce-room-sim", "truce-sim-chip", "truce-simulation-init"]
missing = [name for name in PROGRAMS if not (BUILD / "src/main" / name).exists()]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")

SQL = """SELECT p.city AS city, count(DISTINCT p.id) AS people, sum(s.amount) AS amount
FROM people p JOIN sales s ON p.id = s.person GROUP BY p.city ORDER BY city"""
PEOPLE_RULES = ["--entity", "id", "--min-entities", "5", "--namespace", "person", "--refreshed"]


def specification(place):
    spec = {
        "title": "Sales per city, month by month", "parties": ["shop", "town"],
        "datasets": [{"table": "people", "folder": str(place.home / "parties/town/datasets/people/1")},
                     {"table": "sales", "folder": str(place.home / "parties/shop/datasets/sales/1")}],
        "queries": [{"name": "per-city", "sql": SQL, "seconds": 60, "memory_mb": 512}],
        "queriers": ["shop"], "recipients": ["shop"], "days": 2,
    }
    (place.folder / "spec.json").write_text(json.dumps(spec))


def write_people(place, name, cities, columns="id,city"):
    with open(place.folder / name, "w") as file:
        file.write(columns + "\n")
        for i in range(300):
            file.write(f"{i},{cities[i % len(cities)]}" + (",0\n" if columns.count(",") == 2 else "\n"))


def seal_people(place, file, version, *rules, upload=True):
    place.truce("dataset", "seal", "people", place.folder / file, "--party", "town", "--version", version, *(rules or PEOPLE_RULES),
                *(["--upload"] if upload else []))


def refresh(place, version):
    return place.json("contract", "refresh", "contract.json", "people", "--version", version, "--party", "town")


def ask(place, *words):
    return place.json("run", "contract.json", "per-city", "--party", "shop", "--wait", *words)["run"]


def answer(place, run):
    opened = place.json("result", "open", run, "--party", "shop", "--accept-simulated")
    return {row[0]: int(row[1]) for row in list(csv.reader(io.StringIO(opened["csv"])))[1:]}


def receipt(place, run, name):
    host = json.loads((place.home / "stack/host/host.json").read_text())
    (place.folder / name).write_bytes(subprocess.run(
        ["curl", "-sSf", "--cacert", place.home / "stack/ca.pem", "-H", f"Authorization: Bearer {host['token']}",
         f"{host['host']}/v1/jobs/{run}/receipt"], check=True, stdout=subprocess.PIPE).stdout)
    return place.json("receipt", "verify", name, "--trust", "trust.json", "--accept-simulated")["statement"]["predicate"]


@pytest.fixture(scope="module")
def place():
    place = Place()
    place.make_parties("shop", "town")
    place.truce("up", "--party", "shop", "--party", "town")
    write_people(place, "people1.csv", ["Ghent", "Lille"])
    write_people(place, "people2.csv", ["Ghent", "Lille", "Metz"])
    write_people(place, "wider.csv", ["Ghent"], "id,city,age")
    with open(place.folder / "sales.csv", "w") as file:
        file.write("person,amount\n")
        for i in range(1000):
            file.write(f"{i % 300},{i % 50}\n")
    seal_people(place, "people1.csv", 1)
    place.truce("dataset", "seal", "sales", place.folder / "sales.csv", "--party", "shop", "--entity", "none", "--upload")
    specification(place)
    place.truce("contract", "draft", "spec.json", "--refreshed", "people", "--party", "shop", "-o", "draft.json")
    for party in ("shop", "town"):
        place.truce("contract", "sign", "draft.json", "--party", party, "--yes", "-o", f"{party}.json")
    place.truce("contract", "merge", "shop.json", "town.json", "-o", "contract.json")
    for party in ("shop", "town"):
        place.truce("contract", "publish", "contract.json", "--party", party)
    place.truce("receipt", "trust", "-o", "trust.json", "--party", "shop")
    yield place
    place.remove()


@pytest.fixture(scope="module")
def first(place):
    assert place.refusal("run", "contract.json", "per-city", "--party", "shop")[0] == NOT_FOUND, "no key was given yet"
    assert refresh(place, 1)["version"] == 1
    return ask(place)


@pytest.fixture(scope="module")
def second(place, first):
    seal_people(place, "people2.csv", 2)
    assert refresh(place, 2)["version"] == 2
    return ask(place)


def stored(place, *parts):
    return next((place.home / "stack/host").rglob("/".join(parts)))


def ends(place, *words):
    """The reason with which a run ends that the host has changed something about."""
    run = place.json("run", "contract.json", "per-city", "--party", "shop", *words)["run"]
    for _ in range(300):
        job = place.json("job", "show", run, "--party", "shop")
        if job["state"] in ("refused", "failed", "done", "expired"):
            return job["state"], job.get("reason")
        time.sleep(0.1)
    raise AssertionError(job)


def test_the_contract_says_so(place):
    text = place.truce("contract", "explain", "contract.json", "--party", "town")
    assert "ITS ROWS ARE NOT FIXED" in text and "any version from 1 on" in text
    payload = json.loads((place.folder / "draft.json").read_text())
    assert sorted(payload["datasets"][0]["refreshed"]) == ["schema", "version"] and "manifest" not in payload["datasets"][0]
    assert "manifest" in payload["datasets"][1] and "refreshed" not in payload["datasets"][1]


def test_a_new_version_changes_the_answer_and_nobody_signs(place, first, second):
    before = (place.folder / "contract.json").read_bytes()
    assert answer(place, first) == {"Ghent": 150, "Lille": 150}
    assert answer(place, second) == {"Ghent": 100, "Lille": 100, "Metz": 100}
    old, new = receipt(place, first, "first.json"), receipt(place, second, "second.json")
    assert old["contract"] == new["contract"] and old["grants"] == new["grants"]
    versions = [{row["dataset"]: (row["version"], row["manifest"]) for row in predicate["inputs"]} for predicate in (old, new)]
    shown = place.json("dataset", "show", "people", "--version", "2", "--party", "town")
    assert versions[0]["town/people"][0] == 1 and versions[1]["town/people"] == (2, shown["manifest"])
    assert versions[0]["shop/sales"] == versions[1]["shop/sales"]
    assert [row["dataset"] for row in new["key_updates"]] == ["town/people"] and old["key_updates"] != new["key_updates"]
    assert before == (place.folder / "contract.json").read_bytes()


def test_the_querier_may_ask_for_an_older_version(place, second):
    run = ask(place, "--version", "people=1")
    assert answer(place, run) == {"Ghent": 150, "Lille": 150}
    assert place.refusal("run", "contract.json", "per-city", "--party", "shop", "--version", "people=3")[0] == NOT_FOUND


def test_the_host_cannot_serve_another_version(place, second):
    manifest = stored(place, "datasets/town/people/2/manifest.json")
    digest = place.json("dataset", "show", "people", "--version", "2", "--party", "town")["manifest"].removeprefix("sha256:")
    document = stored(place, f"documents/{digest}.json")
    kept = document.read_bytes()
    document.write_bytes(stored(place, "datasets/town/people/1/manifest.json").read_bytes())
    try:
        assert ends(place) == ("refused", "run.manifest (people)")
    finally:
        document.write_bytes(kept)
    assert manifest.exists()


def test_the_host_cannot_exchange_keys(place, second):
    update = stored(place, "keys/town/people/2.json")
    kept = update.read_bytes()
    other = json.loads(stored(place, "keys/town/people/1.json").read_text())
    changed = json.loads(kept)
    try:
        update.write_text(json.dumps(other))
        status, why = place.refusal("run", "contract.json", "per-city", "--party", "shop", "--version", "people=2")
        assert (status, why) == (UNTRUSTED, "run.version"), "the querier sees it first"
        changed["payload"] = other["payload"]
        update.write_text(json.dumps(changed))
        assert place.refusal("run", "contract.json", "per-city", "--party", "shop") == (UNTRUSTED, "jws.signature")
    finally:
        update.write_bytes(kept)
    assert ends(place)[0] == "done"


def test_what_the_owner_cannot_do(place, second):
    seal_people(place, "wider.csv", 5, upload=False)
    assert place.refusal("contract", "refresh", "contract.json", "people", "--version", "5", "--party", "town") == (
        UNTRUSTED, "bundle.policy.digest"), "the rules list every column, so another schema has another policy"
    shutil.rmtree(place.home / "parties/town/datasets/people/5")
    seal_people(place, "wider.csv", 5, *PEOPLE_RULES, "--column", "id", "--column", "city", upload=False)
    assert place.refusal("contract", "refresh", "contract.json", "people", "--version", "5", "--party", "town") == (
        UNTRUSTED, "bundle.manifest.schema")
    rules = ["--entity", "id", "--min-entities", "2", "--namespace", "person", "--refreshed"]
    seal_people(place, "people2.csv", 6, *rules, upload=False)
    assert place.refusal("contract", "refresh", "contract.json", "people", "--version", "6", "--party", "town") == (
        UNTRUSTED, "bundle.policy.digest")
    seal_people(place, "people2.csv", 7, *PEOPLE_RULES[:-1], upload=False)
    assert place.refusal("contract", "refresh", "contract.json", "people", "--version", "7", "--party", "town") == (
        UNTRUSTED, "bundle.policy.digest"), "a policy for one version only"


def test_what_others_cannot_do(place, second):
    folder = place.home / "parties/town/datasets/people/2"
    assert place.refusal("contract", "refresh", "contract.json", folder, "--party", "shop") == (
        DENIED, "contract.refresh.not_the_owner")
    assert place.refusal("contract", "refresh", "contract.json", "sales", "--party", "shop") == (DENIED, "contract.refresh.pinned")


def test_a_least_version(place, second):
    """A contract that was drafted over version 2 takes no version 1."""
    spec = json.loads((place.folder / "spec.json").read_text())
    spec["datasets"][0] = {"table": "people", "folder": str(place.home / "parties/town/datasets/people/2"), "refreshed": True}
    (place.folder / "spec2.json").write_text(json.dumps(spec))
    place.truce("contract", "draft", "spec2.json", "--party", "shop", "-o", "draft2.json")
    for party in ("shop", "town"):
        place.truce("contract", "sign", "draft2.json", "--party", party, "--yes", "-o", f"{party}2.json")
    place.truce("contract", "merge", "shop2.json", "town2.json", "-o", "contract2.json")
    assert place.refusal("contract", "refresh", "contract2.json", "people", "--version", "1", "--party", "town") == (
        DENIED, "bundle.manifest.version")
