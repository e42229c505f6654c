"""Rows for test_tamper.py that a party's own program judges: contracts, cards, datasets, results, receipts."""
import dataclasses
import json
import shutil

import forge
from forge import content, setting
from host_support import Key, b64u, canonical
from tamper_room import edit_signatures, flip, header_of, resealed, strangers_signature


@dataclasses.dataclass
class Party:
    """`act(world)` is a refused command; `says` is the refusal as it prints it: "untrusted: jws.signature: bank"."""
    name: str
    act: object
    says: str


# ---- Contracts ----

def contract(verb, make, party="bank", options=()):
    def act(world):
        path = world.file("changed-contract.json", make(world))
        return world.truce("contract", verb, path, *options, party=party)
    return act


def of_contract(change):
    return lambda world: change(world.documents["contract"])


def draft(change):
    """The contract before anybody has signed it."""
    def make(world):
        payload = content(world.documents["contract"])
        payload["title"] = "A draft"
        change(world, payload)
        return payload
    return make


def swap_key(party, name):
    def change(world, payload):
        payload["parties"][party][name] = world.stranger.jwk
    return change


def partly_signed(change):
    """A draft that the analyst has signed, and that was changed afterwards."""
    def make(world):
        payload = content(world.documents["contract"])
        payload["title"] = "Signed by one"
        text = forge.explain(payload)
        document = forge.signed(payload, world.keys["analyst"], members=lambda key: {"explain": text})
        return change(document)
    return make


SIGN_OPTIONS = ("--yes", "--grant", "unwanted-grant.json", "--out", "unwanted-contract.json")


def with_grant(index, change, party="bank"):
    def act(world):
        grant = world.file("changed-grant.json", change(world.documents["grants"][index]))
        path = world.file("changed-contract.json", world.documents["contract"])
        return world.truce("contract", "verify", path, "--grant", grant, party=party)
    return act


def publish_grant(world):
    grant = world.file("changed-grant.json", world.other_documents["grants"][1])
    return world.truce("contract", "publish", world.contract, "--grant", grant, party="analyst")


CONTRACTS = [
    Party("verify: contract payload changed",
          contract("verify", of_contract(lambda document: forge.changed(document, setting("title", "Another")))),
          "untrusted: jws.signature: analyst"),
    Party("verify: one signature missing", contract("verify", of_contract(edit_signatures(list.pop))),
          "not_found: contract.signature.missing: shop"),
    Party("verify: signature with high s", contract("verify", of_contract(lambda document: forge.high_s(document, 1))),
          "untrusted: key.signature.high_s: bank"),
    Party("verify: signature by a stranger", contract("verify", lambda world: edit_signatures(
        lambda all_: all_.append(strangers_signature(world)))(world.documents["contract"])),
             "untrusted: contract.signature.stranger: signatures[3]"),
    Party("verify: signature twice",
          contract("verify", of_contract(edit_signatures(lambda all_: all_.append(all_[2])))),
          "invalid: jws.kid.twice"),
    Party("verify: grant changed", with_grant(0, lambda grant: forge.changed(grant, setting("key", "another"))),
          "untrusted: grant.digest: bank"),
    Party("verify: contract of strangers", contract("verify", lambda world: world.strangers_contract()),
          "untrusted: contract.party.fingerprint: analyst"),
    Party("sign: another signing key for a party",
          contract("sign", draft(swap_key(2, "signing")), options=SIGN_OPTIONS),
          "untrusted: contract.party.fingerprint: shop"),
    Party("sign: another signing key for oneself",
          contract("sign", draft(swap_key(1, "signing")), options=SIGN_OPTIONS),
          "untrusted: contract.party.fingerprint: bank"),
    Party("sign: another result key for a recipient",
          contract("sign", draft(swap_key(0, "result")), options=SIGN_OPTIONS),
          "untrusted: contract.party.result_key: analyst"),
    Party("sign: another result key for oneself", contract("sign", draft(swap_key(1, "result")), options=SIGN_OPTIONS),
          "untrusted: contract.party.result_key: bank"),
    Party("sign: changed after another had signed",
          contract("sign", partly_signed(lambda document: forge.changed(document, setting("title", "Changed"))),
                   options=SIGN_OPTIONS),
          "untrusted: jws.signature: analyst"),
    Party("sign: another explain text signed before",
          contract("sign", partly_signed(header_of(0, explain="sha256:" + "00" * 32)), options=SIGN_OPTIONS),
          "untrusted: jws.signature: analyst"),
    Party("sign: weaker threshold than the policy's",
          contract("sign", draft(lambda world, payload: payload["datasets"][0].update(min_entities=2)), options=SIGN_OPTIONS),
          "untrusted: bundle.policy.entity: bank/customers"),
    Party("sign: over already", contract("sign", draft(lambda world, payload: payload.update(
        valid={"from": "2025-01-01T00:00:00Z", "until": "2025-02-01T00:00:00Z"})), options=SIGN_OPTIONS),
             "expired: contract.expired"),
    Party("publish: contract with a stranger's signature",
          contract("publish", of_contract(header_of(1, explain="sha256:" + "00" * 32))),
          "denied: host.refused: untrusted: jws.signature at bank: What was presented does not verify; do not use it."),
    Party("publish: grant of another contract", publish_grant,
          "invalid: host.refused: invalid: workflow.grant.other_contract: Correct the input and try again."),
]


