"""The path of a job with the command `truce` alone: two parties, a local stack, one verified answer, and refusals on the way."""
import csv
import io
import json
import shutil
import subprocess

import pytest

from party_home import BUILD, Place, TRUCE

USAGE, DENIED, UNTRUSTED, NOT_FOUND, CONFLICT, EXPIRED = 2, 13, 14, 15, 16, 17
PROGRAMS = ["truce", "truce-query", "truce-template-engine", "truce-attest", "truce-vault", "truce-host", "truce-room-sim", "truce-sim-chip", "truce-simulation-init"]
missing = [name for name in PROGRAMS if not (BUILD / "src/main" / name).exists()]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")

SQL = """SELECT p.city AS city, count(DISTINCT p.id) AS people, sum(s.amount) AS amount
FROM people p JOIN sales s ON p.id = s.person WHERE s.day >= $since AND p.age >= $age GROUP BY p.city ORDER BY city"""


def specification(place, **changes):
    spec = {
        "title": "Sales per city", "parties": ["shop", "town"],
        "datasets": [{"table": "people", "folder": str(place.home / "parties/town/datasets/people/1")},
                     {"table": "sales", "folder": str(place.home / "parties/shop/datasets/sales/1")}],
        "queries": [{"name": "per-city", "sql": SQL, "seconds": 60, "memory_mb": 512,
                     "parameters": [{"name": "since", "type": "DATE", "min": "2025-01-01", "max": "2026-12-31"},
                                    {"name": "age", "type": "INTEGER", "public": False, "min": "0", "max": "120"}]}],
        "queriers": ["shop"], "recipients": ["shop", "town"], "days": 2,
    }
    spec.update(changes)
    file = place.folder / "spec.json"
    file.write_text(json.dumps(spec))
    return file


def write_data(place):
    cities = ["Ghent", "Lille", "Metz", "Nancy"]
    with open(place.folder / "people.csv", "w") as file:
        file.write("id,city,age\n")
        for i in range(400):
            city = cities[i % 3] if i % 100 else cities[3]  # Nancy has 4 people, fewer than the threshold
            file.write(f"{i},{city},{i % 90}\n")
    with open(place.folder / "sales.csv", "w") as file:
        file.write("person,day,amount\n")
        for i in range(3000):
            file.write(f"{(i * 7) % 450},2026-{i % 12 + 1:02}-{i % 28 + 1:02},{i % 500}\n")


@pytest.fixture(scope="module")
def place():
    place = Place()
    write_data(place)
    place.make_parties("shop", "town")
    place.truce("up", "--party", "shop", "--party", "town")
    place.truce("dataset", "seal", "people", place.folder / "people.csv", "--party", "town", "--entity", "id", "--min-entities",
                "5", "--namespace", "person", "--upload")
    place.truce("dataset", "seal", "sales", place.folder / "sales.csv", "--party", "shop", "--entity", "none", "--rows-per-part",
                "1000", "--upload")
    place.truce("contract", "draft", specification(place), "--party", "shop", "-o", "draft.json")
    for party in ("shop", "town"):
        place.truce("contract", "sign", "draft.json", "--party", party, "--yes", "-o", f"{party}.json")
    place.truce("contract", "merge", "shop.json", "town.json", "-o", "contract.json")
    for party in ("shop", "town"):
        place.truce("contract", "publish", "contract.json", "--party", party)
    yield place
    place.remove()


@pytest.fixture(scope="module")
def run(place):
    words = ["run", "contract.json", "per-city", "--param", "since=2026-03-01", "--param", "age=18", "--party", "shop", "--wait"]
    return place.json(*words)["run"]


@pytest.fixture(scope="module")
def files(place, run):
    """Result and receipt as files, as a mail would bring them."""
    host = json.loads((place.home / "stack/host/host.json").read_text())
    for name in ("result", "receipt"):
        (place.folder / f"{name}.json").write_bytes(subprocess.run(
            ["curl", "-sSf", "--cacert", place.home / "stack/ca.pem", "-H", f"Authorization: Bearer {host['token']}",
             f"{host['host']}/v1/jobs/{run}/{name}"], check=True, stdout=subprocess.PIPE).stdout)
    place.truce("receipt", "trust", "-o", "trust.json", "--party", "shop")
    return place


