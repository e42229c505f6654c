"""A running truce-host, parties that sign with openssl(1), services and rooms made of the standard library."""
import base64
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", ROOT / "build"))
HOST = BUILD / "src/main/truce-host"
EXPLAIN = BUILD / "src/host/explain-tool"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SEGMENT = 65536
MEASUREMENT = "ab" * 48
KINDS = {}


def read_message_table():
    """The kinds and their numbers, from the one table."""
    for line in (ROOT / "src/tcb/edge/messages.def").read_text().splitlines():
        if line.startswith("MESSAGE("):
            name, number = line[len("MESSAGE("):].split(",")[:2]
            KINDS[name.strip()] = int(number)


read_message_table()
NAMES = {number: name for name, number in KINDS.items()}


def b64u(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(octets):
    return "sha256:" + hashlib.sha256(octets).hexdigest()


def when(seconds=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=True).stdout


class Key:
    """A P-256 key in a file."""

    def __init__(self, folder, name):
        self.path = folder / f"{name}.pem"
        if not self.path.exists():
            self.path.write_bytes(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
        point = openssl("ec", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"crv": "P-256", "kty": "EC", "x": b64u(point[:32]), "y": b64u(point[32:])}
        self.kid = b64u(hashlib.sha256(canonical(self.jwk)).digest())

    def sign(self, octets):
        der = openssl("dgst", "-sha256", "-sign", self.path, stdin=octets)
        r_size = der[3]
        r = int.from_bytes(der[4:4 + r_size], "big")
        s = int.from_bytes(der[6 + r_size:], "big")
        s = min(s, ORDER - s)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign_document(payload, typ, signers, members=lambda key: {}):
    """JWS General JSON Serialization; `signers` are keys."""
    text = b64u(payload)
    signatures = []
    for key in signers:
        protected = b64u(canonical({"alg": "ES256", "kid": key.kid, "typ": typ, **members(key)}))
        signatures.append({"protected": protected, "signature": b64u(key.sign(f"{protected}.{text}".encode()))})
    return canonical({"payload": text, "signatures": signatures})


# ---- Merkle trees (RFC 6962) ----

def leaf(octets):
    return hashlib.sha256(b"\0" + octets).digest()


def merkle(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()


class Dataset:
    """A well-formed manifest over random octets: the host cannot tell them from ciphertext."""

    def __init__(self, owner, key, plain_sizes, version=1, name="flights", salt=b""):
        self.owner, self.name, self.version = owner, name, version
        self.parts = []
        for number, plain_size in enumerate(plain_sizes):
            count = 1
            while 65536 * count - 40 - 16 * count < plain_size:
                count += 1
            octets = self.noise(salt + bytes([number]), 40 + plain_size + 16 * count)
            leaves = [leaf(octets[at:at + SEGMENT]) for at in range(0, len(octets), SEGMENT)]
            assert len(leaves) == count
            self.parts.append({"octets": octets, "leaves": b"".join(leaves), "root": merkle(leaves), "plain": plain_size})
        data = merkle([leaf(part["root"]) for part in self.parts])
        policy = {"type": "dataset-policy/1", "dataset": f"{owner}/{name}", "data": "sha256:" + data.hex(), "owner": owner,
                  "mode": "approved", "entity": "none", "columns": {"state": {"use": ["approved"]}},
                  "output": {"max_rows": 100}}
        self.policy_payload = canonical(policy)
        manifest = {
            "type": "manifest/1", "dataset": f"{owner}/{name}", "version": version, "owner": owner, "created": when(),
            "key_commitment": b64u(bytes(32)), "policy": digest(self.policy_payload), "data": "sha256:" + data.hex(),
            "rows": len(self.parts), "columns": [{"name": "state", "type": "VARCHAR", "element": b64u(b"element")}],
            "parts": [{"number": number, "size": len(part["octets"]), "plain_size": part["plain"],
                       "root": "sha256:" + part["root"].hex(), "rows": 1, "data_end": part["plain"] - 8, "groups": [1],
                       "columns": [{"chunks": [[4, part["plain"] - 12]], "meta": [part["plain"] - 8, 8]}]}
                      for number, part in enumerate(self.parts)]}
        self.manifest_payload = canonical(manifest)
        self.manifest = sign_document(self.manifest_payload, "truce-manifest+jws", [key])
        self.policy = sign_document(self.policy_payload, "truce-policy+jws", [key])

    @staticmethod
    def noise(seed, size):
        return hashlib.shake_128(seed + b"noise").digest(size)

    @property
    def path(self):
        return f"/v1/datasets/{self.owner}/{self.name}/{self.version}"


class Agreement:
    """One contract with everything it pins, of a bureau that owns data and an insurer that asks."""

    def __init__(self, folder, vault="https://vault.invalid", issuer="https://authority.invalid", plain_sizes=(200000,),
                 measurement=MEASUREMENT, salt=b"", seconds=60):
        folder = pathlib.Path(folder)
        self.keys = {name: Key(folder, name) for name in ("bureau", "bureau-result", "insurer", "insurer-result")}
        self.dataset = Dataset("bureau", self.keys["bureau"], plain_sizes, salt=salt)
        self.vault, self.issuer = vault, issuer
        payload = {
            "type": "contract/1", "title": "Flights by state", "salt": b64u(bytes(16)),
            "parties": [{"name": name, "signing": self.keys[name].jwk, "result": self.keys[f"{name}-result"].jwk}
                        for name in ("bureau", "insurer")],
            "datasets": [{"table": "flights", "dataset": "bureau/flights", "owner": "bureau",
                          "manifest": digest(self.dataset.manifest_payload),
                          "policy": digest(self.dataset.policy_payload), "entity": "none"}],
            "queries": [{"name": "count", "sql": "SELECT state FROM flights", "reads": {"flights": ["state"]},
                         "parameters": [], "output": [{"name": "state", "type": "VARCHAR"}], "max_rows": 100,
                         "max_bytes": 4096, "seconds": seconds, "memory_mb": 256}],
            "queriers": ["insurer"], "recipients": ["insurer"],
            "tee": [{"type": "sim", "measurement": measurement, "root": "sha256:" + "cd" * 32}],
            "authorities": [{"party": "bureau", "issuer": issuer, "keys": ["sha256:" + "ef" * 32],
                             "policy_hash": b64u(bytes(32))}],
            "residency": [], "loading": "all", "valid": {"from": when(-3600), "until": when(3600)}}
        self.payload = canonical(payload)
        self.digest = digest(self.payload)
        self.hex = self.digest[7:]
        explained = subprocess.run([EXPLAIN], input=self.payload, capture_output=True)
        assert explained.returncode == 0, explained.stderr.decode()
        self.explain = explained.stdout.decode().strip()
        grant = {"type": "grant/1", "contract": self.digest, "owner": "bureau", "vault": vault, "key": "release",
                 "version": "0" * 32, "release_policy": "sha256:" + "12" * 32, "wrap": "RSA-OAEP-256",
                 "keys": [{"dataset": "bureau/flights", "version": 1, "wrapped": b64u(bytes(256))}]}
        self.grant_payload = canonical(grant)
        self.grant = sign_document(self.grant_payload, "truce-grant+jws", [self.keys["bureau"]])

    def contract(self, *signers):
        def members(key):
            grant = {"grant": digest(self.grant_payload)} if key is self.keys["bureau"] else {}
            return {"explain": self.explain, **grant}
        return sign_document(self.payload, "truce-contract+jws", [self.keys[name] for name in signers], members)

    def run_request(self, run, signer="insurer", **changes):
        payload = {"type": "run/1", "contract": self.digest, "query": "count", "run": run, "querier": "insurer",
                   "recipients": ["insurer"], "parameters": {}, "not_after": when(1800), **changes}
        return sign_document(canonical(payload), "truce-run+jws", [self.keys[signer]])

    def upload(self, client):
        """Everything that a run needs."""
        data = self.dataset
        assert client.call("PUT", data.path + "/manifest", data.manifest).status == 201
        assert client.call("PUT", data.path + "/policy", data.policy).status == 201
        for number, part in enumerate(data.parts):
            assert client.call("PUT", f"{data.path}/parts/{number}/sealed", part["octets"]).status == 201
            assert client.call("PUT", f"{data.path}/parts/{number}/leaves", part["leaves"]).status == 201
        assert client.call("PUT", f"/v1/contracts/{self.hex}", self.contract("bureau", "insurer")).status == 201
        assert client.call("PUT", f"/v1/contracts/{self.hex}/grants/bureau", self.grant).status == 201


# ---- The host and its clients ----

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def why(self):
        """The dotted reason of an error."""
        return self.json["error"]["message"].split(":")[0].split(" ")[0]


class Client:
    """Calls the host, and checks every answer against the description: its status and, for objects, its members."""

    def __init__(self, connection, description=None):
        self.url = urllib.parse.urlsplit(connection["host"])
        self.token = connection["token"]
        self.context = ssl.create_default_context(cadata=connection["ca"])
        self.description = description or self.send("GET", "/v1/openapi.json", None, {}).json

    def send(self, method, path, body, headers):
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.context, timeout=60)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def operation(self, method, path):
        asked = urllib.parse.urlsplit(path).path.split("/")
        for pattern, item in self.description["paths"].items():
            parts = pattern.split("/")
            if len(parts) == len(asked) and all(p.startswith("{") or p == a for p, a in zip(parts, asked)):
                return item.get(method.lower()) or (item.get("get") if method == "HEAD" else None)
        return None

    def check(self, method, path, answer):
        operation = self.operation(method, path)
        assert operation is not None, f"{method} {path} is not described"
        response = operation["responses"].get(str(answer.status))
        assert response is not None, f"{method} {path}: {answer.status} is not described: {answer.body[:300]}"
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if schema and answer.body and method != "HEAD":
            self.check_value(schema, answer.json)

    def check_value(self, schema, value):
        while "$ref" in schema:
            schema = self.description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
        assert isinstance(value, types[schema["type"]]), (schema, value)
        if "enum" in schema:
            assert value in schema["enum"]
        for item in value if schema["type"] == "array" else []:
            self.check_value(schema["items"], item)
        if schema["type"] == "object" and "properties" in schema:
            assert set(value) <= set(schema["properties"]), value
            assert set(schema.get("required", [])) <= set(value), value
            for name, member in value.items():
                self.check_value(schema["properties"][name], member)

    def call(self, method, path, body=None, token=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token != "":
            headers["Authorization"] = f"Bearer {token or self.token}"
        answer = self.send(method, path, body, headers)
        self.check(method, path, answer)
        return answer

    def job(self, run):
        return self.call("GET", f"/v1/jobs/{run}").json

    def wait(self, run, *states, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            job = self.job(run)
            if job["state"] in states:
                return job
            time.sleep(0.05)
        raise AssertionError(f"{job} is not {states}")


class Host:
    def __init__(self, folder, config=None):
        self.folder = pathlib.Path(folder)
        self.process = None
        self.trace = self.folder / "messages.trace"
        run(HOST, "init", self.folder, "--url", "https://localhost")
        self.configure(lease_ms=4000, courier_pause_ms=20, **(config or {}))

    def configure(self, **changes):
        path = self.folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def start(self):
        self.process = subprocess.Popen([HOST, "serve", self.folder, "--trace", self.trace,
                                         "--log", f"json:{self.folder}/host.log"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening https://localhost:"), line + self.process.stderr.read()
        return self

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            status = self.process.wait(timeout=30)
            errors = self.process.stderr.read()
            self.process = None
            assert status == 0, errors

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def client(self):
        return Client(json.loads((self.folder / "host.json").read_text()))

    def log(self):
        return (self.folder / "host.log").read_text()


def run(*command, check=True):
    return subprocess.run([str(part) for part in command], check=check, capture_output=True, text=True, timeout=60)


# ---- Services ----

class Service:
    """An HTTPS service of one handler: (method, path, headers, body) → (status, headers, value)."""

    def __init__(self, folder):
        certificate, key = folder / f"{id(self)}.pem", folder / f"{id(self)}-key.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate)
        self.ca = certificate.read_text()
        self.calls = []
        self.failures = []  # statuses to answer before anything else
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                service.calls.append((self.command, self.path, dict(self.headers), body))
                if service.failures:
                    status, headers, value = service.failures.pop(0), {}, {"error": {"code": "Busy"}}
                else:
                    status, headers, value = service.handle(self.command, self.path, self.headers, body)
                octets = json.dumps(value).encode()
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            do_GET = do_POST = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Authority(Service):
    """Speaks the attestation protocol and signs nothing: the host does not look inside a token."""

    def __init__(self, folder):
        super().__init__(folder)
        self.connection = folder / "authority.json"
        self.connection.write_text(json.dumps({
            "type": "connection/authority/1", "issuer": self.url, "keys": ["sha256:" + "ef" * 32],
            "policy_hash": b64u(bytes(32)), "ca": self.ca}))

    def handle(self, method, path, headers, body):
        if (method, path) == ("GET", "/certs"):
            return 200, {}, {"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}
        if (method, path) == ("POST", "/attest/SevSnpVm?api-version=2022-08-01"):
            return 200, {}, {"token": "header.claims.signature"}
        return 404, {}, {}


class Vault(Service):
    """Speaks the key vault protocol for one key."""

    def __init__(self, folder, tenant="1b4e28ba-2fa1-11d2-883f-0016d3cca427"):
        super().__init__(folder)
        self.tenant = tenant
        self.tokens = 0
        self.token = None
        self.authorization = f"{self.url}/{tenant}"
        self.resource = self.url
        self.denied = False
        self.connection = folder / "courier.json"
        self.connection.write_text(json.dumps({
            "type": "connection/courier/1", "party": "bureau", "vault": self.url, "authority": self.url, "tenant": tenant,
            "client_id": "courier", "client_secret": "a secret + more", "ca": self.ca}))

    def handle(self, method, path, headers, body):
        if path == f"/{self.tenant}/oauth2/v2.0/token":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            wanted = {"grant_type": "client_credentials", "client_id": "courier", "client_secret": "a secret + more",
                      "scope": f"{self.url}/.default"}
            if form != wanted:
                return 401, {}, {"error": "invalid_client"}
            self.tokens += 1
            self.token = f"access-{self.tokens}"
            return 200, {}, {"token_type": "Bearer", "expires_in": 3600, "access_token": self.token}
        if self.token is None or headers.get("Authorization") != f"Bearer {self.token}":
            challenge = f'Bearer authorization="{self.authorization}", resource="{self.resource}"'
            return 401, {"WWW-Authenticate": challenge}, {"error": {"code": "Unauthorized"}}
        if self.denied:
            return 403, {}, {"error": {"code": "Forbidden"}}
        if method == "POST" and path == f"/keys/release/{'0' * 32}/release?api-version=7.4":
            asked = json.loads(body)
            return 200, {}, {"value": f"released.{asked['nonce']}.to-{asked['target']}"}
        return 404, {}, {"error": {"code": "KeyNotFound"}}


# ---- Rooms ----

class Gone(Exception):
    """The host ended the connection."""


class Room:
    """The room's side of the socket. Nothing behind it."""

    def __init__(self, host, key=None, measurement=MEASUREMENT, announce=True):
        self.host = host
        self.key = key or Key(host.folder.parent, "instance")
        self.exchange = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(str(host.folder / "room.sock"))
        if announce:
            runtime = canonical({"purpose": "instance", "nonce": b64u(bytes(32)),
                                 "keys": [{**self.key.jwk, "kid": "truce-instance", "use": "enc"}]})
            self.send("ready", {"measurement": measurement, "type": "sim", "runtime_data": b64u(runtime),
                                "evidence": self.evidence})

    evidence = {"family": "sim", "report": b64u(bytes(1184)), "certificates": [b64u(b"leaf"), b64u(b"root")]}

    def frame(self, kind, payload, exchange=0, size=None, reserved=0):
        number = KINDS.get(kind, kind)
        header = struct.pack("<IHHQ", len(payload) if size is None else size, number, reserved, exchange)
        try:
            self.socket.sendall(header + payload)
        except OSError as error:
            raise Gone() from error

    def send(self, kind, payload, exchange=0):
        self.frame(kind, payload if isinstance(payload, bytes) else canonical(payload), exchange)

    def receive_octets(self, size):
        octets = b""
        while len(octets) < size:
            try:
                piece = self.socket.recv(size - len(octets))
            except ConnectionError as error:
                raise Gone() from error
            if not piece:
                raise Gone()
            octets += piece
        return octets

    def receive(self):
        size, kind, reserved, exchange = struct.unpack("<IHHQ", self.receive_octets(16))
        assert reserved == 0
        return NAMES[kind], exchange, self.receive_octets(size)

    def ask(self, kind, payload):
        self.exchange += 1
        self.send(kind, payload, self.exchange)
        reply, exchange, octets = self.receive()
        assert exchange == self.exchange
        return reply, octets

    def take_job(self):
        kind, _, octets = self.receive()
        assert kind == "job"
        job = json.loads(octets)
        assert set(job) == {"contract", "grants", "manifests", "policies", "run_request"}
        self.job = job
        self.run = json.loads(unb64u(job["run_request"]["payload"]))["run"]
        self.contract = json.loads(unb64u(job["contract"]["payload"]))
        return job

    def ask_token(self, issuer, **changes):
        return self.ask("token_request", {"party": "bureau", "issuer": issuer, "evidence": self.evidence,
                                          "runtime_data": b64u(b"{}"), "nonce": b64u(b"nonce"), **changes})

    def ask_release(self, vault, **changes):
        return self.ask("release_request", {"party": "bureau", "vault": vault, "key": "release", "version": "0" * 32,
                                            "token": "header.claims.signature", "nonce": "n1",
                                            "enc": "RSA_AES_KEY_WRAP_256", **changes})

    def pull(self, dataset):
        """All leaves and segments, checked against what the owner has."""
        named = {"dataset": f"{dataset.owner}/{dataset.name}", "version": dataset.version}
        for number, part in enumerate(dataset.parts):
            kind, leaves = self.ask("leaves_request", {**named, "part": number})
            assert (kind, leaves) == ("leaves", part["leaves"])
            octets = b""
            while len(octets) < len(part["octets"]):
                kind, piece = self.ask("segments_request", {**named, "part": number, "first": len(octets) // SEGMENT,
                                                            "count": 2})
                assert kind == "segments"
                octets += piece
            assert octets == part["octets"]
            self.progress("pulled", number + 1, len(dataset.parts))

    def progress(self, step, done, total):
        self.send("progress", {"run": self.run, "step": step, "done": done, "total": total})

    def report(self, result=b'{"result":1}', receipt=None):
        self.send("result", result)
        self.send("receipt", receipt or {"type": "receipt-bundle/1", "run": self.run})

    def close(self):
        self.socket.close()

    def is_gone(self):
        """True when the host has ended the connection."""
        try:
            self.receive()
        except Gone:
            return True
        return False
