"""truce-vault over TLS, by the standard library: every call, every refusal, and everything with the courier's credential."""
import base64
import concurrent.futures
import hashlib
import json
import os
import stat
import time

import pytest

from vault_support import (BUILD, CONTRACT, MEASUREMENT, RUN_REQUEST, VAULT, Authority, RsaKey, Vault, b64u, openssl, policy,
                           release_policy, run, unb64u)

pytestmark = pytest.mark.skipif(not VAULT.exists(), reason=f"no truce-vault in {BUILD}")


class World:
    pass


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World()
    world.tmp = tmp_path_factory.mktemp("vault")
    world.authority = Authority(world.tmp)
    world.vault = Vault(world.tmp / "bureau")
    run(VAULT, "connect", world.vault.folder, world.authority.file("authority.json"))
    world.vault.start()
    world.officer = world.vault.officer()
    world.courier = world.vault.courier()
    world.room_key = RsaKey(world.tmp, "room")
    world.other_key = RsaKey(world.tmp, "other")
    yield world
    if world.vault.process is not None:
        world.vault.stop()
    world.authority.stop()


def room_jwk(world, **members):
    return world.room_key.jwk(**{"kid": "truce-wrap", "use": "enc", **members})


def create_released_key(world, name, document=None, **attributes):
    body = {"kty": "RSA", "attributes": {"exportable": True, **attributes},
            "release_policy": release_policy(document or policy(world.authority.issuer))}
    answer = world.officer.call("POST", f"/keys/{name}/create", body)
    assert answer.status == 200, answer.body
    return answer.json


def release(world, name, token, client=None, version="", **members):
    return (client or world.courier).call("POST", f"/keys/{name}/{version}/release", {"target": token, **members})


# ---- The folder ----

def test_the_folder_is_private(world):
    assert stat.S_IMODE(os.stat(world.vault.folder).st_mode) == 0o700
    for path in world.vault.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_vault_is_made_once(world):
    again = run(VAULT, "init", world.vault.folder, "--party", "x", "--url", "https://localhost", check=False)
    assert again.returncode == 16 and "setup.folder.used" in again.stderr


@pytest.mark.parametrize("arguments,want_status,want_text", [
    ([], 2, "truce-vault init"),
    (["serve"], 2, "truce-vault init"),
    (["init", "/nonexistent"], 2, "setting.option.missing (--party)"),
    (["start", "/nonexistent"], 2, "setting.command (start)"),
    (["init", "/tmp/x", "--what"], 2, "setting.option.unknown"),
    (["init", "/tmp/x", "--party", "B B", "--url", "https://h"], 11, "setting.value (--party: "),
    (["init", "/tmp/x", "--party", "b", "--url", "http://h"], 11, "setting.value (--url: "),
    (["init", "/tmp/x", "--party", "b", "--url", "https://h/path"], 11, "setup.address.url"),
    (["serve", "/nonexistent/x"], 20, "setup.folder.create"),
])
def test_wrong_use_is_explained(arguments, want_status, want_text):
    result = run(VAULT, *arguments, check=False)
    assert result.returncode == want_status
    assert want_text in result.stderr


def test_help_exits_zero():
    assert "truce-vault serve DIR" in run(VAULT, "--help").stdout


@pytest.mark.parametrize("changes,want", [
    ({"type": "connection/host/1"}, "vault.authority_file.type"),
    ({"issuer": "http://localhost"}, "vault.authority_file.issuer"),
    ({"keys": ["sha256:00"]}, "digest.form"),
    ({"keys": 1}, "vault.authority_file.keys"),
    ({"extra": 1}, "json.member.unknown"),
])
def test_only_authority_files_connect(world, changes, want):
    file = world.authority.file("wrong.json", **changes)
    result = run(VAULT, "connect", world.vault.folder, file, check=False)
    assert result.returncode == 11 and want in result.stderr


# ---- Who calls ----

def test_the_challenge_comes_before_everything(world):
    answer = world.officer.send("POST", "/keys/k/create?api%2Dversion=2025-07-01", "{not json")
    file = world.officer.file
    assert answer.status == 401 and answer.code == "Unauthorized" and answer.message.startswith("AKV10000")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer authorization="{file["authority"]}/{file["tenant"]}", resource="{file["vault"]}"')
    for name in ("x-ms-request-id", "x-ms-keyvault-region", "x-ms-keyvault-service-version", "x-ms-keyvault-network-info"):
        assert answer.headers[name]
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_vault_name_gets_a_resource_that_fits_it(world):
    port = world.officer.url.port
    answer = world.officer.send("GET", "/keys?api-version=7.4", headers={"Host": f"bureau.vault.localhost:{port}"})
    assert f'resource="https://vault.localhost:{port}"' in answer.headers["WWW-Authenticate"]
    token = world.officer.ask_token(scope=f"https://vault.localhost:{port}/.default").json["access_token"]
    assert world.officer.call("GET", "/keys", token=token).status == 200