def expected(place):
    people = {int(row["id"]): row for row in csv.DictReader(open(place.folder / "people.csv")) if int(row["age"]) >= 18}
    answer = {}
    for row in csv.DictReader(open(place.folder / "sales.csv")):
        person = people.get(int(row["person"]))
        if person and row["day"] >= "2026-03-01":
            seen, amount = answer.setdefault(person["city"], (set(), 0))
            seen.add(person["id"])
            answer[person["city"]] = (seen, amount + int(row["amount"]))
    return [[city, str(len(seen)), str(amount)] for city, (seen, amount) in sorted(answer.items()) if len(seen) >= 5]


def test_the_answer(place, run):
    place.truce("result", "open", run, "--party", "shop", "--accept-simulated", "-o", "answer.csv")
    rows = list(csv.reader(open(place.folder / "answer.csv")))
    assert rows[0] == ["city", "people", "amount"]
    assert rows[1:] == expected(place)
    assert len(rows) == 4, "the town with too few people is not there"
    opened = place.json("result", "open", run, "--party", "town", "--accept-simulated")
    assert list(csv.reader(io.StringIO(opened["csv"]))) == rows


def test_other_formats(place, run):
    words = ["result", "open", run, "--party", "town", "--accept-simulated"]
    lines = [json.loads(line) for line in place.truce(*words, "--format", "jsonl").splitlines()]
    assert [[str(value) for value in line.values()] for line in lines] == expected(place)
    place.truce(*words, "--format", "parquet", "-o", "answer.parquet")
    assert (place.folder / "answer.parquet").read_bytes()[:4] == b"PAR1"
    assert place.refusal(*words, "--format", "arrow")[1] == "result.format.arrow"


def test_receipt_before_result(place, run, files):
    assert place.refusal("result", "open", run, "--party", "shop") == (UNTRUSTED, "receipt.simulated")
    result = (place.folder / "result.json").read_text()
    at = result.index('"ciphertext":"') + 60
    (place.folder / "changed.json").write_text(result[:at] + ("A" if result[at] != "A" else "B") + result[at + 1:])
    words = ["result", "open", "changed.json", "--receipt", "receipt.json", "--party", "shop", "--accept-simulated", "-o", "x.csv"]
    status, why = place.refusal(*words)
    assert status == UNTRUSTED and why.startswith("receipt.")
    assert not (place.folder / "x.csv").exists()
    words[2] = "result.json"
    place.truce(*words)


def test_result_of_another_run(place, run, files):
    other = place.json("run", "contract.json", "per-city", "-p", "since=2026-04-01", "-p", "age=20", "--party", "shop", "--wait")["run"]
    host = json.loads((place.home / "stack/host/host.json").read_text())
    foreign = subprocess.run(["curl", "-sSf", "--cacert", place.home / "stack/ca.pem", "-H", f"Authorization: Bearer {host['token']}",
                              f"{host['host']}/v1/jobs/{other}/result"], check=True, stdout=subprocess.PIPE).stdout
    (place.folder / "other.json").write_bytes(foreign)
    status, why = place.refusal("result", "open", "other.json", "--receipt", "receipt.json", "--party", "shop",
                                "--accept-simulated")
    assert status == UNTRUSTED and why.startswith("receipt.")


def test_receipt_verify(files):
    words = ["receipt", "verify", "receipt.json", "--trust", "trust.json"]
    assert files.refusal(*words) == (UNTRUSTED, "receipt.simulated")
    report = files.json(*words, "--accept-simulated", "--result", "result.json")
    assert report["statement"]["predicateType"] == "urn:truce:receipt:1" and report["relied_on"]
    assert files.json("receipt", "show", "receipt.json") == report["statement"]
    status, why = files.refusal(*words, "--accept-simulated", "--result", "trust.json")
    assert status == UNTRUSTED and why.startswith("receipt.")
    trust = json.loads((files.folder / "trust.json").read_text())
    for member in ("parties", "authorities", "measurements", "roots"):
        (files.folder / "less.json").write_text(json.dumps(dict(trust, **{member: []})))
        status, _ = files.refusal("receipt", "verify", "receipt.json", "--trust", "less.json", "--accept-simulated")
        assert status >= 10, member


