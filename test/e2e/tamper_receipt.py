"""Rows for test_tamper.py that `truce receipt verify` judges: statements, envelopes, bundles, trust files."""
import base64
import copy
import json

import forge
from forge import setting, statement_of
from host_support import b64u, canonical
from stack import Stack
from tamper_party import Party
from tamper_room import flip

ZERO = "sha256:" + "00" * 32


# ---- The statement's members, one by one ----

def leaves_of(value, path=()):
    """All paths to values that are no object; a list is one value and so are its items."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves_of(inner, path + (name,))
    else:
        yield path
        for index, inner in enumerate(value if isinstance(value, list) else []):
            yield from leaves_of(inner, path + (index,))


def other_value(value):
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return value[:-1]
    return ("1" if value[:1] != "1" else "2") + value[1:]


def at(value, path):
    for step in path:
        value = value[step]
    return value


def verify_changed(path):
    """The statement with one value changed, under the room's old signature."""
    def act(world):
        bundle = copy.deepcopy(world.bundle)
        statement = statement_of(bundle)
        setting(*path, other_value(at(statement, path)))(statement)
        bundle["receipt"]["payload"] = base64.b64encode(canonical(statement)).decode()
        return world.verify(bundle)
    return act


INPUT = {"dataset": "", "version": 1, "manifest": "", "data": "", "policy": ""}
# Every member of the statement, as this run has it: two inputs, two owners.
STATEMENT = {
    "_type": "", "predicateType": "", "subject": [{"name": "", "digest": {"sha256": ""}}],
    "predicate": {
        "salt": "", "contract": "", "run": "", "run_request": "", "room": "",
        "query": {"name": "", "canonical": "", "executed": "", "querier": "", "recipients": [""] * 2},
        "inputs": [{**INPUT, "columns": [""] * 3}, {**INPUT, "columns": [""] * 2}],
        "decision": {"mode": "", "rules": [""] * 2, "vetter": "", "engine": ""},
        "output": {"schema": [{"name": "", "type": ""}] * 3, "format": "", "size_class": 1, "encrypted_to": [""] * 2},
        "grants": [{"owner": "", "digest": ""}] * 2, "code": {"type": "", "measurement": ""},
        "attestation": [{"party": "", "issuer": "", "token": ""}] * 2, "runtime_data": "",
        "time": {"released": "", "source": ""}}}
PATHS = list(leaves_of(STATEMENT))

MEMBERS = [Party("member " + ".".join(map(str, path)), verify_changed(path), "untrusted: receipt.signature")
           for path in PATHS]


def lying(change):
    """The statement with a change, signed by a room whose attestation is in order."""
    def act(world):
        return world.verify(forge.resigned(world.forged_bundle(), world.room, change))
    return act


def predicate(*path_and_value):
    return setting("predicate", *path_and_value)


def dropping(*path):
    def change(statement):
        value = statement
        for step in path[:-1]:
            value = value[step]
        del value[path[-1]]
    return change