def test_openid_metadata_and_keys(world):
    tenant = world.officer.file["tenant"]
    authority = world.officer.file["authority"]
    metadata = world.officer.send("GET", f"/{tenant}/v2.0/.well-known/openid-configuration").json
    assert metadata["issuer"] == f"{authority}/{tenant}/v2.0"
    assert metadata["token_endpoint"] == f"{authority}/{tenant}/oauth2/v2.0/token"
    assert metadata["authorization_endpoint"].startswith(authority) and metadata["jwks_uri"].startswith(authority)
    keys = world.officer.send("GET", f"/{tenant}/discovery/v2.0/keys").json["keys"]
    assert keys == world.officer.send("GET", f"/{tenant}/discovery/keys").json["keys"]
    assert keys[0]["kty"] == "RSA" and keys[0]["use"] == "sig" and "d" not in keys[0]
    assert world.officer.send("GET", "/other/v2.0/.well-known/openid-configuration").json["error_codes"] == [90002]


def test_tokens_have_the_shape_of_version_1(world):
    answer = world.officer.ask_token(scope="https://vault.azure.net/.default")
    assert answer.status == 200 and answer.json["token_type"] == "Bearer" and answer.json["expires_in"] == 3599
    header, claims = (json.loads(unb64u(part)) for part in answer.json["access_token"].split(".")[:2])
    file = world.officer.file
    assert header["alg"] == "RS256"
    assert claims["iss"] == f'{file["authority"]}/{file["tenant"]}/'
    assert claims["aud"] == "https://vault.azure.net" and claims["ver"] == "1.0" and claims["tid"] == file["tenant"]
    assert claims["appid"] == file["client_id"] and claims["roles"] == ["Key Vault Crypto Officer"] and claims["oid"]


@pytest.mark.parametrize("changes,want_status,want_code", [
    ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, 700016),
    ({"scope": "https://graph.microsoft.com/.default"}, 400, 500011),
    ({"scope": "https://vault.azure.net/read"}, 400, 70011),
    ({"scope": "https://vault.azure.net/.default offline_access"}, 400, 70011),
    ({"grant_type": "password"}, 400, 70003),
    ({"client_secret": None}, 400, 900144),
    ({"client_secret": "wrong"}, 401, 7000215),
])
def test_no_token_for_others(world, changes, want_status, want_code):
    answer = world.officer.ask_token(**changes)
    assert answer.status == want_status and answer.json["error_codes"] == [want_code]
    assert answer.json["error_description"].startswith(f"AADSTS{want_code}")


def test_guessing_is_slowed_down(world):
    guesser = world.vault.courier()
    answers = [guesser.ask_token(client_secret=f"guess{i}").status for i in range(6)]
    assert answers == [401] * 5 + [429]
    assert guesser.ask_token().status == 429
    time.sleep(1.1)
    assert guesser.ask_token().status == 200


def changed_token(world, **changes):
    header, claims, signature = world.officer.ask_token().json["access_token"].split(".")
    content = json.loads(unb64u(claims))
    content.update(changes)
    return ".".join((header, b64u(json.dumps(content).encode()), signature))


def test_other_tokens_are_refused(world):
    world.officer.call("GET", "/keys")
    header, claims, signature = world.officer.token.split(".")
    none = b64u(b'{"alg":"none","typ":"JWT"}')
    rows = [
        (changed_token(world, aud="https://graph.microsoft.com"), "AKV10022"),
        (changed_token(world, iss="https://sts.windows.net/x/"), "AKV10032"),
        (changed_token(world, oid="someone"), "identity.token.signature"),
        (f"{none}.{claims}.", "identity.token.signature"),
        ("nonsense", "identity.token.form"),
    ]
    for token, want in rows:
        answer = world.officer.call("GET", "/keys", token=token)
        assert answer.status == 401 and want in answer.message, (want, answer.body)
        assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("version,want_status", [
    ("7.3", 200), ("7.4", 200), ("7.6", 200), ("2025-07-01", 200), ("7.2", 400), ("2016-10-01", 400), ("2099-01-01", 400),
    ("", 400),
])
def test_api_versions(world, version, want_status):
    answer = world.officer.call("GET", "/keys", version=version)
    assert answer.status == want_status
    assert want_status == 200 or answer.code == "BadParameter"


# ---- Keys ----