def test_strangers_result_is_not_shown(files):
    stranger = Place()
    try:
        stranger.truce("party", "init", "stranger")
        status, why = stranger.refusal("result", "open", files.folder / "result.json", "--receipt", files.folder / "receipt.json",
                                       "--trust", files.folder / "trust.json", "--accept-simulated")
        assert (status, why) == (UNTRUSTED, "receipt.contract_unknown")
    finally:
        stranger.remove()


def test_releases_and_jobs(place, run):
    releases = place.json("releases", "--party", "town")["value"]
    contract = place.json("contract", "show", "contract.json")["contract"]
    assert releases and all(row["contract"] == contract for row in releases)
    assert place.json("job", "show", run, "--party", "shop")["state"] == "done"
    assert run in place.truce("job", "list", "--party", "town")
    assert run in place.truce("job", "list", "contract.json", "--party", "town")
    assert place.run("job", "show", "xyz", "--party", "shop").returncode == USAGE


@pytest.mark.parametrize("words, want", [
    (["--param", "since=2026-01-01"], "usage"),
    (["--param", "since=2026-01-01", "--param", "age=18", "--param", "more=1"], "usage"),
    (["--param", "since=2024-01-01", "--param", "age=18"], "contract.parameter.below"),
    (["--param", "since=2027-01-01", "--param", "age=18"], "contract.parameter.above"),
    (["--param", "since=yesterday", "--param", "age=18"], "value.form"),
    (["--param", "since=2026-01-01", "--param", "age=18", "--recipient", "nobody"], "contract.party.unknown"),
])
def test_run_is_refused_before_it_is_sent(place, words, want):
    finished = place.run("run", "contract.json", "per-city", *words, "--party", "shop", "--json")
    error = json.loads(finished.stdout)["error"]
    assert want in (error["why"], error["code"]), error


def test_only_queriers_run(place):
    assert place.refusal("run", "contract.json", "per-city", "-p", "since=2026-01-01", "-p", "age=1", "--party",
                         "town") == (DENIED, "run.querier")
    assert place.refusal("run", "contract.json", "other", "--party", "shop")[0] == NOT_FOUND


def test_request_is_a_file_too(place):
    place.truce("run", "contract.json", "per-city", "-p", "since=2026-05-01", "-p", "age=77", "--party", "shop", "-o",
                "request.json")
    request = (place.folder / "request.json").read_text()
    assert json.loads(request)["signatures"] and "77" not in json.dumps(payload(request)["parameters"])
    assert "sealed_parameters" in payload(request)


def test_request_by_mail(place):
    place.truce("run", "contract.json", "per-city", "-p", "since=2026-05-01", "-p", "age=18", "--party", "shop", "-o", "mail.json")
    run = place.json("job", "send", "mail.json", "--party", "town")["run"]
    assert place.json("job", "show", run, "--wait", "--party", "town")["state"] == "done"
    assert place.refusal("job", "send", "contract.json", "--party", "town")[0] >= 10


def test_explain_has_the_policies(place):
    text = place.truce("contract", "explain", "contract.json", "--party", "shop")
    assert "at least 5 distinct values of id" in text and "yourself" in text and "known" in text


def payload(document):
    import base64
    return json.loads(base64.urlsafe_b64decode(json.loads(document)["payload"] + "=="))


def test_executed_text(place):
    words = ["contract", "executed", "contract.json", "per-city", "-p", "since=2026-03-01", "-p", "age=18", "--party", "shop"]
    text = place.truce(*words)  # the schema of the other party's data comes from the host
    assert text == place.truce(*words, "--dataset", place.home / "parties/town/datasets/people/1")
    assert "2026-03-01" in text and ">= 5" in text
    assert place.run(*words[:-4], "--party", "shop").returncode == USAGE


