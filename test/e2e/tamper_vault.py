"""Rows for test_tamper.py that a vault, the attestation authority or the host judges."""
import copy
import dataclasses
import json
import time

import forge
from forge import content
from hostile_host import Unavailable
from host_support import Key, b64u, canonical, digest
from vault_support import Authority, Client, RsaKey, run
from tamper_room import NONE, Room, flip
from stack import PROGRAMS


@dataclasses.dataclass
class Service:
    """`ask(world)` gives a refusing answer: its status, its code and its message."""
    name: str
    ask: object
    status: int
    code: str
    says: str
    released: dict = dataclasses.field(default_factory=lambda: NONE)


# ---- Releases asked for with tokens that the host made ----

def grant_of(world, owner="bank", documents=None):
    return next(content(grant) for grant in (documents or world.documents)["grants"] if content(grant)["owner"] == owner)


def runtime(world, **changes):
    return world.room.runtime(digest_contract(world), "sha256:" + "22" * 32, **changes)


def digest_contract(world):
    return forge.digest_of(world.documents["contract"])


def attested(world, **changes):
    """A token of the real authority for a room that lies: keys of its own, evidence of the machine that it owns."""
    return world.room.attest(runtime(world, **changes))["token"]


def refused_release(world, token, grant=None):
    try:
        world.room.release(grant or grant_of(world), token)
    except Unavailable:
        call = world.room.calls[-1]
        return call.status, call.inner or call.code, call.message
    raise AssertionError("the vault has released")


def token(header=None, key=None, algorithm="RS256", **claims):
    def ask(world):
        if not hasattr(world, "lying_token"):
            world.lying_token = attested(world)
        signer = forge.Signer(world.signer.path, world.lying_token)
        path = world.strange_rsa().path if key == "stranger" else None
        made = claims["x_ms_runtime"] if "x_ms_runtime" in claims else None
        if callable(made):
            return refused_release(world, signer.token(header, path, algorithm, **{**claims, "x_ms_runtime": made(world)}))
        return refused_release(world, signer.token(header, path, algorithm, **claims))
    return ask


def runtime_with(**changes):
    """Runtime data under the authority's own signature: what a verifier could say that does not judge."""
    def make(world):
        return {**json.loads(runtime(world)), **changes}
    return make


def keys_with(change):
    def ask(world):
        keys = copy.deepcopy(world.room.keys())
        change(world, keys)
        return refused_release(world, attested(world, keys=keys))
    return ask


def small_key(world, keys):
    keys[0] = RsaKey(world.folder, "small", 1024).jwk(kid="truce-wrap", use="enc")


def other_authority(world):
    """An authority that the bank's vault knows, and that the bank has not named for this contract."""
    folder = world.folder / "other-authority"
    folder.mkdir()
    authority = Authority(folder)
    try:
        run(PROGRAMS / "truce-vault", "connect", world.stack.service_folder("vault-bank"), authority.file("authority.json"))
        claims = forge.Signer(world.signer.path, attested(world)).claims
        return refused_release(world, authority.token({**claims, "iss": authority.issuer}))
    finally:
        authority.stop()


def of_measurement(measurement):
    def ask(world):
        octets = runtime(world)
        evidence = world.room.simulation.evidence(octets, measurement)
        return refused_release(world, world.room.attest(octets, evidence)["token"])
    return ask


def for_other_contract(world):
    return refused_release(world, attested(world), grant_of(world, documents=world.other_documents))


POLICY = (403, "ReleasePolicyNotSatisfied")