def test_create_get_update(world):
    body = {"kty": "RSA", "key_size": 3072, "key_ops": ["wrapKey", "unwrapKey"], "attributes": {"exp": 4000000000},
            "tags": {"a": "b"}}
    made = world.officer.call("POST", "/keys/Life-1/create", body).json
    vault = world.officer.file["vault"]
    assert made["key"]["kid"].startswith(f"{vault}/keys/Life-1/")
    assert made["key"]["kty"] == "RSA" and len(unb64u(made["key"]["n"])) == 384 and made["key"]["e"] == "AQAB"
    assert made["key"]["key_ops"] == ["wrapKey", "unwrapKey"] and made["tags"] == {"a": "b"}
    assert set(made["attributes"]) == {"enabled", "exp", "created", "updated", "recoveryLevel", "recoverableDays", "exportable"}
    assert not {"d", "p", "q"} & set(made["key"])
    version = made["key"]["kid"].rsplit("/", 1)[1]
    for path in ("/keys/Life-1", "/keys/Life-1/", f"/keys/Life-1/{version}", "/keys/life-1/"):
        assert world.officer.call("GET", path).json == made
    update = {"attributes": {"enabled": False}, "tags": {"x": "y"}, "key_ops": ["sign"]}
    updated = world.officer.call("PATCH", f"/keys/Life-1/{version}", update).json
    assert updated["attributes"]["enabled"] is False and updated["tags"] == {"x": "y"}
    assert updated["attributes"]["exp"] == 4000000000 and updated["key"]["key_ops"] == ["sign"]
    assert world.officer.call("PATCH", "/keys/Life-1/", {"attributes": {"enabled": True}}).json["attributes"]["enabled"]
    newer = world.officer.call("POST", "/keys/Life-1/create", {"kty": "RSA"}).json
    assert newer["key"]["kid"] != made["key"]["kid"]
    assert world.officer.call("GET", "/keys/Life-1").json["key"]["kid"] == newer["key"]["kid"]
    listed = world.officer.call("GET", "/keys/Life-1/versions").json
    assert {item["kid"] for item in listed["value"]} == {made["key"]["kid"], newer["key"]["kid"]}
    assert listed["nextLink"] is None


def test_pages(world):
    for i in range(3):
        assert world.officer.call("POST", f"/keys/page-{i}/create", {"kty": "EC"}).status == 200
    found, path = [], "/keys?maxresults=2"
    answer = world.officer.call("GET", path)
    while True:
        assert len(answer.json["value"]) <= 2
        found += [item["kid"] for item in answer.json["value"]]
        link = answer.json["nextLink"]
        if link is None:
            break
        assert link.startswith(world.officer.file["vault"] + "/keys?")
        answer = world.officer.call("GET", link[len(world.officer.file["vault"]):], version=None)
    vault = world.officer.file["vault"]
    assert len(found) == len(set(found)) and {f"{vault}/keys/page-{i}" for i in range(3)} <= set(found)
    for wrong in ("maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=%25"):
        assert world.officer.call("GET", f"/keys?{wrong}").code == "BadParameter"


@pytest.mark.parametrize("body,want", [
    ({}, "json.member.missing"),
    ({"kty": "oct"}, "vault.kind.unsupported"),
    ({"kty": "RSA-HSM"}, "HSM"),
    ({"kty": "EC-HSM"}, "HSM"),
    ({"kty": "RSA", "key_size": 1024}, "vault.kind.rsa_size"),
    ({"kty": "RSA", "public_exponent": 3}, "vault.kind.rsa_exponent"),
    ({"kty": "EC", "crv": "P-521"}, "vault.kind.curve"),
    ({"kty": "RSA", "key_ops": ["fly"]}, "vault.request.key_ops"),
    ({"kty": "RSA", "tags": {"a": 1}}, "vault.request.tags"),
    ({"kty": "RSA", "attributes": {"nbf": 10, "exp": 5}}, "vault.request.times"),
    ({"kty": "RSA", "attributes": {"what": 1}}, "json.member.unknown"),
    ({"kty": "RSA", "what": 1}, "json.member.unknown"),
    ({"kty": "RSA", "attributes": {"exportable": True}}, "needs a release policy"),
    ({"kty": "RSA", "release_policy": release_policy(policy("https://a"))}, "exportable"),
])
def test_create_refuses(world, body, want):
    answer = world.officer.call("POST", "/keys/refused/create", body)
    assert answer.status == 400 and answer.code == "BadParameter" and want in answer.message
    assert world.officer.call("GET", "/keys/refused").status == 404


def nested(depth):
    node = {"claim": "a", "equals": "b"}
    for _ in range(depth):
        node = {"allOf": [node]}
    return {"version": "1.0.0", "anyOf": [{"authority": "https://a", "allOf": [node]}]}


@pytest.mark.parametrize("document,want", [
    (b"", "json.syntax"),
    (b"{}", "release_policy.members"),
    (b"[]", "release_policy.form"),
    (b'{"version":"1.0.0","version":"1.0.0","anyOf":[]}', "json.duplicate_member"),
    ({"version": "1.0.0", "anyOf": []}, "release_policy.list.empty"),
    ({"version": "1.0.0", "anyOf": [{"authority": "https://a", "allOf": []}]}, "release_policy.list.empty"),
    ({"version": "1.0.0", "anyOf": [{"authority": "https://a", "allOf": [{"claim": "a", "like": "b"}]}]},
     "release_policy.condition.operator"),
    (nested(20), "release_policy.depth"),
    (policy("https://a", **{"x-ms-sevsnpvm-launchmeasurement": None}), "identify the code"),
    (policy("https://a", **{"x-ms-attestation-type": None}), "identify the code"),
    ({"version": "1.0.0", "anyOf": policy("https://a")["anyOf"] + [
        {"authority": "https://b", "allOf": [{"claim": "x-ms-attestation-type", "equals": "sim"}]}]}, "identify the code"),
])
def test_policies_that_guard_nothing_are_refused(world, document, want):
    body = {"kty": "RSA", "attributes": {"exportable": True}, "release_policy": release_policy(document)}
    answer = world.officer.call("POST", "/keys/refused/create", body)
    assert answer.status in (400, 413) and answer.code == "BadParameter" and want in answer.message, answer.body


