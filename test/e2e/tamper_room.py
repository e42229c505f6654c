"""Rows for test_tamper.py that the room judges: documents, tokens, answers of the vault, data."""
import copy
import dataclasses
import json

import forge
from forge import content, digest_of, setting
from hostile_host import SEGMENT, Frame, Unavailable
from host_support import Key, b64u, canonical, unb64u
from vault_support import Client, openssl

NONE = {"bank": 0, "shop": 0}
BANK = {"bank": 1, "shop": 0}
BOTH = {"bank": 1, "shop": 1}
UNTRUSTED, INVALID, DENIED, NOT_FOUND, EXPIRED, LIMIT = "untrusted", "invalid", "denied", "not_found", "expired", "limit"

@dataclasses.dataclass
class Room:
    """`documents` and `hooks` of HostileHost.play, made from the world."""
    name: str
    why: str
    where: str
    code: str
    documents: object = None
    hooks: object = None
    released: dict = dataclasses.field(default_factory=lambda: NONE)
    vault: tuple = None  # what a vault or authority said: status and error code


def member(name, index, change):
    return lambda world: world.with_document(name, index, change)


def signed_by(stranger_or_party):
    """The document's payload under another signature."""
    def make(world, document):
        key = world.stranger if stranger_or_party == "stranger" else world.keys[stranger_or_party]
        return forge.changed(document, lambda payload: None, key)
    return make


def resign(name, index, who):
    return lambda world: world.with_document(name, index, lambda document: signed_by(who)(world, document))


def agreed(**changes):
    return lambda world: world.agreement(**changes)


def edit_signatures(change):
    def edited(document):
        document = copy.deepcopy(document)
        change(document["signatures"])
        return document
    return edited


def header_of(index, **members):
    """Members of a protected header, under the old signature."""
    def change(signatures):
        header = json.loads(unb64u(signatures[index]["protected"]))
        signatures[index]["protected"] = b64u(canonical({**header, **members}))
    return edit_signatures(change)


def other(name, index):
    return lambda world: world.with_document(name, index, lambda _: world.other_documents[name][index])


def strangers_signature(world):
    extra = forge.changed(world.documents["contract"], lambda payload: None, world.stranger)["signatures"][0]
    header = json.loads(unb64u(extra["protected"]))
    protected = b64u(canonical({**header, "explain": forge.explain(content(world.documents["contract"]))}))
    text = world.documents["contract"]["payload"]
    return {"protected": protected, "signature": b64u(world.stranger.sign(f"{protected}.{text}".encode()))}


def with_stranger(world):
    return world.with_document("contract", None, edit_signatures(lambda list_: list_.append(strangers_signature(world))))


def stranger_for_shop(world):
    return world.with_document("contract", None, edit_signatures(lambda list_: list_.__setitem__(2, strangers_signature(world))))


def swapped_result_key(world):
    change = setting("parties", 0, "result", world.stranger.jwk)
    return world.with_document("contract", None, lambda document: forge.changed(document, change))


def all_by_strangers(world):
    """A contract of the same names with keys that nobody knows; all that hangs on it is consistent."""
    keys = {name: Key(world.folder, f"impostor-{name}") for name in world.keys}

    def change(payload):
        for party in payload["parties"]:
            party["signing"] = keys[party["name"]].jwk
    documents = forge.Agreement(world.documents, keys, contract=change).documents
    for kind in ("manifests", "policies"):
        documents[kind] = [forge.changed(document, lambda _: None, keys[content(document)["owner"]])
                           for document in world.documents[kind]]
    return documents


def policy_of_less(world):
    """Everybody signs a contract with a weaker policy of the bank, which its manifest does not name."""
    policy = forge.changed(world.documents["policies"][0], setting("output", "min_entities", 2), world.keys["bank"])

    def change(payload):
        payload["datasets"][0].update(policy=digest_of(policy), min_entities=2)
    return {**world.agreement(contract=change), "policies": [policy, world.documents["policies"][1]]}


def resealed(world):
    """The bank's other rows, sealed again as version 1: its own key, its own signature."""
    folder = world.folder / "resealed"
    if not folder.exists():
        world.stack.truce("dataset", "seal", "customers", world.folder / "newer.csv", "--entity", "id", "--min-entities", "5",
                          "--folder", folder, party="bank")
    return folder


