"""The command `truce`: help, machine output, exit statuses and refusals of everything that needs no service."""
import base64
import json
import re
import shutil
import subprocess

import pytest

from party_home import Place, ROOT, TRUCE

USAGE = 2
INVALID, DENIED, UNTRUSTED, NOT_FOUND, CONFLICT, UNAUTHENTICATED = 11, 13, 14, 15, 16, 12

pytestmark = pytest.mark.skipif(not TRUCE.exists(), reason=f"{TRUCE} is not built")

COMMANDS = [
    ["up"], ["down"], ["status"], ["env"],
    *[["party", verb] for verb in ("init", "show", "trust", "connect", "rotate", "backup", "restore")],
    *[["dataset", verb] for verb in ("seal", "show", "verify", "upload")],
    *[["contract", verb] for verb in ("draft", "explain", "sign", "merge", "show", "verify", "publish", "revoke", "executed")],
    ["run"], ["job", "list"], ["job", "send"], ["job", "show"], ["releases"], ["result", "open"],
    ["receipt", "show"], ["receipt", "verify"], ["receipt", "trust"], ["room", "measure"], ["limits"],
]


@pytest.fixture
def place():
    place = Place()
    yield place
    place.remove()


@pytest.fixture
def pair(place):
    place.make_parties("alpha", "beta")
    return place


@pytest.fixture(scope="module")
def shared_pair():
    """For tests that change nothing."""
    place = Place()
    place.make_parties("alpha", "beta")
    yield place
    place.remove()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(place, words):
    text = place.truce(*words, "--help")
    assert text.startswith(f"usage: truce {' '.join(words)}")
    assert "--json" in text and "--help" in text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_refuses_unknown_options(place, words):
    finished = place.run(*words, "--no-such-option")
    assert finished.returncode == USAGE
    assert "--no-such-option" in finished.stderr and "--help" in finished.stderr
    assert finished.stdout == ""


def test_overview_lists_every_command(place):
    text = place.truce("--help")
    for words in COMMANDS:
        assert re.search(rf"^  {' '.join(words)} +\S", text, re.M), words
    assert re.match(r"truce \d+\.\d+\.\d+\ncommit ([0-9a-f]{40}(\+changes)?|unknown)\ncompiler .+\nengine duckdb 1.5.6\n$", place.truce("--version"))


@pytest.mark.parametrize("words, want", [
    ([], "usage: truce"),
    (["contarct", "show"], 'Did you mean "contract"?'),
    (["party", "shwo"], 'Did you mean "show"?'),
    (["party"], "usage: truce party"),
    (["party", "init"], "argument is missing"),
    (["party", "init", "a", "b"], '"b" is one argument too many'),
    (["party", "show", "--party"], "--party needs a value"),
    (["party", "show", "--json=1"], "--json=1 takes no value"),
    (["party", "show", "--party", "a", "--party", "b"], "may be given once"),
])
def test_wrong_command_lines(place, words, want):
    finished = place.run(*words)
    assert finished.returncode == USAGE
    assert want in finished.stderr


def test_json_of_a_failure(place):
    finished = place.run("party", "show", "--json")
    assert finished.returncode == NOT_FOUND
    error = json.loads(finished.stdout)["error"]
    assert error["code"] == "not_found" and error["why"] == "party.none"
    assert "truce party init" in error["message"] and "truce party init" in finished.stderr


