"""Changing documents, tokens, evidence and receipts, and signing them again: for tests of what must be refused.

Cryptography is openssl(1)'s; nothing here uses the project's code but `explain-tool`, because a contract's signature holds the
digest of its explain text.
"""
import base64
import copy
import hashlib
import json
import os
import subprocess
import time

from host_support import EXPLAIN, ORDER, Key, b64u, canonical, digest, sign_document, unb64u
from stack import PASSPHRASE
from vault_support import RsaKey, openssl

TYPES = {"contract/1": "truce-contract+jws", "grant/1": "truce-grant+jws", "manifest/1": "truce-manifest+jws",
         "dataset-policy/1": "truce-policy+jws", "run/1": "truce-run+jws", "party/1": "truce-party+jws"}
PAYLOAD_TYPE = "application/vnd.in-toto+json"


# ---- Signed documents ----

def content(document):
    return json.loads(unb64u(document["payload"]))


def digest_of(document):
    return digest(unb64u(document["payload"]))


def open_key(folder, path, name):
    """A party's key file as a key of ours."""
    (folder / f"{name}.pem").write_bytes(openssl("pkey", "-in", str(path), "-passin", f"pass:{PASSPHRASE}"))
    return Key(folder, name)


def signed(payload, *keys, members=lambda key: {}):
    return json.loads(sign_document(canonical(payload), TYPES[payload["type"]], keys, members))


def changed(document, change, *keys):
    """The document with `change(content)` applied: signed by `keys`, or under its old signatures without any."""
    payload = content(document)
    change(payload)
    if keys:
        return signed(payload, *keys)
    return {**document, "payload": b64u(canonical(payload))}


def setting(*path_and_value):
    """A change that sets the value at a path: setting("queries", 0, "max_rows", 5)."""
    *path, last, value = path_and_value

    def change(payload):
        for step in path:
            payload = payload[step]
        payload[last] = value
    return change