def resealed_documents(world):
    manifest = json.loads((resealed(world) / "manifest.json").read_text())
    return world.with_document("manifests", 0, lambda _: manifest)


def made_wrapped(world):
    """A key of the bank's choice, wrapped rightly: not the one that its manifest commits to."""
    grant = content(world.documents["grants"][0])
    officer = Client(world.stack.service_folder("vault-bank") / "vault.json")
    key = officer.call("GET", f'/keys/{grant["key"]}/{grant["version"]}').json["key"]
    return world.agreement(grants={"bank": setting("keys", 0, "wrapped", b64u(oaep(world.folder, key, bytes(32))))})


def oaep(folder, jwk, octets):
    return openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", str(public_pem(folder, jwk)), "-pkeyopt",
                   "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256", stdin=octets)


def public_pem(folder, jwk):
    """An RSA public key of a JWK as PEM, through openssl's ASN.1 generator."""
    configuration = folder / "public.cnf"
    configuration.write_text(
        "asn1=SEQUENCE:all\n[all]\nalgorithm=SEQUENCE:algorithm\nkey=BITWRAP,SEQUENCE:key\n"
        "[algorithm]\noid=OID:rsaEncryption\nparameter=NULL\n"
        f'[key]\nn=INTEGER:0x{unb64u(jwk["n"]).hex()}\ne=INTEGER:0x{unb64u(jwk["e"]).hex()}\n')
    der = folder / "public.der"
    openssl("asn1parse", "-genconf", str(configuration), "-noout", "-out", str(der))
    pem = folder / "public.pem"
    openssl("rsa", "-pubin", "-inform", "DER", "-in", str(der), "-out", str(pem))
    return pem


def exchanged_wrapped(world):
    theirs = content(world.documents["grants"][1])["keys"][0]["wrapped"]
    return world.agreement(grants={"bank": setting("keys", 0, "wrapped", theirs)})


def wrapped_of_other_contract(world):
    theirs = content(world.other_documents["grants"][0])["keys"][0]["wrapped"]
    return world.agreement(grants={"bank": setting("keys", 0, "wrapped", theirs)})


def request(**changes):
    return agreed(run_request=lambda payload: payload.update(changes))


def request_signed_by(who):
    return resign("run_request", None, who)


def tee(**changes):
    return agreed(contract=lambda payload: payload["tee"][0].update(changes))


HARDWARE = {"type": "sevsnpvm", "measurement": "ab" * 48}


def tees(*rows):
    return agreed(contract=lambda payload: payload.update(tee=list(rows)))


def unsigned_change(name, index, *path_and_value):
    return member(name, index, lambda document: forge.changed(document, setting(*path_and_value)))