RELEASES = [
    Service("token with alg none", token(algorithm="none"), 403, "Forbidden", "jwt.algorithm"),
    Service("token with alg HS256", token(algorithm="HS256"), 403, "Forbidden", "jwt.algorithm"),
    Service("token of another key", token(key="stranger"), 403, "Forbidden", "jwt.signature"),
    Service("token of an unknown key", token(header={"kid": "k"}), 403, "Forbidden", "token.key_unknown"),
    Service("token that is none", lambda world: refused_release(world, "a.b.c"), 400, "BadParameter",
            "vault.release.token.form"),
    Service("token of another issuer", token(iss="https://localhost:1"), 403, "AuthorityNotTrusted", "authority"),
    Service("authority of another owner", other_authority, 403, "AuthorityNotTrusted", "authority"),
    Service("expired token", token(exp=1700000000), 403, "Forbidden", "token.expired"),
    Service("token of the future", token(nbf=4000000000, exp=4000001000), 403, "Forbidden", "token.not_yet_valid"),
    Service("token of another policy", token(x_ms_policy_hash=b64u(bytes(32))), 403, "Forbidden", "token.policy_hash"),
    Service("token of another type", token(x_ms_attestation_type="sevsnpvm"), *POLICY, "x-ms-attestation-type"),
    Service("token of debuggable code", token(x_ms_sevsnpvm_is_debuggable=True), *POLICY,
            "x-ms-sevsnpvm-is-debuggable"),
    Service("token of other code", of_measurement("ab" * 48), *POLICY, "x-ms-sevsnpvm-launchmeasurement"),
    Service("token of another simulation root", token(x_truce_simulation_root="sha256:" + "00" * 32), *POLICY,
            "x-truce-simulation-root"),
    Service("token without a simulation root", token(x_truce_simulation_root=None), *POLICY, "x-truce-simulation-root"),
    Service("runtime data of a room's instance", token(x_ms_runtime=runtime_with(purpose="instance")), *POLICY,
            "x-ms-runtime.purpose"),
    Service("runtime data of another contract", token(x_ms_runtime=runtime_with(contract="sha256:" + "00" * 32)),
            *POLICY, "x-ms-runtime.contract"),
    Service("key of another contract", for_other_contract, *POLICY, "x-ms-runtime.contract"),
    Service("no runtime data", token(x_ms_runtime=None), *POLICY, "x-ms-runtime"),
    Service("runtime data with two enc keys", keys_with(lambda world, keys: keys.append({**keys[0], "kid": "again"})),
            400, "BadParameter", "runtime.key.several"),
    Service("runtime data without an enc key", keys_with(lambda world, keys: keys.pop(0)), 400, "BadParameter",
            "runtime.key.none"),
    Service("runtime data with an RSA-1024 enc key", keys_with(small_key), 400, "BadParameter", "key.rsa.size"),
    Service("runtime data with an EC enc key",
            keys_with(lambda world, keys: keys.__setitem__(0, {**keys[1], "use": "enc"})), 400, "BadParameter",
            "runtime.key"),
]


# ---- Evidence ----

def attesting(make):
    def ask(world):
        octets = runtime(world)
        try:
            world.room.attest(octets, make(world, octets))
        except Unavailable:
            call = world.room.calls[-1]
            return call.status, call.code, call.message
        raise AssertionError("the authority has issued a token")
    return ask


def changed_report(change):
    def make(world, octets):
        evidence = world.room.simulation.evidence(octets)
        report = change(bytearray(forge.unb64u(evidence["report"])))
        return {**evidence, "report": b64u(bytes(report))}
    return attesting(make)


def put(at, value):
    def change(report):
        report[at] = value
        return report
    return change


EVIDENCE = [
    Service("debuggable evidence", attesting(lambda world, octets: world.room.simulation.debuggable(octets)), 400,
            "PolicyEvaluationError", "sim.debug"),
    Service("evidence of another simulation root",
            attesting(lambda world, octets: world.other_simulation().evidence(octets)), 400, "InvalidParameter",
            "sim.root.untrusted"),
    Service("evidence about other runtime data",
            attesting(lambda world, octets: world.room.simulation.evidence(octets, bound=b"{}")), 400,
            "InvalidParameter", "sim.report_data"),
    Service("a bit in the report's signature", changed_report(lambda report: flip(report, 0x2A5)), 400,
            "InvalidParameter", "sim.signature"),
    Service("a measurement put into the report", changed_report(put(0x90, 0)), 400, "InvalidParameter",
            "sim.signature"),
    Service("a report cut short", changed_report(lambda report: report[:-1]), 400, "InvalidParameter", "report."),
    Service("evidence without its root", attesting(lambda world,
                                                   octets: {**world.room.simulation.evidence(octets), "certificates":
            world.room.simulation.evidence(octets)["certificates"][:1]}), 400, "InvalidParameter", "sim.root.untrusted"),
]


# ---- A courier's credential ----

def calling(method, path, body=None):
    def ask(world):
        grant = grant_of(world)
        courier = Client(world.stack.service_folder("vault-bank") / "courier.json")
        answer = courier.call(method, path.format(key=f'{grant["key"]}/{grant["version"]}', name=grant["key"]), body)
        return answer.status, answer.inner or answer.code, answer.message
    return ask