def test_names_and_versions(world):
    for name in ("a_b", "a.b", "x" * 128, "%2e%2e", "a%20b"):
        assert world.officer.call("POST", f"/keys/{name}/create", {"kty": "EC"}).code == "BadParameter"
    missing = world.officer.call("GET", "/keys/nothing")
    assert missing.status == 404 and missing.code == "KeyNotFound" and "nothing" in missing.message
    assert world.officer.call("GET", "/keys/Life-1/" + "0" * 32).code == "KeyNotFound"
    assert world.officer.call("GET", "/keys/Life-1/zz").code == "KeyNotFound"
    assert world.officer.call("DELETE", "/keys/Life-1").status == 405
    assert world.officer.call("GET", "/secrets").status == 404


def test_update_refuses(world):
    made = create_released_key(world, "fixed")
    rows = [
        ({"attributes": {"exportable": False}}, "vault.request.exportable"),
        ({"attributes": {"nbf": 4000000001}}, None),
        ({"attributes": {"exp": 4000000000}}, "vault.request.times"),
        ({"kty": "RSA"}, "json.member.unknown"),
        ({"release_policy": release_policy({"version": "1.0.0", "anyOf": []})}, "release_policy.list.empty"),
    ]
    for body, want in rows:
        answer = world.officer.call("PATCH", "/keys/fixed", body)
        assert answer.status == (400 if want else 200)
        assert want is None or want in answer.message
    changed = policy(world.authority.issuer, **{"x-ms-runtime.contract": "sha256:" + "33" * 32})
    update = world.officer.call("PATCH", "/keys/fixed", {"release_policy": release_policy(changed, immutable=True)})
    assert update.json["release_policy"]["data"] != made["release_policy"]["data"] and update.json["release_policy"]["immutable"]
    again = world.officer.call("PATCH", "/keys/fixed", {"release_policy": release_policy(policy(world.authority.issuer))})
    assert again.status == 400 and again.inner == "ReleasePolicyImmutable"
    world.officer.call("POST", "/keys/plain/create", {"kty": "RSA"})
    plain = world.officer.call("PATCH", "/keys/plain", {"release_policy": release_policy(policy(world.authority.issuer))})
    assert plain.status == 400 and "exportable" in plain.message


def public_key_file(world, jwk):
    """The public key as PEM, by way of openssl's ASN.1 generator."""
    path = world.tmp / "public.der"
    config = world.tmp / "public.cnf"
    config.write_text("asn1=SEQUENCE:k\n[k]\nn=INTEGER:0x%s\ne=INTEGER:0x010001\n" % unb64u(jwk["n"]).hex())
    openssl("asn1parse", "-genconf", str(config), "-noout", "-out", str(path))
    pem = world.tmp / "public.pem"
    pem.write_bytes(openssl("rsa", "-RSAPublicKey_in", "-inform", "DER", "-in", str(path), "-pubout"))
    return pem


@pytest.mark.parametrize("algorithm", ["RSA-OAEP", "RSA-OAEP-256"])
def test_wrap_and_unwrap(world, algorithm):
    made = world.officer.call("POST", "/keys/wrapper/create", {"kty": "RSA"}).json
    path = made["key"]["kid"][len(world.officer.file["vault"]):]
    value = b64u(bytes(range(32)))
    wrapped = world.officer.call("POST", f"{path}/wrapkey", {"alg": algorithm, "value": value}).json
    assert wrapped["kid"] == made["key"]["kid"] and len(unb64u(wrapped["value"])) == 256
    unwrapped = world.officer.call("POST", f"{path}/unwrapKey", {"alg": algorithm, "value": wrapped["value"]}).json
    assert unwrapped == {"kid": made["key"]["kid"], "value": value}
    hash_name = "sha1" if algorithm == "RSA-OAEP" else "sha256"
    foreign = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", str(public_key_file(world, made["key"])), "-pkeyopt",
                      "rsa_padding_mode:oaep", "-pkeyopt", f"rsa_oaep_md:{hash_name}", "-pkeyopt",
                      f"rsa_mgf1_md:{hash_name}", stdin=b"by another hand")
    answer = world.officer.call("POST", f"{path}/unwrapkey", {"alg": algorithm, "value": b64u(foreign)})
    assert unb64u(answer.json["value"]) == b"by another hand"
    broken = bytearray(foreign)
    broken[7] ^= 1
    assert world.officer.call("POST", f"{path}/unwrapkey", {"alg": algorithm, "value": b64u(broken)}).status == 400


