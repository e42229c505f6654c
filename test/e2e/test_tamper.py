"""Single changes to everything that travels or is stored, each refused with its own reason.

One row is one change to a set that works (`test_the_unchanged_set_works_…`, first and last). A row names the change, where it
is applied, and the refusal as the one sees it who must refuse: the room, the vault, the attestation authority, the host, or a
party's own program. After each row nothing more has been released than the row says, and nothing has been shown.
"""
import pytest

from tamper_party import CARDS, CONTRACTS, DATASETS, RESULTS
from tamper_receipt import (ATTACKS, BUNDLES, ENVELOPES, LIES, MEMBERS, PATHS, TRUST, attackers_own_view, leaves_of,
                            statement_of)
from tamper_room import ANSWERS, BOTH, DATA, DOCUMENTS, NONE, TOKENS, Room
from tamper_vault import COURIER, ENDED, EVIDENCE, RELEASES, SENT, STORED, run_on_changed
from tamper_world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("tamper"))
    yield world
    world.close()


@pytest.fixture(autouse=True)
def counted(world):
    world.before = getattr(world, "after", None) or world.released()
    world.objects_before = world.objects()
    yield


def releases_since(world):
    world.after = world.released()
    return {owner: world.after[owner] - world.before[owner] for owner in world.after}


def assert_nothing_shown(world, released=NONE):
    assert releases_since(world) == released
    assert world.objects() == world.objects_before


def rows(table):
    names = [row.name for row in table]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return pytest.mark.parametrize("row", table, ids=names)


# ---- Control ----

def works(world):
    outcome = world.host.play(world.documents)
    assert (outcome.end, len(outcome.result)) == ("receipt", len(world.result))
    answer = world.stack.open(world.run, "analyst")
    assert answer == world.stack.open(world.run, "bank") and answer.startswith("region,n,total\neast,")
    assert world.verify(world.bundle) is None
    assert releases_since(world) == BOTH


def test_the_unchanged_set_works_before(world):
    works(world)


# ---- The room ----

def judge_room(world, row):
    hooks = row.hooks(world) if row.hooks else {}
    outcome = world.host.play(row.documents(world) if row.documents else world.documents, **hooks)
    assert outcome.end in ("refused", "ended"), (outcome.end, outcome.calls)
    assert (outcome.why, outcome.where or "") == (row.why, row.where), (outcome.code, outcome.calls[-1:])
    assert outcome.code == row.code
    assert outcome.result is None and outcome.receipt is None
    if row.vault:
        assert (outcome.calls[-1].status, outcome.calls[-1].inner or outcome.calls[-1].code) == row.vault, outcome.calls[-1]
    assert_nothing_shown(world, row.released)


@rows(DOCUMENTS)
def test_the_room_refuses_documents(world, row):
    judge_room(world, row)


@rows(TOKENS)
def test_the_room_refuses_tokens(world, row):
    judge_room(world, row)


@rows(ANSWERS)
def test_the_room_refuses_answers_of_the_vault(world, row):
    if not hasattr(world, "old_answer"):
        world.host.play(world.documents, release=lambda asked, honest: keep_answer(world, honest()))
        world.before = world.released()
    judge_room(world, row)


def keep_answer(world, answer):
    world.old_answer = getattr(world, "old_answer", answer)
    return answer


@rows(DATA)
def test_the_room_refuses_data(world, row):
    judge_room(world, row)


# ---- The services and the host ----

def judge_service(world, row):
    status, code, message = row.ask(world)
    assert (status, code) == (row.status, row.code), message
    assert row.says in message
    assert_nothing_shown(world, row.released)


@rows(RELEASES)
def test_the_vault_refuses(world, row):
    judge_service(world, row)


@rows(EVIDENCE)
def test_the_authority_refuses(world, row):
    judge_service(world, row)


@rows(COURIER)
def test_a_courier_releases_and_nothing_more(world, row):
    judge_service(world, row)


@rows(SENT)
def test_the_host_refuses(world, row):
    judge_service(world, row)


@rows(STORED)
def test_what_the_host_stores_is_refused_when_changed(world, row):
    state, reason = run_on_changed(world, row)
    assert (state, reason.split(":")[0] if state == "post" else reason) == (row.state, row.reason)
    assert_nothing_shown(world, row.released)


# ---- The parties' own programs ----

def judge_party(world, row):
    for path in world.folder.rglob("unwanted*"):
        path.unlink()
    refused = row.act(world)
    assert refused is not None, "not refused"
    assert refused.stderr.strip().splitlines()[-2].split(": ", 1)[1] == row.says
    assert not list(world.folder.rglob("unwanted*"))
    assert_nothing_shown(world)
    return refused


@rows(CONTRACTS)
def test_a_party_refuses_contracts(world, row):
    judge_party(world, row)


@rows(CARDS)
def test_a_party_refuses_cards(world, row):
    book = sorted(world.stack.party_folder("analyst").joinpath("trusted").iterdir())
    judge_party(world, row)
    assert sorted(world.stack.party_folder("analyst").joinpath("trusted").iterdir()) == book


@rows(DATASETS)
def test_a_party_refuses_datasets(world, row):
    judge_party(world, row)


@rows(RESULTS)
def test_a_party_refuses_results(world, row):
    assert judge_party(world, row).stdout == ""


# ---- Receipts ----

def judge_receipt(world, row):
    refused = judge_party(world, row)
    assert "The receipt verifies" not in refused.stdout + refused.stderr


def test_the_rows_name_every_member_of_a_receipt(world):
    assert sorted(map(str, leaves_of(statement_of(world.bundle)))) == sorted(map(str, PATHS))


@rows(MEMBERS)
def test_every_member_of_a_receipt_is_signed(world, row):
    judge_receipt(world, row)


def test_a_lying_room_is_believed_where_only_it_can_know(world):
    assert world.verify(world.forged_bundle()) is None


@rows(LIES)
def test_a_lying_room_is_caught(world, row):
    judge_receipt(world, row)


@rows(ENVELOPES)
def test_an_envelope_is_refused(world, row):
    judge_receipt(world, row)


@rows(BUNDLES)
def test_a_bundle_is_refused(world, row):
    judge_receipt(world, row)


@rows(TRUST)
def test_trust_is_the_verifiers_own(world, row):
    judge_receipt(world, row)


def test_an_attackers_bundle_verifies_in_his_own_eyes(world):
    assert attackers_own_view(world) is None


@rows(ATTACKS)
def test_an_attackers_bundle_is_refused(world, row):
    judge_receipt(world, row)


# ---- At the end ----

@rows(ENDED)
def test_what_has_ended_is_refused(world, row):
    judge_room(world, row) if isinstance(row, Room) else judge_service(world, row)


def test_the_unchanged_set_works_after(world):
    works(world)