def with_secret(secret):
    def ask(world):
        courier = Client(world.stack.service_folder("vault-bank") / "courier.json")
        answer = courier.ask_token(client_secret=secret)
        return answer.status, answer.json["error"], answer.json["error_description"]
    return ask


def credential_of_other_vault(world):
    bank, shop = (Client(world.stack.service_folder(f"vault-{owner}") / "courier.json") for owner in ("bank", "shop"))
    grant = grant_of(world)
    access = shop.ask_token().json["access_token"]
    answer = bank.call("POST", f'/keys/{grant["key"]}/{grant["version"]}/release', {"target": attested(world)}, token=access)
    return answer.status, answer.inner or answer.code, answer.message


RBAC = (403, "ForbiddenByRbac")

COURIER = [
    Service("courier reads a key", calling("GET", "/keys/{key}"), *RBAC, "read"),
    Service("courier lists releases", calling("GET", "/truce/releases"), *RBAC, "read"),
    Service("courier creates a key", calling("POST", "/keys/mine/create", {"kty": "RSA"}), *RBAC, "create"),
    Service("courier changes a key", calling("PATCH", "/keys/{key}", {"attributes": {"enabled": True}}), *RBAC,
            "update"),
    Service("courier unwraps",
            calling("POST", "/keys/{key}/unwrapkey", {"alg": "RSA-OAEP-256", "value": b64u(bytes(384))}), *RBAC,
            "unwrap"),
    Service("courier wraps", calling("POST", "/keys/{key}/wrapkey", {"alg": "RSA-OAEP-256", "value": b64u(bytes(32))}),
            *RBAC, "wrap"),
    Service("courier signs", calling("POST", "/keys/{key}/sign", {"alg": "RS256", "value": b64u(bytes(32))}), *RBAC,
            "sign"),
    Service("courier with another secret", with_secret("guess"), 401, "invalid_client", ""),
    Service("courier with another vault's credential", credential_of_other_vault, 401, "Unauthorized", "AKV10032"),
]


# ---- The host's storage, and what is sent to the host ----

def posting(make):
    """A run request that the host refuses."""
    def ask(world):
        status, answer = world.stack.host("POST", "/v1/jobs", canonical(make(world)))
        error = json.loads(answer)["error"]
        return status, error["code"], error["message"]
    return ask


def again_with_other_parameter(world):
    original = content(json.loads(world.stored("runs", world.run, "request.json").read_text()))
    return forge.signed({**original, "parameters": {"age": "31"}}, world.keys["analyst"])


def putting(path, make):
    def ask(world):
        hex_ = digest_contract(world)[7:]
        body = make(world)
        status, answer = world.stack.host("PUT", path.format(hex=hex_), body if isinstance(body, bytes) else canonical(body))
        error = json.loads(answer)["error"]
        return status, error["code"], error["message"]
    return ask


SENT = [
    Service("same run with another request", posting(again_with_other_parameter), 409, "conflict", "run"),
    Service("run request by a stranger's key",
            posting(lambda world: forge.changed(world.documents["run_request"], lambda _: None, world.stranger)), 403,
            "untrusted", "jws.signature"),
    Service("run request of a contract that nobody published", posting(lambda world: forge.changed(
        world.documents["run_request"], forge.setting("contract", "sha256:" + "00" * 32), world.keys["analyst"])),
             404, "not_found", "contract"),
    Service("contract with a stranger's signature", putting("/v1/contracts/{hex}", lambda world: forge.changed(
        world.documents["contract"], lambda _: None, world.stranger)), 400, "invalid", ""),
    Service("another party's grant",
            putting("/v1/contracts/{hex}/grants/bank", lambda world: world.documents["grants"][1]), 400, "invalid", ""),
    Service("another manifest of the same version", putting("/v1/datasets/bank/customers/1/manifest", lambda world: forge.changed(
        world.documents["manifests"][0], forge.setting("created", "2026-01-01T00:00:00Z"), world.keys["bank"])), 409,
             "conflict", "storage.object.exists"),
]


@dataclasses.dataclass
class Stored:
    """An object at the host that is changed before a run: how the run ends for whoever asked."""
    name: str
    path: object
    change: object
    state: str
    reason: str
    released: dict


def dataset_path(*name):
    return lambda world: ("datasets", "bank", "customers", "1", "parts", *name)


def contract_path(*name):
    return lambda world: ("contracts", digest_contract(world)[7:], *name)