def test_party_files_are_private(place):
    shown = place.json("party", "init", "alpha")
    folder = place.home / "parties/alpha"
    assert shown["folder"] == str(folder) and re.fullmatch(r"sha256:[0-9a-f]{64}", shown["fingerprint"])
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("signing.pem", "result.pem", "storage.jwe", "card.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    assert "ENCRYPTED PRIVATE KEY" in (folder / "signing.pem").read_text()
    assert place.refusal("party", "init", "alpha") == (CONFLICT, "keystore.exists")
    assert place.refusal("party", "init", "Alpha") == (INVALID, "party.name")
    assert place.refusal("party", "init", "../x") == (INVALID, "party.name")


def test_party_must_be_named_where_there_are_several(shared_pair):
    pair = shared_pair
    finished = pair.run("party", "show")
    assert finished.returncode == USAGE and "--party" in finished.stderr
    assert pair.refusal("party", "show", "--party", "gamma") == (NOT_FOUND, "party.unknown")


def test_passphrase_without_terminal_and_from_bad_files(place):
    environment = {"TRUCE_PASSPHRASE_FILE": ""}
    assert place.refusal("party", "init", "alpha", **environment)[1] == "passphrase.no_terminal"
    assert place.refusal("party", "init", "alpha", "--passphrase-file", "/nowhere", **environment) == (NOT_FOUND,
                                                                                                   "file.not_found")
    empty = place.folder / "empty"
    empty.write_text("\n")
    assert place.refusal("party", "init", "alpha", "--passphrase-file", empty) == (INVALID, "file.empty")
    assert not (place.home / "parties/alpha/card.json").exists()


def test_wrong_passphrase(pair):
    wrong = pair.folder / "wrong"
    wrong.write_text("not this one\n")
    assert pair.refusal("party", "rotate", "--party", "alpha", "--passphrase-file", wrong) == (UNAUTHENTICATED,
                                                                                              "key.passphrase")
    assert pair.refusal("party", "backup", "b.json", "--party", "alpha", "--passphrase-file", wrong) == (UNAUTHENTICATED,
                                                                                                      "key.passphrase")


def test_trust_wants_the_right_fingerprint(place):
    place.truce("party", "init", "alpha")
    place.truce("party", "init", "beta")
    card = place.card("beta")
    words = ["party", "trust", card, "--party", "alpha"]
    assert place.refusal(*words, "--fingerprint", place.fingerprint("alpha")) == (UNTRUSTED, "trust.fingerprint.mismatch")
    assert place.refusal(*words) == (UNTRUSTED, "trust.fingerprint.missing")
    assert place.run(*words, "--fingerprint", "abc").returncode == USAGE
    assert place.refusal("party", "trust", place.card("alpha"), "--party", "alpha", "--fingerprint",
                         place.fingerprint("alpha")) == (CONFLICT, "trust.self")
    assert place.json(*words, "--fingerprint", place.fingerprint("beta"))["name"] == "beta"


def test_tampered_card(pair):
    card = json.loads(pair.card("beta").read_text())
    payload = json.loads(base64.urlsafe_b64decode(card["payload"] + "=="))
    payload["name"] = "gamma"
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    card["payload"] = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    changed = pair.folder / "changed.json"
    changed.write_text(json.dumps(card))
    status, why = pair.refusal("party", "trust", changed, "--party", "alpha", "--fingerprint", pair.fingerprint("beta"))
    assert (status, why) == (UNTRUSTED, "jws.signature")
    changed.write_text("{")
    assert pair.refusal("party", "trust", changed, "--party", "alpha")[0] == INVALID


def test_rotation_is_followed_and_a_stranger_is_not(pair):
    before = pair.fingerprint("beta")
    pair.truce("party", "rotate", "--party", "beta")
    assert pair.fingerprint("beta") != before
    pair.truce("party", "trust", pair.card("beta"), "--party", "alpha")
    trusted = pair.json("party", "show", "--party", "alpha")["trusted"]
    assert [row["fingerprint"] for row in trusted] == [pair.fingerprint("beta")]
    stranger = Place()
    try:
        stranger.truce("party", "init", "beta")
        assert pair.refusal("party", "trust", stranger.card("beta"), "--party", "alpha", "--fingerprint",
                            stranger.fingerprint("beta")) == (UNTRUSTED, "card.not_signed_by_known_key")
    finally:
        stranger.remove()


def test_backup_and_restore(pair):
    backup = pair.folder / "alpha.backup"
    fingerprint = pair.fingerprint("alpha")
    made = pair.json("party", "backup", backup, "--party", "alpha")
    assert made["files"] >= 5
    text = backup.read_text()
    assert "PRIVATE KEY" in text and fingerprint not in text
    assert pair.refusal("party", "restore", backup) == (CONFLICT, "keystore.exists")
    elsewhere = Place()
    try:
        wrong = elsewhere.folder / "wrong"
        wrong.write_text("x\n")
        assert elsewhere.refusal("party", "restore", backup, "--passphrase-file", wrong) == (UNAUTHENTICATED, "key.passphrase")
        restored = elsewhere.json("party", "restore", backup)
        assert restored["fingerprint"] == fingerprint and [row["name"] for row in restored["trusted"]] == ["beta"]
        at = text.index('"ciphertext":"') + len('"ciphertext":"') + 40
        backup.write_text(text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1:])
        shutil.rmtree(elsewhere.home)
        assert elsewhere.refusal("party", "restore", backup)[0] == UNTRUSTED
        assert not (elsewhere.home / "parties/alpha").exists()
    finally:
        elsewhere.remove()


def test_connection_files(pair):
    good = {"type": "connection/host/1", "host": "https://localhost:1", "token": "t", "ca": ""}
    file = pair.folder / "host.json"

    def connect(content):
        file.write_text(json.dumps(content))
        return pair.refusal("party", "connect", file, "--party", "alpha")

    assert connect(dict(good, host="http://localhost:1")) == (INVALID, "connection.url")
    assert connect(dict(good, more=1)) == (INVALID, "json.member.unknown")
    assert connect({"type": "connection/courier/1"}) == (DENIED, "connection.courier")
    assert connect({"type": "connection/vault/1", "party": "beta", "vault": "https://v", "authority": "https://a", "tenant": "t",
                    "client_id": "c", "client_secret": "s", "ca": ""}) == (DENIED, "connection.vault.other_party")
    assert pair.refusal("job", "list", "--party", "alpha") == (NOT_FOUND, "connection.host.missing")
    assert pair.refusal("releases", "--party", "alpha") == (NOT_FOUND, "connection.vault.missing")
    file.write_text(json.dumps(good))
    assert pair.json("party", "connect", file, "--party", "alpha") == {"connected": ["host"]}