LIES = [Party("lying room: " + name, lying(change), says) for name, change, says in [
    ("contract", predicate("contract", ZERO), "untrusted: receipt.contract: contract"),
    ("run", predicate("run", "0" * 32), "untrusted: receipt.run: run"),
    ("run request", predicate("run_request", ZERO), "untrusted: receipt.run_request: run_request"),
    ("query's name", predicate("query", "name", "regions"), "untrusted: receipt.query: query"),
    ("query's text", predicate("query", "canonical", ZERO), "untrusted: receipt.query: query"),
    ("querier", predicate("query", "querier", "bank"), "untrusted: receipt.query: query"),
    ("recipients", predicate("query", "recipients", ["shop"]), "untrusted: receipt.query: query"),
    ("input's dataset", predicate("inputs", 0, "dataset", "bank/others"), "untrusted: receipt.inputs: inputs"),
    ("input's version", predicate("inputs", 0, "version", 2), "untrusted: receipt.inputs: inputs"),
    ("input's manifest", predicate("inputs", 0, "manifest", ZERO), "untrusted: receipt.inputs: inputs"),
    ("input's data", predicate("inputs", 0, "data", ZERO), "untrusted: receipt.inputs: inputs"),
    ("input's policy", predicate("inputs", 0, "policy", ZERO), "untrusted: receipt.inputs: inputs"),
    ("input's columns", predicate("inputs", 0, "columns", ["id"]), "untrusted: receipt.inputs: inputs"),
    ("an input less", dropping("predicate", "inputs", 0), "untrusted: receipt.inputs: inputs"),
    ("mode", predicate("decision", "mode", "free"), "untrusted: receipt.decision: decision"),
    ("rules", predicate("decision", "rules", 0, "bank/customers:/output/min_entities=50"),
     "untrusted: receipt.decision: decision"),
    ("vetter that cannot be printed", predicate("decision", "vetter", "vet\x7f"), "invalid: receipt.decision"),
    ("schema", predicate("output", "schema", 0, "type", "BIGINT"), "untrusted: receipt.output: output"),
    ("format", predicate("output", "format", "json"), "untrusted: receipt.output: output"),
    ("size class", predicate("output", "size_class", 5000), "invalid: receipt.size_class"),
    ("encrypted to another key",
     lambda statement: setting("predicate", "output", "encrypted_to", 0, b64u(bytes(32)))(statement),
     "untrusted: receipt.output: output"),
    ("grant's owner", predicate("grants", 0, "owner", "shop"), "untrusted: receipt.grants: grants"),
    ("grant's digest", predicate("grants", 0, "digest", ZERO), "untrusted: receipt.grants: grants"),
    ("type of the TEE", predicate("code", "type", "sevsnpvm"), "untrusted: receipt.code: code"),
    ("measurement", predicate("code", "measurement", "ab" * 48), "untrusted: receipt.code: code"),
    ("token's digest", predicate("attestation", 0, "token", ZERO), "untrusted: receipt.attestation: attestation"),
    ("token's issuer", predicate("attestation", 0, "issuer", "https://localhost:1"),
     "untrusted: receipt.attestation: attestation"),
    ("runtime data", predicate("runtime_data", ZERO), "untrusted: receipt.runtime_data: runtime_data"),
    ("time", predicate("time", "released", "2026-01-01T00:00:00Z"), "untrusted: receipt.time: time"),
    ("time's source", predicate("time", "source", "the host"), "untrusted: receipt.time: time"),
    ("salt", predicate("salt", b64u(bytes(31))), "invalid: receipt.salt"),
    ("room", predicate("room", "the room"), "invalid: digest.form: room"),
    ("executed text", predicate("query", "executed", "SELECT"), "invalid: digest.form: executed"),
    ("subject's name", setting("subject", 0, "name", "other"), "untrusted: receipt.statement"),
    ("a subject more", lambda statement: statement["subject"].append(statement["subject"][0]),
     "untrusted: receipt.statement"),
    ("statement's type", setting("_type", "https://in-toto.io/Statement/v0.1"), "untrusted: receipt.statement"),
    ("predicate's type", setting("predicateType", "urn:truce:receipt:2"), "untrusted: receipt.statement"),
    ("a member more", predicate("checked", True), "untrusted: receipt.statement"),
]]


def lie_about_result(world):
    """A well attested receipt about another result than the one at hand."""
    bundle = forge.resigned(world.forged_bundle(), world.room, setting("subject", 0, "digest", "sha256", "00" * 32))
    return world.verify(bundle, options=("--accept-simulated", "--result", world.file("result.jwe", world.result)))


# ---- The envelope ----

def envelope(change):
    def act(world):
        bundle = copy.deepcopy(world.bundle)
        change(world, bundle["receipt"])
        return world.verify(bundle)
    return act


def by_other_key(world, receipt):
    receipt.update(forge.envelope(statement_of(world.bundle), world.stranger))


def of_other_type(world, receipt):
    receipt["payloadType"] = "application/json"