DOCUMENTS = [
    Room("manifest changed", "bundle.manifest.digest", "bank/customers", UNTRUSTED,
         unsigned_change("manifests", 0, "created", "2026-01-01T00:00:00Z")),
    Room("manifest unsigned", "jws.signatures.none", "manifests[0]", INVALID,
         member("manifests", 0, edit_signatures(list.clear))),
    Room("manifest signed by another party", "jws.signature", "bank/customers", UNTRUSTED,
         resign("manifests", 0, "shop")),
    Room("manifest signed by a stranger", "jws.signature", "bank/customers", UNTRUSTED,
         resign("manifests", 0, "stranger")),
    Room("manifest's signature with high s", "key.signature.high_s", "bank/customers", UNTRUSTED,
         member("manifests", 0, forge.high_s)),
    Room("manifest missing", "document.too_few", "manifests", INVALID,
         member("manifests", None, lambda all_: all_[1:])),
    Room("manifest twice", "document.too_many", "manifests", LIMIT,
         member("manifests", None, lambda all_: all_ + all_[:1])),
    Room("manifest of another version", "bundle.manifest.digest", "bank/customers", UNTRUSTED, other("manifests", 0)),
    Room("rows swapped after signing, manifest signed again by the owner", "bundle.manifest.digest",
         "bank/customers", UNTRUSTED, resealed_documents),
    Room("policy changed", "bundle.policy.digest", "bank/customers", UNTRUSTED,
         unsigned_change("policies", 0, "output", "min_entities", 2)),
    Room("policy signed by another party", "jws.signature", "bank/customers", UNTRUSTED, resign("policies", 0, "shop")),
    Room("policy missing", "document.too_few", "policies", INVALID,
         member("policies", None, lambda all_: all_[:1])),
    Room("weaker policy in a contract that all sign", "bundle.manifest.policy", "bank/customers", UNTRUSTED,
         policy_of_less),
    Room("contract payload changed", "jws.signature", "analyst", UNTRUSTED,
         unsigned_change("contract", None, "title", "Another title")),
    Room("contract grants another column", "jws.signature", "analyst", UNTRUSTED,
         unsigned_change("contract", None, "queries", 0, "reads", "customers", ["age", "id", "region"])),
    Room("recipient's key swapped", "jws.signature", "analyst", UNTRUSTED, swapped_result_key),
    Room("one signature missing", "contract.signature.missing", "shop", NOT_FOUND,
         member("contract", None, edit_signatures(list.pop))),
    Room("signature by a stranger beside the others", "contract.signature.stranger", "signatures[3]", UNTRUSTED,
         with_stranger),
    Room("signature by a stranger for a party's", "contract.signature.stranger", "signatures[2]", UNTRUSTED,
         stranger_for_shop),
    Room("contract's signature with high s", "key.signature.high_s", "analyst", UNTRUSTED,
         member("contract", None, forge.high_s)),
    Room("signature twice", "jws.kid.twice", "contract", INVALID,
         member("contract", None, edit_signatures(lambda all_: all_.append(all_[0])))),
    Room("algorithm none", "jws.alg", "contract", INVALID, member("contract", None, header_of(0, alg="none"))),
    Room("key in the header", "jws.header.forbidden", "contract.jwk", INVALID,
         member("contract", None, header_of(0, jwk={}))),
    Room("signature made for another kind of document", "jws.typ", "contract", INVALID,
         member("contract", None, header_of(0, typ="truce-grant+jws"))),
    Room("explain digest changed", "contract.signature.explain", "shop", UNTRUSTED,
         agreed(header=lambda name: {"explain": "sha256:" + "00" * 32} if name == "shop" else {})),
    Room("explain digest changed under the old signature", "jws.signature", "analyst", UNTRUSTED,
         member("contract", None, header_of(0, explain="sha256:" + "00" * 32))),
    Room("grant digest mismatch", "grant.digest", "shop", UNTRUSTED,
         agreed(header=lambda name: {"grant": "sha256:" + "00" * 32} if name == "shop" else {})),
    Room("grant of one who owns nothing", "contract.signature.grant_unexpected", "analyst", UNTRUSTED,
         agreed(header=lambda name: {"grant": "sha256:" + "00" * 32} if name == "analyst" else {})),
    Room("grant of another contract", "grant.contract", "bank", UNTRUSTED, other("grants", 0)),
    Room("grant changed", "grant.digest", "bank", UNTRUSTED,
         unsigned_change("grants", 0, "vault", "https://localhost:1")),
    Room("grant signed by another party", "jws.signature", "bank", UNTRUSTED, resign("grants", 0, "shop")),
    Room("grant missing", "document.too_few", "grants", INVALID, member("grants", None, lambda all_: all_[:1])),
    Room("one owner's grant in the place of another's", "bundle.grant.owner", "shop", INVALID,
         member("grants", None, lambda all_: all_[:1] * 2)),
    Room("manifests in another order", "bundle.manifest.digest", "bank/customers", UNTRUSTED,
         member("manifests", None, lambda all_: all_[::-1])),
    Room("grant with the keys of another dataset", "grant.keys", "bank", DENIED,
         agreed(grants={"bank": setting("keys", 0, "dataset", "shop/purchases")})),
    Room("grant for another version", "bundle.grant.version", "bank/customers", DENIED,
         agreed(grants={"bank": setting("keys", 0, "version", 2)})),
    Room("wrapped key exchanged for another owner's", "room.release.data_key", "bank", UNTRUSTED, exchanged_wrapped,
         released=BANK),
    Room("wrapped key exchanged for another contract's", "room.release.data_key", "bank", UNTRUSTED,
         wrapped_of_other_contract, released=BANK),
    Room("wrapped key of the owner's later choice", "part.key_commitment", "bank", UNTRUSTED, made_wrapped,
         released=BANK),
    Room("run request by a party that is no querier", "run.querier", "bank", DENIED, request(querier="bank")),
    Room("run request by a stranger's key", "jws.signature", "run_request", UNTRUSTED, request_signed_by("stranger")),
    Room("run request signed by another party", "jws.signature", "run_request", UNTRUSTED, request_signed_by("bank")),
    Room("run request changed", "jws.signature", "run_request", UNTRUSTED,
         unsigned_change("run_request", None, "parameters", "age", "18")),
    Room("run request for another contract", "run.contract", "", UNTRUSTED,
         lambda world: {**world.documents, "run_request": world.other_documents["run_request"]}),
    Room("unknown query", "contract.query.unknown", "query", NOT_FOUND, request(query="everything")),
    Room("parameter above its domain", "contract.parameter.above", "parameters.age", DENIED,
         request(parameters={"age": "100"})),
    Room("parameter that is SQL", "value.form", "parameters.age", INVALID, request(parameters={"age": "18 OR 1=1"})),
    Room("parameter missing", "run.parameter.missing", "parameters.age", INVALID, request(parameters={})),
    Room("parameter that the query does not have", "run.parameter.unknown", "parameters", INVALID,
         request(parameters={"age": "30", "x": "1"})),
    Room("run request expired", "run.expired", "", EXPIRED, request(not_after="2026-01-01T00:00:00Z")),
    Room("recipient outside the contract", "run.recipient", "shop", DENIED, request(recipients=["shop"])),
    Room("wrong measurement in the contract", "room.not_accepted_by_contract", "", DENIED, tee(measurement="ab" * 48)),
    Room("a simulated room where hardware is demanded", "room.not_accepted_by_contract", "", DENIED, tees(HARDWARE)),
    Room("sim beside hardware", "contract.tee.sim_not_alone", "contract.tee", INVALID,
         unsigned_change("contract", None, "tee", [HARDWARE, {**HARDWARE, "type": "sim", "root": "sha256:" + "cd" * 32}])),
    Room("query that is not canonical", "room.vet.not_canonical", "", DENIED,
         agreed(contract=lambda payload: payload["queries"][1].update(sql=payload["queries"][1]["sql"] + " "))),
    Room("contract that is over", "contract.expired", "", EXPIRED, agreed(
        contract=lambda payload: payload.update(valid={"from": "2025-01-01T00:00:00Z", "until": "2025-02-01T00:00:00Z"}))),
    Room("contract that has not begun", "contract.not_yet_valid", "", EXPIRED, agreed(
        contract=lambda payload: payload.update(valid={"from": "2090-01-01T00:00:00Z", "until": "2091-02-01T00:00:00Z"}))),
    Room("contract signed by nobody that the owners know", "link.unavailable", "bank", "unavailable", all_by_strangers,
         vault=(403, "ReleasePolicyNotSatisfied")),
    Room("contract that all sign, under the old one's release key", "link.unavailable", "bank", "unavailable",
         agreed(contract=setting("title", "A second agreement")), vault=(403, "ReleasePolicyNotSatisfied")),
    Room("another contract's simulation root", "link.unavailable", "bank", "unavailable",
         tee(root="sha256:" + "00" * 32), vault=(403, "ReleasePolicyNotSatisfied")),
    Room("a document too many", "json.member.unknown", "extra", INVALID,
         lambda world: {**world.documents, "extra": {}}),
]