def explain(payload):
    done = subprocess.run([EXPLAIN], input=canonical(payload), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


class Agreement:
    """A consistent set of a room's documents after one change: what hangs on it is signed again by those who are to sign.

    `keys` are the signing keys by party. Contract, grants and run request are changed by the functions given, in the order
    in which one names the digest of another; each signer signs what follows from the change, as it would have in good faith."""

    def __init__(self, documents, keys, contract=None, grants=None, run_request=None, header=None):
        payload = content(documents["contract"])
        if contract:
            contract(payload)
        self.digest = digest(canonical(payload))
        self.keys = keys
        made = {}
        for document in documents["grants"]:
            grant = content(document)
            grant["contract"] = self.digest
            if grants and grant["owner"] in grants:
                grants[grant["owner"]](grant)
            made[grant["owner"]] = signed(grant, keys[grant["owner"]])
        text = explain(payload)

        def members(key):
            name, = (name for name, known in keys.items() if known is key)
            found = {"explain": text, **({"grant": digest_of(made[name])} if name in made else {})}
            return {**found, **(header(name) if header else {})}
        request = content(documents["run_request"])
        request["contract"] = self.digest
        if run_request:
            run_request(request)
        signer = keys.get(request["querier"], next(iter(keys.values())))
        self.documents = {
            **documents, "grants": list(made.values()), "run_request": signed(request, signer),
            "contract": signed(payload, *(keys[party["name"]] for party in payload["parties"]), members=members)}


def high_s(document, index=0):
    """The same signature with n - s in place of s."""
    document = copy.deepcopy(document)
    octets = unb64u(document["signatures"][index]["signature"])
    s = ORDER - int.from_bytes(octets[32:], "big")
    document["signatures"][index]["signature"] = b64u(octets[:32] + s.to_bytes(32, "big"))
    return document


# ---- Evidence and tokens ----

class Simulation:
    """The chip of a simulated TEE, in the hands of whoever owns the machine."""

    def __init__(self, folder):
        self.folder = folder
        self.measurement = json.loads((folder / "simulation.json").read_text())["measurement"]

    def evidence(self, runtime_data, measurement=None, policy=0b11, bound=None):
        octets = bytearray(0x2A0)
        octets[0x000] = 2
        octets[0x00A] = policy & 0xFF
        octets[0x034] = 1
        octets[0x050:0x070] = hashlib.sha256(runtime_data if bound is None else bound).digest()
        octets[0x090:0x0C0] = bytes.fromhex(measurement or self.measurement)
        r, s = integers(openssl("dgst", "-sha384", "-sign", str(self.folder / "chip.key"), stdin=bytes(octets)))
        report = bytes(octets) + r.to_bytes(72, "little") + s.to_bytes(72, "little") + bytes(368)
        return {"family": "sim", "report": b64u(report),
                "certificates": [b64u((self.folder / f"{name}.der").read_bytes()) for name in ("chip", "root")]}

    def debuggable(self, runtime_data):
        return self.evidence(runtime_data, policy=0b1011)


def integers(der):
    at = 3 if der[1] & 0x80 else 2
    size = der[at + 1]
    rest = der[at + 2 + size:]
    return int.from_bytes(der[at + 2:at + 2 + size], "big"), int.from_bytes(rest[2:2 + rest[1]], "big")


class Signer:
    """The attestation authority's own signing key: what a hostile verifier could say."""

    def __init__(self, path, pattern):
        self.path = path
        header, claims, _ = pattern.split(".")
        self.header, self.claims = json.loads(unb64u(header)), json.loads(unb64u(claims))

    def token(self, header=None, key=None, algorithm="RS256", **changes):
        """The pattern's token with other claims. In a name that starts with `x_` every `_` is a dash; `None` takes the
        claim away."""
        claims = dict(self.claims)
        for name, value in changes.items():
            name = name.replace("_", "-") if name.startswith("x_") else name
            claims[name] = value
        claims = {name: value for name, value in claims.items() if value is not None}
        text = b64u(canonical({**self.header, "alg": algorithm, **(header or {})})) + "." + b64u(canonical(claims))
        if algorithm == "none":
            return text + "."
        return text + "." + b64u(openssl("dgst", "-sha256", "-sign", str(key or self.path), stdin=text.encode()))


class LyingRoom:
    """What somebody can do who owns the machine of a simulated TEE: keys and evidence as he likes. It speaks to the real
    authority and vaults with the courier's credentials."""

    def __init__(self, services, simulation, folder):
        self.services, self.simulation = services, simulation
        self.wrapping = RsaKey(folder, "lying-wrap", 3072)
        self.receipt = Key(folder, "lying-receipt")
        self.calls = []

    def keys(self):
        return [self.wrapping.jwk(kid="truce-wrap", use="enc"), {**self.receipt.jwk, "kid": "truce-receipt", "use": "sig"}]

    def runtime(self, contract, run_request, **changes):
        return canonical({"purpose": "run", "contract": contract, "run_request": run_request, "nonce": b64u(os.urandom(32)),
                          "keys": self.keys(), **changes})

    def attest(self, runtime_data, evidence=None, nonce=None):
        """{"token","jwks"} of the real authority; `services.Unavailable` when it refuses, with its words in `calls`."""
        self.calls = []
        nonce = nonce or json.loads(runtime_data)["nonce"]
        asked = {"evidence": evidence or self.simulation.evidence(runtime_data), "runtime_data": b64u(runtime_data),
                 "nonce": nonce}
        return json.loads(self.services.token(asked, self.calls))

    def release(self, grant, token):
        """Asks the vault of a grant for the release; the answer is the last of `calls`."""
        self.calls = []
        asked = {"party": grant["owner"], "vault": grant["vault"], "key": grant["key"], "version": grant["version"],
                 "token": token, "nonce": "abc", "enc": "RSA_AES_KEY_WRAP_256"}
        return json.loads(self.services.release(asked, self.calls))


# ---- Receipts ----

def der_of(raw):
    def integer(octets):
        octets = octets.lstrip(b"\0") or b"\0"
        octets = b"\0" + octets if octets[0] & 0x80 else octets
        return b"\2" + bytes([len(octets)]) + octets
    body = integer(raw[:32]) + integer(raw[32:])
    return b"\x30" + bytes([len(body)]) + body


def statement_of(bundle):
    return json.loads(base64.b64decode(bundle["receipt"]["payload"]))


def envelope(statement, key, payload_type=PAYLOAD_TYPE):
    payload = canonical(statement)
    covered = f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload
    return {"payload": base64.b64encode(payload).decode(), "payloadType": payload_type,
            "signatures": [{"keyid": key.kid, "sig": base64.b64encode(der_of(key.sign(covered))).decode()}]}


def forged_receipt(bundle, room):
    """A bundle like `bundle` that a lying room, attested in earnest, has made about the same run."""
    statement = statement_of(bundle)
    predicate = statement["predicate"]
    runtime_data = room.runtime(predicate["contract"], predicate["run_request"])
    evidence = room.simulation.evidence(runtime_data)
    tokens = [{**row, **room.attest(runtime_data, evidence)} for row in bundle["tokens"]]
    predicate["runtime_data"] = digest(runtime_data)
    predicate["attestation"] = [{"party": row["party"], "issuer": row["issuer"], "token": digest(row["token"].encode())}
                                for row in tokens]
    issued = max(json.loads(unb64u(row["token"].split(".")[1]))["iat"] for row in tokens)
    predicate["time"]["released"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(issued))
    return {**bundle, "runtime_data": b64u(runtime_data), "evidence": evidence, "tokens": tokens,
            "receipt": envelope(statement, room.receipt)}


def resigned(bundle, room, change):
    """The bundle's statement with `change` applied, signed by the room's receipt key."""
    statement = statement_of(bundle)
    change(statement)
    return {**bundle, "receipt": envelope(statement, room.receipt)}