def test_sign_refusals(place):
    assert place.refusal("contract", "sign", "contract.json", "--party", "shop", "--yes") == (CONFLICT,
                                                                                             "contract.signed_already")
    # Without --yes and without a terminal nothing is signed.
    assert place.refusal("contract", "sign", "draft.json", "--party", "shop") == (DENIED, "contract.not_confirmed")
    loner = Place()
    try:
        loner.truce("party", "init", "shop")
        status, why = loner.refusal("contract", "sign", place.folder / "draft.json", "--yes")
        assert status in (UNTRUSTED, NOT_FOUND) and why.startswith("contract.party.")
    finally:
        loner.remove()


def test_expired_contract(place):
    spec = specification(place, days=None, valid={"from": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z"})
    content = json.loads(spec.read_text())
    del content["days"]
    spec.write_text(json.dumps(content))
    place.truce("contract", "draft", spec, "--party", "shop", "-o", "old.json")
    assert place.refusal("contract", "sign", "old.json", "--party", "shop", "--yes") == (EXPIRED, "contract.expired")


def test_merge_and_verify_refusals(place):
    place.truce("contract", "draft", specification(place, title="Another"), "--party", "shop", "-o", "another.json")
    assert place.refusal("contract", "merge", "shop.json", "another.json", "-o", "x.json") == (CONFLICT, "contract.merge.other")
    assert place.refusal("contract", "verify", "shop.json", "--party", "shop") == (NOT_FOUND, "contract.signature.missing")
    contract = json.loads((place.folder / "contract.json").read_text())
    contract["signatures"][0]["signature"] = contract["signatures"][1]["signature"]
    (place.folder / "forged.json").write_text(json.dumps(contract))
    status, _ = place.refusal("contract", "verify", "forged.json", "--party", "shop")
    assert status == UNTRUSTED
    assert place.json("contract", "verify", "contract.json", "--party", "shop", "--grant", "grant.town.json")["verified"]
    shutil.copy(place.folder / "grant.town.json", place.folder / "grant.json")
    grant = json.loads((place.folder / "grant.json").read_text())
    grant["signatures"][0]["signature"] = contract["signatures"][0]["signature"]
    (place.folder / "grant.json").write_text(json.dumps(grant))
    assert place.refusal("contract", "verify", "contract.json", "--party", "shop", "--grant", "grant.json")[0] == UNTRUSTED


def test_draft_refuses_sql(place):
    spec = specification(place, queries=[{"name": "rows", "sql": "SELECT id, city FROM people"}])
    finished = place.run("contract", "draft", spec, "--party", "shop", "-o", "x.json", "--json")
    error = json.loads(finished.stdout)["error"]
    assert finished.returncode == DENIED and error["why"] == "sql.refused" and "queries[0] rows" in error["where"]


def test_draft_tells_the_place_in_what_was_written(place):
    for sql, want in (("SELECT city, id, count(*) AS n\nFROM people GROUP BY city", 'must be in GROUP BY or in an aggregate, at "id, count(*) AS n"'),
                      ("SELECT city, count(*) AS n\nFROM people WHERE größe > 3 GROUP BY 1", 'no column "größe", at "größe > 3 GROUP BY 1"'),
                      ("WITH c AS (SELECT city, avg(id) AS n FROM people GROUP BY city) SELECT city, n FROM c", ', at "avg(id) AS n FROM people'),
                      ("SELECT city, count(*) AS n FROM people WHERE city = 5 GROUP BY city", "write the CAST")):
        spec = specification(place, queries=[{"name": "rows", "sql": sql}])
        finished = place.run("contract", "draft", spec, "--party", "shop", "-o", "x.json", "--json")
        error = json.loads(finished.stdout)["error"]
        assert finished.returncode == DENIED and error["why"] == "sql.refused" and want in error["where"], error


def test_draft_takes_plain_sql(place):
    spec = specification(place, queries=[{"name": "cities", "sql": "SELECT city, count(*) AS n FROM people GROUP BY 1 HAVING count(*) > 2 ORDER BY n"}])
    place.truce("contract", "draft", spec, "--party", "shop", "-o", "plain.json")
    payload = json.loads((place.folder / "plain.json").read_text())
    assert payload["queries"][0]["sql"] == (
        "WITH core AS (SELECT people.city AS city, count_star() AS n FROM people GROUP BY people.city)"
        "SELECT core.city AS city, core.n AS n FROM core WHERE (core.n > 2) ORDER BY core.n")
    shown = place.truce("contract", "explain", "plain.json", "--party", "shop")
    assert "| WITH core AS (SELECT people.city AS city, count_star() AS n\n      |     FROM people\n" in shown
    assert "| SELECT core.city AS city, core.n AS n\n      |     FROM core\n      |     WHERE (core.n > 2)\n" in shown


def test_upload_again_and_stack_again(place):
    place.truce("dataset", "upload", "sales", "--party", "shop")
    before = place.json("status")
    place.truce("up", "--party", "shop")
    assert place.json("status") == before
    assert all(service["running"] for service in before["services"])
    exports = place.truce("env", "town").splitlines()
    assert [line.split("=")[0] for line in exports] == [
        f"export {name}" for name in (
            "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST", "TRUCE_VAULT_URL",
            "TRUCE_ATTEST_URL", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")]


def test_upload_goes_on_where_it_was_interrupted(place):
    place.truce("dataset", "seal", "sales", place.folder / "sales.csv", "--party", "shop", "--entity", "none", "--version", "2")
    folder = place.home / "parties/shop/datasets/sales/2"
    host = json.loads((place.home / "stack/host/host.json").read_text())
    base = f"{host['host']}/v1/datasets/shop/sales/2"
    part = (folder / "parts/000000.sealed").read_bytes()
    half = len(part) // 2
    (place.folder / "half").write_bytes(part[:half])

    def curl(*words):
        return subprocess.run(["curl", "-sSf", "--cacert", place.home / "stack/ca.pem", "-H", f"Authorization: Bearer {host['token']}",
                               *words], check=True, stdout=subprocess.PIPE, text=True).stdout.lower()

    for name in ("manifest", "policy"):
        curl("-X", "PUT", "-H", "Content-Type: application/json", "--data-binary", f"@{folder}/{name}.json", f"{base}/{name}")
    curl("-T", place.folder / "half", "-H", f"Content-Range: bytes 0-{half - 1}/{len(part)}", f"{base}/parts/0/sealed")
    assert f"upload-offset: {half}" in curl("-I", f"{base}/parts/0/sealed")
    place.truce("dataset", "upload", "sales", "--version", "2", "--party", "shop")
    state = curl("-I", f"{base}/parts/0/sealed")
    assert " 200" in state.splitlines()[0] and f"upload-offset: {len(part)}" in state


def test_a_result_of_before_a_rotation(place, run):
    shutil.copytree(place.home / "parties/town", place.folder / "kept")
    try:
        place.truce("party", "rotate", "--party", "town")
        words = ["result", "open", run, "--party", "town", "--accept-simulated", "--trust", "trust.json", "-o", "late.csv"]
        place.truce(*words)
        assert list(csv.reader(open(place.folder / "late.csv")))[1:] == expected(place)
    finally:
        shutil.rmtree(place.home / "parties/town")
        shutil.move(place.folder / "kept", place.home / "parties/town")


def test_revoke_stops_new_runs(place, run):
    place.truce("contract", "revoke", "contract.json", "--party", "town")
    finished = place.run("run", "contract.json", "per-city", "-p", "since=2026-03-01", "-p", "age=18", "--party", "shop", "--wait",
                         "--json")
    assert finished.returncode >= 10


def test_down_stops_everything(place, run):
    assert place.json("down")["stopped"] == 5
    assert place.refusal("job", "list", "--party", "shop")[0] >= 10
    assert place.json("down")["stopped"] == 0