# ---- Tokens that the host brings to the room ----

def once(reply, forged):
    """A hook for the first request of its kind; `forged(world, asked, honest)` makes the reply."""
    def hooks(world):
        state = {"left": 1}

        def hook(asked, honest):
            state["left"] -= 1
            return forged(world, asked, honest) if state["left"] == 0 else honest()
        return {reply: hook}
    return hooks


def token_with(header=None, algorithm="RS256", key=None, jwks=None, **claims):
    """The honest token of this very run with other claims, signed by the authority's own key unless said otherwise."""
    def forged(world, asked, honest):
        given = json.loads(honest())
        signer = forge.Signer(world.signer.path, given["token"])
        path = world.strange_rsa().path if key == "stranger" else None
        token = signer.token(header, path, algorithm, **claims)
        return {"token": token, "jwks": jwks(world, given["jwks"]) if jwks else given["jwks"]}
    return once("token", forged)


def strange_jwks(world, jwks):
    return {"keys": [world.strange_rsa().jwk(kid=jwks["keys"][0]["kid"], use="sig", alg="RS256")]}


def broken_signature(world, asked, honest):
    given = json.loads(honest())
    text, _, signature = given["token"].rpartition(".")
    octets = bytearray(unb64u(signature))
    octets[10] ^= 1
    return {**given, "token": f"{text}.{b64u(bytes(octets))}"}