def document_path(kind):
    return lambda world: ("documents", forge.digest_of(world.documents[kind][0])[7:] + ".json")


def as_json(change):
    return lambda world, octets: canonical(change(world, json.loads(octets)))


BOTH_RELEASED = {"bank": 1, "shop": 1}

STORED = [
    Stored("a bit in a stored part", dataset_path("000000.sealed"), lambda world, octets: flip(octets, 70000),
           "refused", "part.segment (bank/customers)", BOTH_RELEASED),
    Stored("stored leaves changed", dataset_path("000000.leaves"), lambda world, octets: flip(octets, 0), "refused",
           "part.leaves.root (bank/customers)", BOTH_RELEASED),
    Stored("stored part cut short", dataset_path("000000.sealed"), lambda world, octets: octets[:-100], "refused",
           "data.segments.size (bank/customers)", BOTH_RELEASED),
    Stored("stored grant of another contract", contract_path("grants", "bank.json"),
           lambda world, octets: canonical(world.other_documents["grants"][0]), "refused", "grant.contract (bank)", NONE),
    Stored("stored contract without a signature", contract_path("contract.json"),
           as_json(lambda world, document: {**document, "signatures": document["signatures"][:2]}), "post",
                "contract.signature.missing at shop", NONE),
    Stored("stored manifest of another version", document_path("manifests"),
           lambda world, octets: canonical(world.other_documents["manifests"][0]), "refused",
                "bundle.manifest.digest (bank/customers)", NONE),
    Stored("stored policy changed", document_path("policies"),
           as_json(lambda world, document: forge.changed(document, forge.setting("output", "min_entities", 2))),
                "refused", "bundle.policy.digest (bank/customers)", NONE),
]


def run_on_changed(world, row):
    """(state, reason) of a run over a changed object, which is then put back."""
    path = world.stored(*row.path(world))
    before = path.read_bytes()
    request = content(json.loads(world.ask(world.contract, "stored-request.json").read_text()))
    path.write_bytes(row.change(world, before))
    try:
        status, answer = world.stack.host("POST", "/v1/jobs", (world.folder / "stored-request.json").read_bytes())
        if status != 202:
            return "post", json.loads(answer)["error"]["message"]
        until = time.monotonic() + 60
        while time.monotonic() < until:
            job = world.stack.truce_json("job", "show", request["run"], party="analyst")
            if job["state"] not in ("queued", "running"):
                return job["state"], job.get("reason")
            time.sleep(0.1)
        raise AssertionError(job)
    finally:
        path.write_bytes(before)


# ---- Contracts that have come to their end ----

def documents_of(world, path):
    """What a host would send for a run of that contract, asked for in good faith by the analyst."""
    document = json.loads(path.read_text())
    request = forge.changed(world.documents["run_request"], forge.setting("contract", forge.digest_of(document)),
                            world.keys["analyst"])
    return world.host.documents(path, canonical(request))


def over(path):
    """Releases for a contract whose time has passed or whose key is disabled, asked for with a good token."""
    def ask(world):
        documents = documents_of(world, path(world))
        runtime_data = world.room.runtime(forge.digest_of(documents["contract"]), forge.digest_of(documents["run_request"]))
        return refused_release(world, world.room.attest(runtime_data)["token"], grant_of(world, documents=documents))
    return ask


def short(world):
    time.sleep(max(0, world.ends - time.time()))
    return world.short


def revoked(world):
    """The bank revokes, once: its own vault disables the key, whatever the host does with the news."""
    if not getattr(world, "is_revoked", False):
        world.stack.truce("contract", "revoke", world.other, "--yes", party="bank")
        world.is_revoked = True
    return world.other


def posting_of(path):
    return posting(lambda world: documents_of(world, path(world))["run_request"])


ENDED = [
    Service("release after the key's expiry", over(short), 403, "KeyExpired", "expired"),
    Service("request at the host after the contract's end", posting_of(short), 403, "expired", "contract.expired"),
    Room("run after the contract's end", "contract.expired", "", "expired",
         documents=lambda world: documents_of(world, short(world))),
    Service("release with a disabled key", over(revoked), 403, "KeyDisabled", "disabled"),
    Service("request at the host for a revoked contract", posting_of(revoked), 403, "denied", "contract.revoked"),
    Room("run of a revoked contract by a host that does not care", "link.unavailable", "bank", "unavailable",
         documents=lambda world: documents_of(world, revoked(world)), vault=(403, "KeyDisabled")),
]