def signed_for_other_type(world):
    """A lying room's signature over the same statement as another type of payload."""
    bundle = world.forged_bundle()
    made = forge.envelope(statement_of(bundle), world.room.receipt, "application/json")
    return world.verify({**bundle, "receipt": {**made, "payloadType": forge.PAYLOAD_TYPE}})


def high_s(world, receipt):
    r, s = forge.integers(base64.b64decode(receipt["signatures"][0]["sig"]))
    raw = r.to_bytes(32, "big") + (forge.ORDER - s).to_bytes(32, "big")
    receipt["signatures"][0]["sig"] = base64.b64encode(forge.der_of(raw)).decode()


def other_key_id(world, receipt):
    receipt["signatures"][0]["keyid"] = world.room.receipt.kid[:-1] + "x"


def twice(world, receipt):
    receipt["signatures"].append(receipt["signatures"][0])


def spaced(world, receipt):
    receipt["payload"] = base64.b64encode(json.dumps(statement_of(world.bundle)).encode()).decode()


ENVELOPES = [
    Party("signature by another key", envelope(by_other_key), "untrusted: receipt.signature"),
    Party("another payload type", envelope(of_other_type), "invalid: receipt.payload_type"),
    Party("signature over another payload type", signed_for_other_type, "untrusted: receipt.signature"),
    Party("signature with high s", envelope(high_s), "untrusted: receipt.signature"),
    Party("key id of another key", envelope(other_key_id), "untrusted: receipt.key_id"),
    Party("signature twice", envelope(twice), "invalid: receipt.signatures"),
    Party("no signature", envelope(lambda world, receipt: receipt.update(signatures=[])),
          "invalid: receipt.signatures"),
    Party("payload with white space", envelope(spaced), "invalid: receipt.not_canonical"),
    Party("well attested receipt about another result", lie_about_result, "untrusted: receipt.result"),
    Party("another result at hand", lambda world: world.verify(world.bundle, options=(
        "--accept-simulated", "--result", world.file("result.jwe", world.other_result))), "untrusted: receipt.result"),
    Party("without --accept-simulated", lambda world: world.verify(world.bundle, options=()),
          "untrusted: receipt.simulated"),
]


# ---- The bundle's documents exchanged one by one ----

def exchanged(member):
    """A member of the bundle of another run, which verifies with its own."""
    return lambda world: world.verify({**world.bundle, member: world.other_bundle[member]})


def bundled(change):
    def act(world):
        bundle = copy.deepcopy(world.bundle)
        change(world, bundle)
        return world.verify(bundle)
    return act


def first_token(change):
    return bundled(lambda world, bundle: change(world, bundle["tokens"][0]))


def strange_evidence(world, bundle):
    bundle["evidence"] = world.other_simulation().evidence(forge.unb64u(bundle["runtime_data"]))


def debuggable(world, bundle):
    bundle["evidence"] = world.room.simulation.debuggable(forge.unb64u(bundle["runtime_data"]))


def again_evidence(world, bundle):
    """Fresh evidence of the same machine for the same runtime data, of other code: the token says otherwise."""
    bundle["evidence"] = world.room.simulation.evidence(forge.unb64u(bundle["runtime_data"]), "ab" * 48)


def report_bit(world, bundle):
    report = forge.unb64u(bundle["evidence"]["report"])
    bundle["evidence"]["report"] = b64u(flip(report, 0x2A4))


def claims_by_authority(**claims):
    def change(world, row):
        row["token"] = forge.Signer(world.signer.path, row["token"]).token(**claims)
    return first_token(change)


def by_stranger(world, row):
    row["token"] = forge.Signer(world.signer.path, row["token"]).token(key=world.strange_rsa().path)


def jwks_of_stranger(world, row):
    by_stranger(world, row)
    kid = row["jwks"]["keys"][0]["kid"]
    row["jwks"] = {"keys": [world.strange_rsa().jwk(kid=kid, use="sig", alg="RS256")]}