def stale_token(world, asked, honest):
    honest()
    return {"token": world.bundle["tokens"][0]["token"], "jwks": world.bundle["tokens"][0]["jwks"]}


def token_of_other_keys(world, asked, honest):
    """A token of this run's nonce for runtime data whose wrapping key the host holds."""
    mine = json.loads(unb64u(asked["runtime_data"]))
    return world.room.attest(canonical({**mine, "keys": world.room.keys()}), nonce=asked["nonce"])


def token_of_other_request(world, asked, honest):
    mine = json.loads(unb64u(asked["runtime_data"]))
    return world.room.attest(canonical({**mine, "run_request": "sha256:" + "00" * 32}), nonce=asked["nonce"])


def evidence_of(make):
    def forged(world, asked, honest):
        return honest({**asked, "evidence": make(world, unb64u(asked["runtime_data"]))})
    return once("token", forged)


TOKENS = [
    Room("token with alg none", "jwt.algorithm", "bank", UNTRUSTED, hooks=token_with(algorithm="none")),
    Room("token with alg HS256", "jwt.algorithm", "bank", UNTRUSTED, hooks=token_with(algorithm="HS256")),
    Room("token of another key", "jwt.signature", "bank", UNTRUSTED, hooks=token_with(key="stranger")),
    Room("token and JWKS of another key", "token.key_not_pinned", "bank", UNTRUSTED,
         hooks=token_with(key="stranger", jwks=strange_jwks)),
    Room("token of a key that is not in the JWKS", "token.key_unknown", "bank", UNTRUSTED,
         hooks=token_with(header={"kid": "k"})),
    Room("token without its JWKS", "token.key_unknown", "bank", UNTRUSTED,
         hooks=token_with(jwks=lambda world, jwks: {"keys": []})),
    Room("a bit in the token's signature", "jwt.signature", "bank", UNTRUSTED, hooks=once("token", broken_signature)),
    Room("token of another issuer", "token.issuer", "bank", UNTRUSTED, hooks=token_with(iss="https://localhost:1")),
    Room("token of another policy", "token.policy_hash", "bank", UNTRUSTED,
         hooks=token_with(x_ms_policy_hash=b64u(bytes(32)))),
    Room("token of another version", "token.version", "bank", UNTRUSTED, hooks=token_with(x_ms_ver="2.0")),
    Room("stale nonce: the token of an earlier run", "token.nonce", "bank", UNTRUSTED,
         hooks=once("token", stale_token)),
    Room("token for the host's wrapping key", "token.runtime", "bank", UNTRUSTED,
         hooks=once("token", token_of_other_keys)),
    Room("token for another run request", "token.runtime", "bank", UNTRUSTED,
         hooks=once("token", token_of_other_request)),
    Room("token about another report", "token.report_data", "bank", UNTRUSTED,
         hooks=token_with(x_ms_sevsnpvm_reportdata="00" * 64)),
    Room("token without a time", "token.claims", "iat", INVALID, hooks=token_with(iat=None)),
    Room("expired token", "link.unavailable", "bank", "unavailable", hooks=token_with(exp=1700000000),
         vault=(403, "Forbidden")),
    Room("debuggable evidence", "link.unavailable", "bank", "unavailable", vault=(400, "PolicyEvaluationError"),
         hooks=evidence_of(lambda world, runtime: world.room.simulation.debuggable(runtime))),
    Room("evidence of another simulation root", "link.unavailable", "bank", "unavailable", vault=(400, "InvalidParameter"),
         hooks=evidence_of(lambda world, runtime: world.other_simulation().evidence(runtime))),
    Room("no answer", "link.unavailable", "bank", "unavailable",
         hooks=once("token", lambda *_: Unavailable("courier.authority.unreachable"))),
    Room("answer of another kind", "link.not_the_reply", "", None,
         hooks=once("token", lambda *_: Frame("segments", b""))),
    Room("answer to another request", "link.not_the_reply", "", None,
         hooks=once("token", lambda world, asked, honest: Frame("token", honest(), 1))),
]


# ---- Answers of the vault that the host brings to the room ----