def test_sign(world):
    digest = hashlib.sha256(b"message").digest()
    rsa = world.officer.call("POST", "/keys/signer/create", {"kty": "RSA"}).json["key"]
    ec = world.officer.call("POST", "/keys/ec-signer/create", {"kty": "EC", "crv": "P-256"}).json["key"]
    assert ec["crv"] == "P-256" and ec["key_ops"] == ["sign", "verify"]
    for algorithm, options in (("RS256", []), ("PS256", ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32"])):
        path = rsa["kid"][len(world.officer.file["vault"]):]
        answer = world.officer.call("POST", f"{path}/sign", {"alg": algorithm, "value": b64u(digest)}).json
        signature = world.tmp / "signature"
        signature.write_bytes(unb64u(answer["value"]))
        openssl("pkeyutl", "-verify", "-pubin", "-inkey", str(public_key_file(world, rsa)), "-sigfile", str(signature),
                "-pkeyopt", "digest:sha256", *options, stdin=digest)
    path = ec["kid"][len(world.officer.file["vault"]):]
    answer = world.officer.call("POST", f"{path}/sign", {"alg": "ES256", "value": b64u(digest)})
    assert len(unb64u(answer.json["value"])) == 64
    for body, want in [({"alg": "RS256", "value": b64u(digest)}, "vault.algorithm.key_kind"),
                       ({"alg": "ES384", "value": b64u(digest)}, "vault.algorithm.unsupported"),
                       ({"alg": "ES256", "value": b64u(digest[:31])}, "vault.sign.digest_size"),
                       ({"alg": "ES256", "value": "!"}, "base64"),
                       ({"alg": "ES256"}, "json.member.missing")]:
        answer = world.officer.call("POST", f"{path}/sign", body)
        assert answer.status == 400 and want in answer.message
    wrong_kind = world.officer.call("POST", f"{path}/wrapkey", {"alg": "RSA-OAEP", "value": "AQ"})
    assert wrong_kind.status == 403 and wrong_kind.inner == "KeyOperationForbidden"


def test_attributes_are_enforced(world):
    now = int(time.time())
    value = b64u(bytes(32))
    rows = [
        ({"enabled": False}, {"wrapkey": "KeyDisabled", "unwrapkey": "KeyDisabled", "sign": "KeyDisabled"}),
        ({"nbf": now + 600}, {"wrapkey": "KeyNotYetValid", "sign": "KeyNotYetValid"}),
        ({"exp": now - 600}, {"wrapkey": "KeyExpired", "sign": "KeyExpired"}),
    ]
    for i, (attributes, refused) in enumerate(rows):
        made = world.officer.call("POST", f"/keys/attributes-{i}/create", {"kty": "RSA", "attributes": attributes}).json
        path = made["key"]["kid"][len(world.officer.file["vault"]):]
        for operation, want in refused.items():
            body = {"alg": "RS256" if operation == "sign" else "RSA-OAEP", "value": value}
            answer = world.officer.call("POST", f"{path}/{operation}", body)
            assert answer.status == 403 and answer.code == "Forbidden" and answer.inner == want
    made = world.officer.call("POST", "/keys/only-sign/create", {"kty": "RSA", "key_ops": ["sign"]}).json
    path = made["key"]["kid"][len(world.officer.file["vault"]):]
    answer = world.officer.call("POST", f"{path}/unwrapkey", {"alg": "RSA-OAEP", "value": value})
    assert answer.status == 403 and answer.inner == "KeyOperationForbidden"


# ---- Release ----

@pytest.mark.parametrize("enc", ["CKM_RSA_AES_KEY_WRAP", "RSA_AES_KEY_WRAP_256", None])
def test_release(world, enc):
    made = create_released_key(world, "released", exp=4000000000)
    version = made["key"]["kid"].rsplit("/", 1)[1]
    token = world.authority.token(world.authority.claims([room_jwk(world), {"kty": "EC", "use": "sig"}]))
    members = {"nonce": "n-1", **({"enc": enc} if enc else {})}
    answer = release(world, "released", token, version=version, **members)
    assert answer.status == 200, answer.body
    header, payload, signature = answer.json["value"].split(".")
    said = json.loads(unb64u(payload))
    enc = enc or "CKM_RSA_AES_KEY_WRAP"
    assert said["request"] == {"api-version": "2025-07-01", "enc": enc, "kid": made["key"]["kid"], "nonce": "n-1"}
    key = said["response"]["key"]
    assert key["key"]["kid"] == made["key"]["kid"] and key["release_policy"] == made["release_policy"]
    assert key["attributes"]["exportable"] is True and key["key"]["kty"] == "RSA"
    transfer = json.loads(unb64u(key["key"]["key_hsm"]))
    assert transfer["schema_version"] == "1.0"
    assert transfer["header"] == {"alg": "dir", "enc": enc, "kid": "truce-wrap"}
    pkcs8 = world.room_key.unwrap(enc, unb64u(transfer["ciphertext"]), world.tmp)
    modulus = openssl("rsa", "-inform", "DER", "-noout", "-modulus", stdin=pkcs8).split(b"=")[1].strip()
    assert bytes.fromhex(modulus.decode()) == unb64u(made["key"]["n"])
    check_release_signature(world, header, f"{header}.{payload}", signature)


def check_release_signature(world, header, signed, signature):
    head = json.loads(unb64u(header))
    assert head["alg"] == "RS256" and head["typ"] == "JWT" and head["kid"] and len(head["x5c"]) == 2
    for i, certificate in enumerate(head["x5c"]):
        der = base64.b64decode(certificate, validate=True)
        (world.tmp / f"x5c{i}.pem").write_bytes(openssl("x509", "-inform", "DER", stdin=der))
    (world.tmp / "vault-ca.pem").write_text(world.officer.file["ca"])
    openssl("verify", "-CAfile", str(world.tmp / "vault-ca.pem"), "-verify_hostname", "localhost", str(world.tmp / "x5c0.pem"))
    der = openssl("x509", "-in", str(world.tmp / "x5c0.pem"), "-outform", "DER")
    assert head["x5t#S256"] == b64u(hashlib.sha256(der).digest())
    public = world.tmp / "x5c0-public.pem"
    public.write_bytes(openssl("x509", "-in", str(world.tmp / "x5c0.pem"), "-noout", "-pubkey"))
    (world.tmp / "release.sig").write_bytes(unb64u(signature))
    openssl("dgst", "-sha256", "-verify", str(public), "-signature", str(world.tmp / "release.sig"), stdin=signed.encode())


def test_release_without_version_takes_the_latest(world):
    create_released_key(world, "latest")
    made = create_released_key(world, "latest")
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    for path in ("/keys/latest/release", "/keys/latest//release"):
        answer = world.courier.call("POST", path, {"target": token}, version="7.4")
        payload = json.loads(unb64u(answer.json["value"].split(".")[1]))
        assert payload["request"]["kid"] == made["key"]["kid"] and "nonce" not in payload["request"]


CLAIM_REFUSALS = [
    ("x_ms_sevsnpvm_launchmeasurement", "00" * 48, "claim.differs at x-ms-sevsnpvm-launchmeasurement"),
    ("x_ms_sevsnpvm_launchmeasurement", None, "claim.absent at x-ms-sevsnpvm-launchmeasurement"),
    ("x_ms_sevsnpvm_is_debuggable", True, "claim.differs at x-ms-sevsnpvm-is-debuggable"),
    ("x_ms_attestation_type", "sevsnpvm", "claim.differs at x-ms-attestation-type"),
    ("x_truce_simulation_root", "sha256:" + "00" * 32, "claim.differs at x-truce-simulation-root"),
]


@pytest.mark.parametrize("claim,value,want", CLAIM_REFUSALS)
def test_release_names_the_condition_that_failed(world, claim, value, want):
    create_released_key(world, "guarded")
    token = world.authority.token(world.authority.claims([room_jwk(world)], **{claim: value}))
    answer = release(world, "guarded", token)
    assert answer.status == 403 and answer.inner == "ReleasePolicyNotSatisfied" and want in answer.message
    assert MEASUREMENT not in answer.message and "00000000" not in answer.message


def test_release_for_another_contract(world):
    create_released_key(world, "guarded")
    claims = world.authority.claims([room_jwk(world)])
    claims["x-ms-runtime"]["contract"] = "sha256:" + "99" * 32
    answer = release(world, "guarded", world.authority.token(claims))
    assert answer.status == 403 and "x-ms-runtime.contract" in answer.message


def test_release_refuses_tokens(world):
    create_released_key(world, "guarded")
    authority = world.authority
    good = [room_jwk(world)]
    now = int(time.time())
    small = RsaKey(world.tmp, "small", 1024)
    token = authority.token(authority.claims(good))
    header, claims, signature = token.split(".")
    none = b64u(b'{"alg":"none","kid":"a1"}')
    own = world.other_key.token(authority.claims(good), {"kid": "a1", "jwk": world.other_key.jwk()})
    rows = [
        ("nonsense", 400, "vault.release.token.form"),
        (f"{none}.{claims}.", 403, "jwt.algorithm"),
        (f"{header}.{claims}.{b64u(bytes(256))}", 403, "jwt.signature"),
        (own, 403, "jwt.signature"),
        (authority.token(authority.claims(good, iss="https://elsewhere")), 403, "authority"),
        (authority.token(authority.claims(good, exp=now - 301)), 403, "token.expired"),
        (authority.token(authority.claims(good, nbf=now + 600)), 403, "token.not_yet_valid"),
        (authority.token(authority.claims(good, x_ms_policy_hash="other")), 403, "token.policy_hash"),
        (authority.token(authority.claims(good, x_ms_ver="2.0")), 403, "token.version"),
        (authority.token(authority.claims(good, exp=None)), 400, "token.claims"),
        (authority.token(authority.claims(good, x_ms_runtime=None)), 403, "x-ms-runtime"),
        (authority.token(authority.claims([])), 400, "runtime.key.none"),
        (authority.token(authority.claims([room_jwk(world, use="sig")])), 400, "runtime.key.none"),
        (authority.token(authority.claims(good + [world.other_key.jwk(use="enc")])), 400, "runtime.key.several"),
        (authority.token(authority.claims([small.jwk(use="enc")])), 400, "key.rsa.size"),
    ]
    for target, want_status, want in rows:
        answer = release(world, "guarded", target)
        assert answer.status == want_status and want in answer.message, (want, answer.body)
        assert "value" not in answer.json
    assert release(world, "guarded", token).status == 200


def test_release_refuses_requests(world):
    create_released_key(world, "guarded")
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    for body, want in [({}, "json.member.missing"), ({"target": ""}, "vault.request.target"),
                       ({"target": token, "enc": "RSA_AES_KEY_WRAP_384"}, "vault.request.enc"),
                       ({"target": token, "enc": "none"}, "vault.request.enc"),
                       ({"target": token, "nonce": 1}, "json.member.not_text"),
                       ({"target": token, "extra": 1}, "json.member.unknown")]:
        answer = world.courier.call("POST", "/keys/guarded//release", body)
        assert answer.status == 400 and want in answer.message
    assert release(world, "nothing", token).code == "KeyNotFound"


def test_release_refuses_keys(world):
    now = int(time.time())
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    world.officer.call("POST", "/keys/closed/create", {"kty": "RSA"})
    create_released_key(world, "off", enabled=False)
    create_released_key(world, "early", nbf=now + 600)
    create_released_key(world, "late", exp=now - 600)
    for name, want in [("closed", "KeyNotExportable"), ("off", "KeyDisabled"), ("early", "KeyNotYetValid"),
                       ("late", "KeyExpired")]:
        answer = release(world, name, token)
        assert answer.status == 403 and answer.inner == want
        assert release(world, name, token, client=world.officer).inner == want


def test_disabling_stops_releases_at_once(world):
    create_released_key(world, "revoked")
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    assert release(world, "revoked", token).status == 200
    world.officer.call("PATCH", "/keys/revoked", {"attributes": {"enabled": False}})
    assert release(world, "revoked", token).inner == "KeyDisabled"


def test_unknown_keys_of_an_authority_are_fetched_once(world):
    create_released_key(world, "guarded")
    claims = world.authority.claims([room_jwk(world)])
    before = len(world.authority.requests)
    for _ in range(3):
        answer = release(world, "guarded", world.authority.token(claims, kid="unknown"))
        assert answer.status == 403 and "token.key_unknown" in answer.message
    assert len(world.authority.requests) - before <= 2


def test_a_key_without_pin_does_not_count(world, tmp_path):
    authority = Authority(tmp_path)
    stranger = RsaKey(tmp_path, "stranger")
    authority.keys.append(stranger.jwk(kid="a2", use="sig"))
    run(VAULT, "connect", world.vault.folder, authority.file("second.json"))
    create_released_key(world, "second", policy(authority.issuer))
    claims = authority.claims([room_jwk(world)])
    assert release(world, "second", authority.token(claims)).status == 200
    answer = release(world, "second", authority.token(claims, kid="a2", key=stranger))
    assert answer.status == 403 and "token.key_not_pinned" in answer.message
    first = world.authority.token(world.authority.claims([room_jwk(world)]))
    assert release(world, "second", first).inner == "AuthorityNotTrusted"
    authority.stop()


@pytest.mark.parametrize("fault,want_status,want", [
    ("issuer", 403, "vault.authority.metadata"),
    ("jwks_uri", 403, "vault.authority.metadata"),
    ("keys", 403, "vault.authority.keys"),
    ("certificate", 403, "vault.authority.certificate"),
    ("down", 503, "AuthorityUnreachable"),
    ("not connected", 403, "AuthorityNotTrusted"),
])
def test_authorities_that_cannot_be_believed(world, tmp_path, fault, want_status, want):
    authority = Authority(tmp_path)
    changes = {}
    if fault == "issuer":
        authority.issuer_said = "https://other"
    if fault == "jwks_uri":
        authority.jwks_uri_said = "https://127.0.0.1:1/certs"
    if fault == "keys":
        authority.keys = {"a": 1}
    if fault == "certificate":
        changes["ca"] = world.officer.file["ca"]
    if fault != "not connected":
        run(VAULT, "connect", world.vault.folder, authority.file("third.json", **changes))
    if fault == "down":
        authority.stop()
    create_released_key(world, "third", policy(authority.issuer))
    answer = release(world, "third", authority.token(authority.claims([room_jwk(world)])))
    assert answer.status == want_status and (want == answer.inner or want in answer.message), answer.body
    if fault != "down":
        authority.stop()


# ---- The courier ----

def test_the_courier_can_release_and_nothing_else(world):
    made = create_released_key(world, "target")
    path = made["key"]["kid"][len(world.officer.file["vault"]):]
    value = b64u(bytes(32))
    calls = [
        ("POST", "/keys/courier/create", {"kty": "RSA"}),
        ("GET", "/keys", None),
        ("GET", "/keys/target", None),
        ("GET", "/keys/target/", None),
        ("GET", path, None),
        ("GET", "/keys/target/versions", None),
        ("PATCH", path, {"attributes": {"enabled": True}}),
        ("PATCH", "/keys/target", {"release_policy": release_policy(policy(world.authority.issuer))}),
        ("POST", f"{path}/wrapkey", {"alg": "RSA-OAEP", "value": value}),
        ("POST", f"{path}/unwrapkey", {"alg": "RSA-OAEP", "value": value}),
        ("POST", f"{path}/sign", {"alg": "RS256", "value": value}),
        ("GET", "/truce/releases", None),
        ("GET", "/keys/nothing", None),
    ]
    for method, target, body in calls:
        answer = world.courier.call(method, target, body)
        assert answer.status == 403 and answer.inner == "ForbiddenByRbac", (method, target, answer.body)
    others = [("DELETE", "/keys/target"), ("PUT", "/keys/target"), ("POST", "/keys/target/backup"), ("POST", "/keys/restore"),
              ("POST", f"{path}/decrypt"), ("POST", f"{path}/encrypt"), ("POST", f"{path}/verify"), ("GET", "/deletedkeys"),
              ("GET", "/secrets"), ("POST", "/rng"), ("POST", "/keys/target/rotate"), ("GET", "/keys/target/rotationpolicy"),
              ("PUT", "/keys/target/rotationpolicy"), ("GET", "/truce/clients"), ("GET", "/")]
    for method, target in others:
        answer = world.courier.call(method, target, {} if method != "GET" else None)
        assert answer.status in (403, 404, 405), (method, target, answer.status)
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    assert release(world, "target", token).status == 200


# ---- Many at once ----

def test_many_callers_at_once(world):
    """Releases, reads, updates and new versions from many threads: each gets its own right answer."""
    create_released_key(world, "busy")
    world.officer.call("GET", "/keys")
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    before = len(world.officer.call("GET", "/truce/releases?key=busy", version=None).json["value"])

    def work(number):
        name = f"busy-{number}"
        made = world.officer.call("POST", f"/keys/{name}/create", {"kty": "EC", "tags": {"n": str(number)}})
        got = world.officer.call("GET", f"/keys/{name}")
        released = release(world, "busy", token, nonce=str(number))
        payload = json.loads(unb64u(released.json["value"].split(".")[1]))
        return (made.status, got.json["tags"], payload["request"]["nonce"]) == (200, {"n": str(number)}, str(number))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(48)))
    entries = world.officer.call("GET", "/truce/releases?key=busy", version=None).json["value"]
    assert len(entries) - before == 48