BUNDLES = [
    Party("contract of another run", exchanged("contract"), "untrusted: bundle.manifest.digest: bank/customers"),
    Party("grants of another run", exchanged("grants"), "untrusted: grant.contract: bank"),
    Party("manifests of another run", exchanged("manifests"), "untrusted: bundle.manifest.digest: bank/customers"),
    Party("policies of another run", exchanged("policies"), "untrusted: bundle.policy.digest: bank/customers"),
    Party("run request of another run", exchanged("run_request"), "untrusted: run.contract"),
    Party("runtime data of another run", exchanged("runtime_data"), "untrusted: receipt.runtime.contract"),
    Party("evidence of another run", exchanged("evidence"), "untrusted: sim.report_data: evidence"),
    Party("tokens of another run", exchanged("tokens"), "untrusted: token.nonce: token of bank"),
    Party("receipt of another run", exchanged("receipt"), "untrusted: receipt.signature"),
    Party("type of the bundle", bundled(lambda world, bundle: bundle.update(type="receipt-bundle/2")),
          "invalid: receipt.bundle.type"),
    Party("a member more", bundled(lambda world, bundle: bundle.update(trust={})),
          "invalid: json.member.unknown: trust"),
    Party("a token less", bundled(lambda world, bundle: bundle["tokens"].pop()),
          "untrusted: receipt.token.missing: token of shop"),
    Party("tokens of the wrong parties", bundled(lambda world, bundle: bundle["tokens"][0].update(party="analyst")),
          "untrusted: receipt.authority.not_in_contract: token of analyst"),
    Party("token of an authority that the contract does not name",
          first_token(lambda world, row: row.update(issuer="https://localhost:1")),
          "untrusted: receipt.authority.not_in_contract: token of bank"),
    Party("token by another key", first_token(by_stranger), "untrusted: jwt.signature: token of bank"),
    Party("token and JWKS of another key", first_token(jwks_of_stranger),
          "untrusted: token.key_not_pinned: token of bank"),
    Party("token of another policy", claims_by_authority(x_ms_policy_hash=b64u(bytes(32))),
          "untrusted: token.policy_hash: token of bank"),
    Party("expired token", claims_by_authority(exp=1700000000), "expired: token.expired: token of bank"),
    Party("token that says other code", claims_by_authority(x_ms_sevsnpvm_launchmeasurement="ab" * 48),
          "untrusted: receipt.token.evidence: token of bank"),
    Party("token that says debuggable", claims_by_authority(x_ms_sevsnpvm_is_debuggable=True),
          "untrusted: receipt.token.evidence: token of bank"),
    Party("token about other runtime data", claims_by_authority(x_ms_runtime={}),
          "untrusted: token.runtime: token of bank"),
    Party("evidence of another simulation root", bundled(strange_evidence), "untrusted: sim.root.untrusted: evidence"),
    Party("debuggable evidence", bundled(debuggable), "untrusted: sim.debug: evidence"),
    Party("evidence of other code", bundled(again_evidence), "untrusted: receipt.token.evidence: token of bank"),
    Party("a bit in the evidence", bundled(report_bit), "untrusted: sim.signature: evidence"),
    Party("one signature less on the contract", bundled(lambda world, bundle: bundle["contract"]["signatures"].pop()),
          "not_found: contract.signature.missing: shop"),
    Party("contract changed", bundled(lambda world, bundle: bundle.update(
        contract=forge.changed(bundle["contract"], setting("title", "Another")))), "untrusted: jws.signature: analyst"),
    Party("run request by a stranger's key", bundled(lambda world, bundle: bundle.update(
        run_request=forge.changed(bundle["run_request"], lambda _: None, world.stranger))),
             "untrusted: jws.signature: run_request"),
]


# ---- The verifier's own trust ----

def trusting(change):
    def act(world):
        trust = json.loads(world.trust.read_text())
        change(world, trust)
        return world.verify(world.bundle, world.file("changed-trust.json", trust))
    return act


def party_row(trust, name):
    return next(row for row in trust["parties"] if row["name"] == name)