# ---- Cards ----

def card(change, party="analyst", fingerprint=None, of="bank"):
    def act(world):
        document = json.loads((world.stack.party_folder(of) / "card.json").read_text())
        path = world.file("changed-card.json", change(world, document))
        words = ["--fingerprint", fingerprint(world)] if fingerprint else []
        return world.truce("party", "trust", path, *words, party=party)
    return act


def right(world):
    return world.stack.fingerprint("bank")


def impostor(name):
    def make(world, document):
        key = Key(world.folder, "impostor")
        payload = {**content(document), "name": name, "signing": key.jwk, "result": Key(world.folder, "impostor-result").jwk}
        return forge.signed(payload, key)
    return make


def stranger_fingerprint(world):
    return "sha256:" + forge.unb64u(Key(world.folder, "impostor").kid).hex()


def rotated_by_stranger(world, document):
    """A new card that names the bank's key as its former one, without the bank's signature."""
    key = Key(world.folder, "impostor")
    payload = {**content(impostor("bank")(world, document)),
               "previous": "sha256:" + forge.unb64u(world.keys["bank"].kid).hex()}
    made = forge.signed(payload, key, world.stranger)
    header = json.loads(forge.unb64u(made["signatures"][1]["protected"]))
    made["signatures"][1]["protected"] = b64u(canonical({**header, "kid": world.keys["bank"].kid}))
    return made


CARDS = [
    Party("trust: another fingerprint", card(lambda world, document: document, fingerprint=stranger_fingerprint),
          "untrusted: trust.fingerprint.mismatch"),
    Party("trust: a card's result key changed",
          card(lambda world, document: forge.changed(document, setting("result", world.stranger.jwk)), fingerprint=right),
          "untrusted: jws.signature"),
    Party("trust: a card signed by a stranger",
          card(lambda world, document: forge.changed(document, lambda _: None, world.stranger), fingerprint=right),
          "not_found: jws.no_signature_by_key"),
    Party("trust: no fingerprint", card(impostor("newcomer")), "untrusted: trust.fingerprint.missing"),
    Party("trust: a known name with another key", card(impostor("bank"), fingerprint=stranger_fingerprint),
          "untrusted: card.not_signed_by_known_key"),
    Party("trust: a rotation that the former key has not signed",
          card(rotated_by_stranger, fingerprint=stranger_fingerprint), "untrusted: jws.signature"),
    Party("trust: a known key under another name",
          card(lambda world, document: forge.changed(document, setting("name", "bank2"), world.keys["bank"]), fingerprint=right),
          "conflict: trust.key.other_name"),
]


# ---- Datasets ----

def dataset(name, change, options=()):
    def act(world):
        folder = world.folder / "changed-dataset"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(world.customers, folder)
        path = folder / name
        path.write_bytes(change(world, path.read_bytes()))
        return world.truce("dataset", "verify", folder, *options, party="bank")
    return act


def document(change):
    return lambda world, octets: canonical(change(json.loads(octets)))