def answer_with(change):
    """The vault's answer with other claims; the room does not judge its signature, so it is kept."""
    def forged(world, asked, honest):
        head, claims, signature = json.loads(honest())["value"].split(".")
        claims = json.loads(unb64u(claims))
        change(world, claims, asked)
        return {"value": f"{head}.{b64u(canonical(claims))}.{signature}"}
    return once("release", forged)


def ciphertext_with(change):
    def edit(world, claims, asked):
        key = claims["response"]["key"]["key"]
        inner = json.loads(unb64u(key["key_hsm"]))
        inner["ciphertext"] = b64u(change(world, unb64u(inner["ciphertext"]), asked))
        key["key_hsm"] = b64u(canonical(inner))
    return answer_with(edit)


def flip(octets, at):
    octets = bytearray(octets)
    octets[at] ^= 1
    return bytes(octets)


def hosts_own_key(world, _, asked):
    """A release key of the host's own, wrapped rightly to the room's wrapping key."""
    claims = json.loads(unb64u(asked["token"].split(".")[1]))
    wrapping = claims["x-ms-runtime"]["keys"][0]
    pkcs8 = openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", str(world.strange_rsa().path))
    wrapped = openssl("enc", "-id-aes256-wrap-pad", "-K", "11" * 32, "-iv", "A65959A6", stdin=pkcs8)
    return oaep(world.folder, wrapping, bytes.fromhex("11" * 32)) + wrapped


def replayed(patched):
    """The answer of an earlier run, with its old nonce or with the new one written over it."""
    def forged(world, asked, honest):
        honest()
        if not patched:
            return world.old_answer
        head, claims, signature = json.loads(world.old_answer)["value"].split(".")
        claims = json.loads(unb64u(claims))
        claims["request"]["nonce"] = asked["nonce"]
        return {"value": f"{head}.{b64u(canonical(claims))}.{signature}"}
    return once("release", forged)


def of_other_owner(world):
    """The shop is answered with what the bank's vault released a moment ago."""
    kept = {}

    def hook(asked, honest):
        if not kept:
            kept["answer"] = json.loads(honest())
            return kept["answer"]
        honest()
        head, claims, signature = kept["answer"]["value"].split(".")
        claims = json.loads(unb64u(claims))
        claims["request"]["nonce"] = asked["nonce"]
        return {"value": f"{head}.{b64u(canonical(claims))}.{signature}"}
    return {"release": hook}


def of_other_contract(world, asked, honest):
    grant = content(world.other_documents["grants"][0])
    return honest({**asked, "key": grant["key"], "version": grant["version"]})


ANSWERS = [
    Room("vault's answer with a key of the host's own", "room.release.data_key", "bank", UNTRUSTED,
         hooks=ciphertext_with(hosts_own_key), released=BANK),
    Room("vault's answer replayed with its old nonce", "room.release.nonce", "bank", UNTRUSTED, hooks=replayed(False),
         released=BANK),
    Room("vault's answer replayed under the new nonce", "room.release.answer", "bank", UNTRUSTED, hooks=replayed(True),
         released=BANK),
    Room("a bit in the wrapped key", "room.release.answer", "bank", UNTRUSTED,
         hooks=ciphertext_with(lambda world, octets, asked: flip(octets, -1)), released=BANK),
    Room("a bit in the wrapping", "room.release.answer", "bank", UNTRUSTED,
         hooks=ciphertext_with(lambda world, octets, asked: flip(octets, 5)), released=BANK),
    Room("vault's answer cut short", "room.release.answer", "bank", UNTRUSTED,
         hooks=ciphertext_with(lambda world, octets, asked: octets[:-8]), released=BANK),
    Room("vault's answer for another owner", "room.release.data_key", "shop", UNTRUSTED, hooks=of_other_owner,
         released=BOTH),
    Room("vault asked for another contract's key", "link.unavailable", "bank", "unavailable",
         hooks=once("release", of_other_contract), vault=(403, "ReleasePolicyNotSatisfied")),
    Room("vault asked for another version of the key", "link.unavailable", "bank", "unavailable", vault=(404, "KeyNotFound"),
         hooks=once("release", lambda world, asked, honest: honest({**asked, "version": "0" * 32}))),
    Room("vault's answer without its key", "room.release.form", "bank", INVALID, released=BANK,
         hooks=answer_with(lambda world, claims, asked: claims.pop("response"))),
]