# ---- Records ----

def test_the_owner_reads_who_had_what_released(world):
    made = create_released_key(world, "recorded")
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    assert release(world, "recorded", token).status == 200
    assert release(world, "recorded", world.authority.token({"iss": world.authority.issuer})).status in (400, 403)
    version = made["key"]["kid"].rsplit("/", 1)[1]
    answer = world.officer.call("GET", f"/truce/releases?key=recorded&version={version}", version=None)
    assert answer.status == 200 and len(answer.json["value"]) == 1
    entry = answer.json["value"][0]
    courier = world.courier.file
    assert entry["key"] == "recorded" and entry["version"] == version and entry["application"] == courier["client_id"]
    assert entry["contract"] == CONTRACT and entry["run_request"] == RUN_REQUEST
    assert entry["authority"] == world.authority.issuer and entry["time"].endswith("Z") and entry["caller"]
    assert len(world.officer.call("GET", "/truce/releases", version=None).json["value"]) > 1


def test_nothing_is_forgotten_and_nothing_lies_open(world):
    made = create_released_key(world, "kept")
    releases = world.officer.call("GET", "/truce/releases", version=None).json["value"]
    world.vault.stop()
    secrets = [world.officer.file["client_secret"], world.courier.file["client_secret"], world.officer.token, world.courier.token]
    for name in ("audit.log", "state.db"):
        content = (world.vault.folder / name).read_bytes()
        for secret in secrets:
            assert secret.encode() not in content and secret.split(".")[-1].encode() not in content
        assert b"PRIVATE KEY" not in content and CONTRACT.encode() not in content
        assert unb64u(made["key"]["n"]) not in content
    lines = [json.loads(line) for line in (world.vault.folder / "audit.log").read_text().splitlines()]
    released = [line for line in lines if line["OperationName"] == "KeyRelease" and line["ResultType"] == "Success"]
    assert released and released[-1]["HttpStatusCode"] == 200 and released[-1]["Identity"]["appid"] == world.courier.file["client_id"]
    refused = [line for line in lines if line["OperationName"] == "KeyRelease" and line["HttpStatusCode"] == 403]
    assert refused and all(line["ResultDescription"] != "ok" for line in refused)
    world.vault.start()
    world.officer.token = world.courier.token = None
    assert world.officer.call("GET", "/keys/kept").json == made
    assert world.officer.call("GET", "/truce/releases", version=None).json["value"] == releases
    token = world.authority.token(world.authority.claims([room_jwk(world)]))
    assert release(world, "kept", token).status == 200


def test_a_vault_with_another_master_key_does_not_start(world, tmp_path):
    other = Vault(tmp_path / "other", party="other")
    (other.folder / "master.key").write_bytes(bytes(32))
    result = run(VAULT, "serve", other.folder, check=False)
    assert result.returncode == 18 and "state.master_key" in result.stderr
    os.chmod(other.folder / "master.key", 0o644)
    result = run(VAULT, "serve", other.folder, check=False)
    assert result.returncode == 13 and "setup.file.mode" in result.stderr


def test_hsm_kinds_are_answered_where_the_owner_wants_it(tmp_path):
    vault = Vault(tmp_path / "emulating")
    config = json.loads((vault.folder / "config.json").read_text())
    (vault.folder / "config.json").write_text(json.dumps({**config, "emulate_hsm_kinds": True}))
    vault.start()
    made = vault.officer().call("POST", "/keys/k/create", {"kty": "RSA-HSM"})
    assert made.status == 200 and made.json["key"]["kty"] == "RSA-HSM"
    vault.stop()