DATASETS = [
    Party("dataset: a bit in a segment", dataset("parts/000000.sealed", lambda world, octets: flip(octets, 70000)),
          "untrusted: part.segment: part 0"),
    Party("dataset: cut short", dataset("parts/000000.sealed", lambda world, octets: octets[:-1]),
          "untrusted: dataset.part.size: part 0"),
    Party("dataset: leaves changed", dataset("parts/000000.leaves", lambda world, octets: flip(octets, 0)),
          "untrusted: part.leaves.root: part 0"),
    Party("dataset: manifest changed",
          dataset("manifest.json", document(lambda manifest: forge.changed(manifest,
               setting("created", "2026-01-01T00:00:00Z")))),
          "untrusted: jws.signature"),
    Party("dataset: policy changed",
          dataset("policy.json", document(lambda policy: forge.changed(policy, setting("output", "min_entities", 2)))),
          "untrusted: dataset.policy.other"),
    Party("dataset: rows swapped, and their leaves", lambda world: swapped_parts(world),
          "untrusted: part.leaves.root: part 0"),
    Party("dataset: another data key",
          dataset("data.key", lambda world, octets: (world.newer / "data.key").read_bytes(), ("--contents",)),
          "untrusted: dataset.data_key"),
]


def swapped_parts(world):
    folder = world.folder / "changed-dataset"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.customers, folder)
    shutil.rmtree(folder / "parts")
    shutil.copytree(resealed(world) / "parts", folder / "parts")
    return world.truce("dataset", "verify", folder, party="bank")


# ---- Results ----

def opened(result=None, receipt=None, party="analyst", options=("--accept-simulated",)):
    """`truce result open` of files, into a file that must not be there afterwards."""
    def act(world):
        made_result = world.file("changed-result.jwe", result(world) if result else world.result)
        made_receipt = world.file("changed-receipt.json", receipt(world) if receipt else world.bundle)
        return world.truce("result", "open", made_result, "--receipt", made_receipt, "--out", world.folder / "unwanted.csv",
                           *options, party=party)
    return act


def at_host(world):
    """Result and receipt of another run under the name of this one."""
    folder = world.stored("runs", world.run)
    kept = {name: (folder / name).read_bytes() for name in ("result.jwe", "receipt.json")}
    try:
        (folder / "result.jwe").write_bytes(world.other_result)
        (folder / "receipt.json").write_bytes(canonical(world.other_bundle))
        return world.truce("result", "open", world.run, "--accept-simulated", "--out", world.folder / "unwanted.csv",
                           party="analyst")
    finally:
        for name, octets in kept.items():
            (folder / name).write_bytes(octets)


def other_request(world):
    """The analyst's own request of that run is another one: the host had it signed elsewhere."""
    path = world.stack.party_folder("analyst") / "runs" / world.run / "request.json"
    kept = path.read_bytes()
    try:
        path.write_bytes(canonical(forge.changed(json.loads(kept), setting("parameters", "age", "50"), world.keys["analyst"])))
        return opened()(world)
    finally:
        path.write_bytes(kept)


def unknown_contract(world):
    """The bank has not kept this contract: it is not one that it has signed here."""
    folder = world.stack.party_folder("bank") / "contracts" / forge.digest_of(world.documents["contract"])[7:]
    hidden = folder.with_name("hidden")
    folder.rename(hidden)
    try:
        return opened(party="bank")(world)
    finally:
        hidden.rename(folder)


def flipped_ciphertext(world):
    document_ = json.loads(world.result)
    document_["ciphertext"] = b64u(flip(forge.unb64u(document_["ciphertext"]), 100))
    return canonical(document_)


RESULTS = [
    Party("open: a bit in the result", opened(result=flipped_ciphertext), "untrusted: receipt.result"),
    Party("open: white space in the result", opened(result=lambda world: world.result + b"\n"),
          "untrusted: receipt.result"),
    Party("open: result of another run", opened(result=lambda world: world.other_result), "untrusted: receipt.result"),
    Party("open: receipt of another run", opened(receipt=lambda world: world.other_bundle),
          "untrusted: receipt.result"),
    Party("open: result and receipt of another run from the host", at_host, "untrusted: receipt.other_run"),
    Party("open: another request than mine", other_request, "untrusted: receipt.run_request"),
    Party("open: a contract that I have not signed", unknown_contract, "untrusted: receipt.contract_unknown"),
    Party("open: not a recipient", opened(party="shop"), "denied: jwe.not_a_recipient"),
    Party("open: a receipt without --accept-simulated", opened(options=()), "untrusted: receipt.simulated"),
    Party("open: a receipt that is none", opened(receipt=lambda world: b"{}"), "invalid: json.member.missing: type"),
]