@pytest.mark.parametrize("change, want", [
    ({"title": None}, "json.member.missing"),
    ({"extra": 1}, "json.member.unknown"),
    ({"parties": []}, "spec.count"),
    ({"parties": ["alpha", "alpha"]}, "spec.twice"),
    ({"datasets": [{"table": "Bad Name", "folder": "x"}]}, "spec.name"),
    ({"datasets": [{"table": "t", "folder": "x", "policy": "y"}]}, "spec.dataset.folder_or_files"),
    ({"queries": [{"name": "q"}]}, "spec.query.sql_or_sql_file"),
    ({"queries": [{"name": "q", "sql": "SELECT 1", "parameters": [{"name": "p", "type": "TEXT"}]}]}, "spec.type"),
    ({"queries": [{"name": "q", "sql": "SELECT 1", "max_rows": 0}]}, "spec.limit"),
    ({"days": 0}, "spec.limit"),
    ({"days": 1, "valid": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}}, "spec.days_or_valid"),
    ({"valid": {"from": "2027-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}, "spec.valid"),
    ({"tee": [{"type": "sim", "measurement": "00"}]}, "spec.tee.measurement"),
    ({"parties": ["alpha", "gamma"]}, "draft.party.unknown"),
    ({"datasets": [{"table": "t", "folder": "nowhere"}]}, "file.not_found"),
])
def test_draft_names_what_is_wrong(shared_pair, change, want):
    pair = shared_pair
    specification = {"title": "t", "parties": ["alpha", "beta"], "datasets": [{"table": "t", "folder": "x"}],
                     "queries": [{"name": "q", "sql": "SELECT 1"}], "queriers": ["alpha"], "recipients": ["alpha"]}
    specification.update(change)
    file = pair.folder / "spec.json"
    file.write_text(json.dumps({name: value for name, value in specification.items() if value is not None}))
    finished = pair.run("contract", "draft", file, "--party", "alpha", "--json")
    assert finished.returncode >= 10
    assert json.loads(finished.stdout)["error"]["why"] == want
    assert not (pair.folder / "contract.json").exists()


def test_seal_wants_the_owners_decision(shared_pair):
    pair = shared_pair
    data = pair.folder / "data.csv"
    data.write_text("id,v\n1,2\n")
    words = ["dataset", "seal", "d", data, "--party", "alpha"]
    for more, want in [([], "--entity"), (["--entity", "id"], "--min-entities"),
                       (["--entity", "none", "--min-entities", "3"], "--entity none"),
                       (["--entity", "none", "--max-rows", "x"], "--max-rows")]:
        finished = pair.run(*words, *more)
        assert finished.returncode == USAGE and want in finished.stderr
    assert pair.run("dataset", "seal", "d", "--party", "alpha", "--entity", "none").returncode == USAGE
    assert pair.refusal("dataset", "show", "d", "--party", "alpha") == (NOT_FOUND, "dataset.unknown")


def test_result_and_receipt_refuse_nonsense(shared_pair):
    pair = shared_pair
    assert pair.run("result", "open", "file", "--party", "alpha").returncode == USAGE
    assert pair.run("result", "open", "f" * 32, "--format", "xlsx", "--party", "alpha").returncode == USAGE
    assert pair.run("receipt", "verify", "file").returncode == USAGE
    bad = pair.folder / "bad.json"
    bad.write_text("{}")
    trust = pair.folder / "trust.json"
    assert pair.json("receipt", "trust", "-o", trust, "--party", "alpha")["type"] == "trust/1"
    names = [row["name"] for row in json.loads(trust.read_text())["parties"]]
    assert names == ["alpha", "beta"]
    status, _ = pair.refusal("receipt", "verify", bad, "--trust", trust)
    assert status >= 10
    assert pair.refusal("receipt", "verify", bad, "--trust", bad)[0] == INVALID


def test_stack_commands_without_a_stack(place):
    assert place.json("status") == {"services": []}
    assert place.json("down") == {"stopped": 0}
    assert place.refusal("env", "alpha") == (NOT_FOUND, "stack.party.unknown")


def test_limits_are_named(place):
    limits = place.json("limits")
    assert limits["limits"]["CONTRACT_PARTIES_MAX"] == 32
    assert limits["exit_status"]["untrusted"] == UNTRUSTED


MANUAL = sorted((ROOT / "doc/man").glob("truce*.1"))


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.name)
def test_manual_pages_are_clean(page):
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    checked = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], stdout=subprocess.PIPE, text=True)
    assert checked.returncode == 0, checked.stdout


def test_manual_has_every_command_and_option(place):
    text = "\n".join(page.read_text() for page in MANUAL)
    for words in COMMANDS:
        assert re.search(rf"^\.(It )?Cm {' '.join(words)}\b", text, re.M), words
        for option in re.findall(r"^  --([a-z-]+)", place.truce(*words, "--help"), re.M):
            assert f"Fl -{option}" in text, (words, option)