# ---- Data ----

def data(dataset, **changes):
    """Hooks for the parts of one dataset: what comes for `leaves` and `segments` in place of the honest octets."""
    def hooks(world):
        def hook(name):
            def reply(asked, honest):
                if asked["dataset"] != dataset or asked["part"] != 0:
                    return honest()
                return changes[name](world, asked, honest)
            return reply
        return {name: hook(name) for name in changes}
    return hooks


def segments(change):
    """The change to the whole part, of which the room gets what it asks for; whatever is behind the end comes with the last segment."""
    def make(world, asked, honest):
        whole = honest({**asked, "first": 0, "count": PART_SEGMENTS})
        last = asked["first"] + asked["count"] == PART_SEGMENTS
        return change(whole)[asked["first"] * SEGMENT:][:None if last else asked["count"] * SEGMENT]
    return data("bank/customers", segments=make)


PART_SEGMENTS = 5


def pieces(octets):
    return [octets[at:at + SEGMENT] for at in range(0, len(octets), SEGMENT)]


def reordered(*order):
    def change(octets):
        parts = pieces(octets)
        return b"".join(parts[index] for index in order)
    return segments(change)


def of_version_two(world, asked, honest):
    return honest({**asked, "version": 2})


def of_part_one(world, asked, honest):
    return honest({**asked, "part": 1})


def from_resealed(name):
    def make(world, asked, honest):
        octets = (resealed(world) / "parts" / f"000000.{name}").read_bytes()
        return octets[asked["first"] * SEGMENT:][:asked["count"] * SEGMENT] if name == "sealed" else octets
    return make


DATA = [Room(name, why, where, UNTRUSTED, hooks=hooks, released=BOTH) for name, why, where, hooks in [
    ("a bit in the header of a part", "part.segment", "bank/customers", segments(lambda octets: flip(octets, 3))),
    ("a bit in the first segment", "part.segment", "bank/customers", segments(lambda octets: flip(octets, 1000))),
    ("a bit in a middle segment", "part.segment", "bank/customers",
     segments(lambda octets: flip(octets, 2 * SEGMENT + 9))),
    ("a bit in the last segment", "part.segment", "bank/customers", segments(lambda octets: flip(octets, -1))),
    ("segments swapped", "part.segment", "bank/customers", reordered(0, 2, 1, 3, 4)),
    ("segment dropped", "data.segments.size", "bank/customers", reordered(0, 1, 3, 4)),
    ("segment repeated", "part.segment", "bank/customers", reordered(0, 1, 1, 3, 4)),
    ("segment too many", "data.segments.size", "bank/customers", reordered(0, 1, 2, 3, 4, 4)),
    ("part cut short", "data.segments.size", "bank/customers", segments(lambda octets: octets[:-1])),
    ("part made longer", "data.segments.size", "bank/customers", segments(lambda octets: octets + b"\0")),
    ("no segments", "data.segments.size", "bank/customers", segments(lambda octets: b"")),
    ("part of another version", "part.segment", "bank/customers", data("bank/customers", segments=of_version_two)),
    ("leaves of another version", "part.leaves.root", "bank/customers", data("bank/customers", leaves=of_version_two)),
    ("part and leaves of another version", "part.leaves.root", "bank/customers",
     data("bank/customers", leaves=of_version_two, segments=of_version_two)),
    ("another part of the dataset", "data.segments.size", "shop/purchases",
     data("shop/purchases", segments=of_part_one)),
    ("another part of the dataset and its leaves", "part.leaves.root", "shop/purchases",
     data("shop/purchases", segments=of_part_one, leaves=of_part_one)),
    ("a bit in the leaves", "part.leaves.root", "bank/customers",
     data("bank/customers", leaves=lambda world, asked, honest: flip(honest(), 40))),
    ("leaves cut short", "part.leaves.size", "bank/customers",
     data("bank/customers", leaves=lambda world, asked, honest: honest()[:-32])),
    ("rows swapped by the owner after signing", "part.segment", "bank/customers",
     data("bank/customers", segments=from_resealed("sealed"))),
    ("rows and leaves swapped by the owner after signing", "part.leaves.root", "bank/customers",
     data("bank/customers", segments=from_resealed("sealed"), leaves=from_resealed("leaves"))),
]]