TRUST = [
    Party("trust in another key of a party",
          trusting(lambda world, trust: party_row(trust, "shop").update(fingerprint=ZERO)),
          "untrusted: contract.party.fingerprint: shop"),
    Party("trust in a party less", trusting(lambda world, trust: trust["parties"].remove(party_row(trust, "shop"))),
          "untrusted: contract.party.not_known: shop"),
    Party("trust in another measurement",
          trusting(lambda world, trust: trust["measurements"][0].update(measurement="ab" * 48)),
          "untrusted: receipt.code.not_trusted"),
    Party("trust in the measurement on hardware only",
          trusting(lambda world, trust: trust["measurements"][0].update(type="sevsnpvm")),
          "untrusted: receipt.code.not_trusted"),
    Party("trust in another root", trusting(lambda world, trust: trust["roots"][0].update(pin=ZERO)),
          "untrusted: sim.root.untrusted: evidence"),
    Party("trust in another authority",
          trusting(lambda world, trust: trust["authorities"][0].update(issuer="https://localhost:1")),
          "untrusted: receipt.authority.not_trusted: token of bank"),
    Party("trust in another key of the authority",
          trusting(lambda world, trust: trust["authorities"][0].update(keys=[ZERO])),
          "untrusted: token.key_not_pinned: token of bank"),
    Party("trust in another policy of the authority",
          trusting(lambda world, trust: trust["authorities"][0].update(policy_hash=b64u(bytes(32)))),
          "untrusted: token.policy_hash: token of bank"),
    Party("trust in nothing",
          trusting(lambda world, trust: trust.update(parties=[], authorities=[], measurements=[], roots=[])),
          "untrusted: contract.party.not_known: analyst"),
    Party("the bundle as trust file",
          lambda world: world.verify(world.bundle, world.file("bundle-as-trust.json", world.bundle)),
          "invalid: json.member.unknown: contract"),
]


# ---- A bundle that an attacker has made whole ----

class Attacker:
    """A stack, parties of the same names, a contract and a run of the attacker's own: consistent in itself."""

    def __init__(self, world):
        self.stack = Stack(world.folder / "attacker", ["analyst", "bank"])
        try:
            folder = self.stack.seal("bank", "customers", world.folder / "customers.csv", entity="id", min_entities=5)
            specification = world.specification("Spending", folder)
            specification.update(parties=["analyst", "bank"], datasets=specification["datasets"][:1],
                                 queries=specification["queries"][:1])
            run = self.stack.run(self.stack.agree(specification), "regions", "analyst")
            self.bundle = json.loads(self.stack.receipt(run))
            self.result = self.stack.result(run)
            path = world.folder / "attacker-trust.json"
            self.stack.truce("receipt", "trust", "--out", path, party="analyst")
            self.trust = json.loads(path.read_text())
        finally:
            self.stack.close()


def attacked(*borrowed):
    """The attacker's bundle under the victim's trust, of which the members named are the attacker's too: each of
    the rest is enough to refuse."""
    def act(world):
        trust = {**json.loads(world.trust.read_text()), **{name: world.attacker().trust[name] for name in borrowed}}
        return world.verify(world.attacker().bundle, world.file("mixed-trust.json", trust))
    return act


ATTACKS = [
    Party("attacker's bundle", attacked(), "untrusted: contract.party.fingerprint: analyst"),
    Party("attacker's bundle and parties", attacked("parties"),
          "untrusted: receipt.authority.not_trusted: token of bank"),
    Party("attacker's bundle, parties and authority", attacked("parties", "authorities"),
          "untrusted: sim.root.untrusted: evidence"),
    Party("attacker's bundle without its root", attacked("parties", "authorities", "measurements"),
          "untrusted: sim.root.untrusted: evidence"),
    Party("attacker's bundle opened as a result", lambda world: world.truce(
        "result", "open", world.file("attacker.jwe", world.attacker().result), "--receipt",
        world.file("attacker.json", world.attacker().bundle), "--accept-simulated", "--out", world.folder / "unwanted.csv",
        party="analyst"), "untrusted: contract.party.fingerprint: analyst"),
]


def attackers_own_view(world):
    return world.verify(world.attacker().bundle, world.file("own-trust.json", world.attacker().trust))
