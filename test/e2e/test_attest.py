"""truce-attest over HTTPS: evidence made here with the openssl command, tokens checked here with integers."""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", SOURCE / "build"))
ATTEST = BUILD / "src" / "main" / "truce-attest"
SIMULATION = BUILD / "src" / "main" / "truce-simulation-init"
MEASUREMENT = "ab" * 48
NEWEST = "2025-06-01"


def b64u(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_simulation(folder):
    folder.mkdir()
    subprocess.run([SIMULATION, folder, MEASUREMENT], check=True)
    return folder


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    def __init__(self, folder, simulations):
        self.url = f"https://localhost:{free_port()}"
        options = [option for simulation in simulations for option in ("--simulation", simulation / "simulation.json")]
        subprocess.run([ATTEST, "init", folder, "--url", self.url + "/", *options], check=True)
        self.connection = json.loads((folder / "authority.json").read_text())
        self.ca = folder / "ca.pem"
        self.tls = ssl.create_default_context(cadata=self.connection["ca"])
        self.process = subprocess.Popen([ATTEST, "serve", folder], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == f"listening {self.url}\n"

    def call(self, path, body=None):
        """The status, the JSON and the content type."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=20) as answer:
                return answer.status, json.loads(answer.read()), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), error.headers["Content-Type"]

    def attest(self, body, version=NEWEST):
        status, answer, _ = self.call(f"/attest/SevSnpVm?api-version={version}", body)
        return status, answer

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    return new_simulation(tmp_path_factory.mktemp("room") / "sim")


@pytest.fixture(scope="module")
def service(tmp_path_factory, simulation):
    second = new_simulation(tmp_path_factory.mktemp("second") / "sim")
    service = Service(tmp_path_factory.mktemp("attest") / "dir", [second, simulation])
    yield service
    service.stop()


def ecdsa_integers(der):
    assert der[0] == 0x30
    size = der[3]
    second = der[4 + size:]
    return int.from_bytes(der[4:4 + size], "big"), int.from_bytes(second[2:2 + second[1]], "big")


def report(simulation, report_data, change=None):
    """The chip's report over 64 octets, written after AMD's table and not with the project's code."""
    octets = bytearray(0x2A0)
    octets[0x000] = 2
    octets[0x00A] = 0b11
    octets[0x034] = 1
    octets[0x050:0x090] = report_data
    octets[0x090:0x0C0] = bytes.fromhex(MEASUREMENT)
    if change:
        change(octets)
    der = subprocess.run(["openssl", "dgst", "-sha384", "-sign", simulation / "chip.key"], input=bytes(octets),
                         capture_output=True, check=True).stdout
    r, s = ecdsa_integers(der)
    return bytes(octets) + r.to_bytes(72, "little") + s.to_bytes(72, "little") + bytes(368)


def chain(simulation):
    names = ("chip.der", "root.der")
    return "".join(ssl.DER_cert_to_PEM_cert((simulation / name).read_bytes()) for name in names).encode()


RUNTIME = json.dumps({"purpose": "run", "keys": [], "x": "é"}, separators=(",", ":"), ensure_ascii=False).encode()


def body(simulation, runtime=RUNTIME, change=None, nonce="abc", kind="JSON", snp=None):
    bound = hashlib.sha256(runtime).digest() + bytes(32)
    inner = {"SnpReport": b64u(snp or report(simulation, bound, change)), "VcekCertChain": b64u(chain(simulation))}
    return {"report": b64u(json.dumps(inner).encode()), "runtimeData": {"data": b64u(runtime), "dataType": kind},
            "nonce": nonce}


def verified_claims(service, token):
    """RS256 by arithmetic, with the key of /certs and its pin of authority.json."""
    header, payload, signature = token.split(".")
    fields = json.loads(unb64u(header))
    jwk, = service.call("/certs")[1]["keys"]
    assert fields == {"alg": "RS256", "jku": service.url + "/certs", "kid": jwk["kid"], "typ": "JWT"}
    n, e = (int.from_bytes(unb64u(jwk[name]), "big") for name in ("n", "e"))
    padded = pow(int.from_bytes(unb64u(signature), "big"), e, n).to_bytes(256, "big")
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    digest = hashlib.sha256(f"{header}.{payload}".encode()).digest()
    assert padded == b"\x00\x01" + b"\xff" * (253 - len(info) - 32) + b"\x00" + info + digest
    return json.loads(unb64u(payload))


def test_a_token(service, simulation):
    status, answer = service.attest(body(simulation))
    assert status == 200, answer
    claims = verified_claims(service, answer["token"])
    pin = json.loads((simulation / "simulation.json").read_text())["pin"]
    assert claims["iss"] == service.url == service.connection["issuer"]
    assert claims["exp"] - claims["iat"] == 28800 and claims["nbf"] == claims["iat"]
    assert len(claims["jti"]) == 64 and claims["x-ms-ver"] == "1.0" and claims["nonce"] == "abc"
    assert claims["x-ms-attestation-type"] == "sim" and claims["x-truce-simulation-root"] == pin
    assert claims["x-ms-runtime"] == json.loads(RUNTIME)
    assert claims["x-ms-policy-hash"] == service.connection["policy_hash"]
    assert claims["x-ms-sevsnpvm-launchmeasurement"] == MEASUREMENT
    assert claims["x-ms-sevsnpvm-reportdata"] == hashlib.sha256(RUNTIME).hexdigest() + "00" * 32
    assert claims["x-ms-sevsnpvm-is-debuggable"] is False and claims["x-ms-sevsnpvm-smt-allowed"] is True
    assert claims["x-ms-sevsnpvm-vmpl"] == 0


def test_what_clients_vary(service, simulation):
    asked = body(simulation, kind="Binary")
    shouted = {key.upper(): value for key, value in asked.items()}
    shouted["REPORT"] = base64.b64encode(unb64u(asked["report"])).decode()
    for version in ("2020-10-01", "2022-08-01", NEWEST):
        status, answer = service.attest(shouted, version)
        assert status == 200, answer
    assert "x-ms-runtime" not in verified_claims(service, answer["token"])
    host_data = hashlib.sha256(b"{}").digest()
    asked = body(simulation, change=lambda octets: octets.__setitem__(slice(0xC0, 0xE0), host_data))
    asked["initTimeData"] = {"data": b64u(b"{}"), "dataType": "JSON"}
    status, answer = service.attest(asked)
    assert status == 200 and verified_claims(service, answer["token"])["x-ms-inittime"] == {}


def with_member(asked, name, value):
    return {**asked, name: value}


def refused_requests(simulation):
    good = body(simulation)
    inner = json.loads(unb64u(good["report"]))

    def report_with(**members):
        return with_member(good, "report", b64u(json.dumps({**inner, **members}).encode()))

    def octet(offset, value):
        return body(simulation, change=lambda octets: octets.__setitem__(offset, value))

    snp = bytearray(unb64u(inner["SnpReport"]))
    snp[0x90] ^= 1
    return {
        "sim.signature": report_with(SnpReport=b64u(bytes(snp))),
        "sim.version": octet(0, 1),
        "sim.debug": octet(0x0A, 0b1011),
        "sim.migration_agent": octet(0x0A, 0b111),
        "sim.policy.form": octet(0x0A, 0b01),
        "sim.vmpl": octet(0x30, 1),
        "sim.reserved": octet(0x200, 1),
        "sim.key_info": octet(0x48, 1),
        "report.version": octet(0, 9),
        "report.size": report_with(SnpReport=b64u(bytes(snp[:-1]))),
        "sim.report_data": with_member(good, "runtimeData", {"data": b64u(b"{}"), "dataType": "JSON"}),
        "attest.init_time_data": with_member(good, "initTimeData", {"data": b64u(b"x"), "dataType": "Binary"}),
        "attest.request.chain": report_with(VcekCertChain=b64u(b"none")),
        "attest.request.report": with_member(good, "report", b64u(b"[]")),
        "attest.request.base64": with_member(good, "report", "****"),
        "attest.request.data_type": with_member(good, "runtimeData", {"data": "AA", "dataType": "XML"}),
        "attest.request.data_json": with_member(good, "runtimeData", {"data": b64u(b"["), "dataType": "JSON"}),
        "attest.request.draft_policy": with_member(good, "draftPolicyForAttestation", "x"),
        "attest.request.member_twice": with_member(good, "REPORT", "AA"),
        "attest.request.member (runtimeData)": {"report": good["report"]},
        "attest.request.member (nonce)": with_member(good, "nonce", 7),
        "http.body.not_object": [],
    }


def test_refusals(service, simulation):
    for want, asked in refused_requests(simulation).items():
        status, answer = service.attest(asked)
        assert status == 400 and want in answer["error"]["message"], (want, answer)
        code = "PolicyEvaluationError" if want == "sim.debug" else "InvalidParameter"
        assert answer["error"]["code"] == code, (want, answer)


def test_other_versions_and_paths(service, simulation):
    assert service.attest(body(simulation), "2018-09-01-preview")[0] == 400
    assert service.call("/attest/SevSnpVm", body(simulation))[0] == 400
    assert service.call(f"/attest/SgxEnclave?api-version={NEWEST}", {})[0] == 404
    assert service.call(f"/policies/SgxEnclave?api-version={NEWEST}")[0] == 400
    assert service.call("/attest/SevSnpVm?api-version=" + NEWEST)[0] == 405


def test_a_root_that_was_not_configured(service, tmp_path):
    status, answer = service.attest(body(new_simulation(tmp_path / "sim")))
    assert status == 400 and "sim.root.untrusted" in answer["error"]["message"]


def test_without_roots_nothing_is_accepted(tmp_path, simulation):
    service = Service(tmp_path / "dir", [])
    status, answer = service.attest(body(simulation))
    service.stop()
    assert status == 400 and "sim.root.untrusted" in answer["error"]["message"]


def test_metadata(service):
    _, openid, _ = service.call("/.well-known/openid-configuration")
    assert openid["issuer"] == service.url and openid["jwks_uri"] == service.url + "/certs"
    assert openid["id_token_signing_alg_values_supported"] == ["RS256"]
    _, certs, kind = service.call("/certs")
    jwk, = certs["keys"]
    assert kind.startswith("application/json") and set(jwk) >= {"kid", "x5c", "n", "e", "kty"}
    spki = subprocess.run(["openssl", "x509", "-inform", "DER", "-pubkey", "-noout"], check=True, capture_output=True,
                          input=base64.b64decode(jwk["x5c"][0])).stdout
    pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(spki.decode().replace("PUBLIC KEY", "CERTIFICATE"))).hexdigest()
    assert service.connection["keys"] == ["sha256:" + pin]


def test_the_policy_is_the_hashed_one(service):
    status, answer, _ = service.call(f"/policies/SevSnpVm?api-version={NEWEST}")
    assert status == 200
    nested = verified_claims(service, answer["token"])["x-ms-policy"]
    header, payload, signature = nested.split(".")
    assert json.loads(unb64u(header)) == {"alg": "none"} and signature == ""
    encoded = json.loads(unb64u(payload))["AttestationPolicy"]
    assert unb64u(encoded).startswith(b"version= 1.0;")
    assert b64u(hashlib.sha256(encoded.encode()).digest()) == service.connection["policy_hash"]


def test_init_refuses(tmp_path, simulation):
    def init(*options):
        return subprocess.run([ATTEST, "init", *options], capture_output=True, text=True)
    folder = tmp_path / "dir"
    assert init(folder).returncode == 2
    assert "setup.address.url" in init(folder, "--url", "https://localhost:1/x").stderr
    wrong = json.loads((simulation / "simulation.json").read_text())
    wrong["pin"] = "sha256:" + "0" * 64
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    refused = init(tmp_path / "other", "--url", "https://localhost:1", "--simulation", tmp_path / "wrong.json")
    assert "attest.simulation.pin" in refused.stderr and refused.returncode == 11
    assert init(folder, "--url", "https://localhost:1").returncode == 0
    assert "setup.folder.used" in init(folder, "--url", "https://localhost:1").stderr
    assert init(folder, "--nonsense").returncode == 2
    assert subprocess.run([ATTEST, "--help"], capture_output=True).returncode == 0
    assert oct((folder / "signing-key.pem").stat().st_mode & 0o777) == "0o600"


CLIENT = """
import { AttestationClient, AttestationAdministrationClient, KnownAttestationType } from "@azure/attestation";
const [url] = process.argv.slice(2);
const credential = { getToken: async () => ({ token: "x", expiresOnTimestamp: Date.now() + 3600000 }) };
const client = new AttestationClient(url, { credentials: credential });
const signers = await client.getAttestationSigners();
const openid = await client.getOpenIdMetadata();
const administration = new AttestationAdministrationClient(url, credential, { validateToken: true, validateIssuer: true,
  expectedIssuer: url });
const policy = await administration.getPolicy("SevSnpVm");
console.log(JSON.stringify({ signers: signers.length, certificates: signers[0].certificates.length,
  issuer: openid.issuer ?? openid["issuer"], policy: policy.body, verified: policy.token.issuer }));
"""


def test_microsofts_client(service, tmp_path):
    """@azure/attestation has no call for SevSnpVm; what it has it understands."""
    if shutil.which("npm") is None:
        pytest.skip("no npm, so Microsoft's client is not here")
    install = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
                              "@azure/attestation@1.0.0"], cwd=tmp_path, capture_output=True, text=True)
    if install.returncode != 0:
        pytest.skip("npm's registry is not reachable: " + install.stderr.strip()[-200:])
    (tmp_path / "client.mjs").write_text(CLIENT)
    done = subprocess.run(["node", "client.mjs", service.url], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "NODE_EXTRA_CA_CERTS": str(service.ca)})
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["signers"] == 1 and seen["certificates"] == 1
    assert seen["policy"].startswith("version= 1.0;") and seen["verified"] == service.url


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
