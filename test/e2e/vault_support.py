"""A running truce-vault, an attestation authority made of the standard library, and openssl(1) as the judge of cryptography."""
import base64
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", ROOT / "build"))
VAULT = BUILD / "src/main/truce-vault"

MEASUREMENT = "ab" * 48
SIMULATION_ROOT = "sha256:" + "cd" * 32
CONTRACT = "sha256:" + "11" * 32
RUN_REQUEST = "sha256:" + "22" * 32
POLICY_HASH = "cG9saWN5"


def b64u(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


class RsaKey:
    """An RSA key in a file, and its JWK."""

    def __init__(self, folder, name, bits=2048):
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(openssl("genrsa", str(bits)))
        modulus = openssl("rsa", "-in", str(self.path), "-noout", "-modulus").split(b"=")[1].strip().decode()
        self.n = bytes.fromhex(modulus)

    def jwk(self, **members):
        return {"kty": "RSA", "n": b64u(self.n), "e": "AQAB", **members}

    def pin(self):
        der = openssl("rsa", "-in", str(self.path), "-pubout", "-outform", "DER")
        return "sha256:" + hashlib.sha256(der).hexdigest()

    def sign(self, octets):
        return openssl("dgst", "-sha256", "-sign", str(self.path), stdin=octets)

    def token(self, claims, header=None):
        header = {"alg": "RS256", "typ": "JWT", **(header or {})}
        text = b64u(json.dumps(header).encode()) + "." + b64u(json.dumps(claims).encode())
        return text + "." + b64u(self.sign(text.encode()))

    def unwrap(self, enc, wrapped, folder):
        """RSA-OAEP, then AES key wrap with padding: what a room does with a released key."""
        hash_name = "sha1" if enc == "CKM_RSA_AES_KEY_WRAP" else "sha256"
        size = len(self.n)
        kek = openssl("pkeyutl", "-decrypt", "-inkey", str(self.path), "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt",
                      f"rsa_oaep_md:{hash_name}", "-pkeyopt", f"rsa_mgf1_md:{hash_name}", stdin=wrapped[:size])
        return openssl("enc", "-d", "-id-aes256-wrap-pad", "-K", kek.hex(), "-iv", "A65959A6", stdin=wrapped[size:])


class Authority:
    """Serves OpenID metadata and keys over TLS, and signs whatever it is told to."""

    def __init__(self, folder):
        self.folder = folder
        self.key = RsaKey(folder, "authority-signing")
        self.keys = [self.key.jwk(kid="a1", use="sig")]
        self.requests = []
        self.issuer_said = None
        self.jwks_uri_said = None
        certificate = folder / "authority-tls.pem"
        key = folder / "authority-tls-key.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
        self.ca = certificate.read_text()
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                authority.requests.append(self.path)
                body = authority.answer(self.path)
                self.send_response(200 if body is not None else 404)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.issuer = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path):
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer_said or self.issuer, "jwks_uri": self.jwks_uri_said or f"{self.issuer}/certs"}
        return {"keys": self.keys} if path == "/certs" else None

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def file(self, name, **changes):
        content = {"type": "connection/authority/1", "issuer": self.issuer, "keys": [self.key.pin()],
                   "policy_hash": POLICY_HASH, "ca": self.ca, **changes}
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    def claims(self, keys, **changes):
        now = int(time.time())
        claims = {
            "iss": self.issuer, "iat": now, "nbf": now, "exp": now + 3600, "x-ms-ver": "1.0", "x-ms-policy-hash": POLICY_HASH,
            "x-ms-attestation-type": "sim", "x-ms-sevsnpvm-launchmeasurement": MEASUREMENT,
            "x-ms-sevsnpvm-is-debuggable": False, "x-truce-simulation-root": SIMULATION_ROOT,
            "x-ms-runtime": {"purpose": "run", "contract": CONTRACT, "run_request": RUN_REQUEST, "keys": keys},
        }
        for name, value in changes.items():
            name = name.replace("_", "-")
            if value is None:
                claims.pop(name)
            else:
                claims[name] = value
        return claims

    def token(self, claims, kid="a1", key=None):
        return (key or self.key).token(claims, {"kid": kid})


def policy(issuer, **changes):
    demands = {
        "x-ms-attestation-type": "sim", "x-ms-sevsnpvm-launchmeasurement": MEASUREMENT, "x-ms-sevsnpvm-is-debuggable": "false",
        "x-ms-policy-hash": POLICY_HASH, "x-ms-runtime.purpose": "run", "x-ms-runtime.contract": CONTRACT,
        "x-truce-simulation-root": SIMULATION_ROOT,
    }
    for name, value in changes.items():
        demands[name.replace("_", "-")] = value
    conditions = [{"claim": name, "equals": value} for name, value in demands.items() if value is not None]
    return {"version": "1.0.0", "anyOf": [{"authority": issuer, "allOf": conditions}]}


def release_policy(document, immutable=False):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return {"contentType": "application/json; charset=utf-8", "immutable": immutable, "data": b64u(data)}


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body
        self.json = json.loads(body) if body else None

    @property
    def code(self):
        return self.json["error"]["code"]

    @property
    def inner(self):
        return self.json["error"].get("innererror", {}).get("code")

    @property
    def message(self):
        return self.json["error"]["message"]


class Client:
    """A client of the vault with the credential of a connection file."""

    def __init__(self, path):
        self.file = json.loads(pathlib.Path(path).read_text())
        self.url = urllib.parse.urlsplit(self.file["vault"])
        self.context = ssl.create_default_context(cadata=self.file["ca"])
        self.token = None

    def send(self, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.context, timeout=30)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def ask_token(self, **changes):
        form = {"client_id": self.file["client_id"], "client_secret": self.file["client_secret"],
                "grant_type": "client_credentials", "scope": self.file["vault"] + "/.default"}
        form.update(changes)
        form = {name: value for name, value in form.items() if value is not None}
        return self.send("POST", f'/{self.file["tenant"]}/oauth2/v2.0/token', urllib.parse.urlencode(form),
                         {"Content-Type": "application/x-www-form-urlencoded"})

    def call(self, method, path, body=None, version="2025-07-01", token=None):
        if self.token is None:
            self.token = self.ask_token().json["access_token"]
        mark = "&" if "?" in path else "?"
        query = f"{mark}api-version={version}" if version else ""
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        return self.send(method, path + query, json.dumps(body) if body is not None else None, headers)


class Vault:
    def __init__(self, folder, party="bureau"):
        self.folder = folder
        self.process = None
        run(VAULT, "init", folder, "--party", party, "--url", "https://localhost", "--listen", "127.0.0.1:0")

    def start(self):
        self.process = subprocess.Popen([VAULT, "serve", self.folder], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening https://localhost:"), line + self.process.stderr.read()
        return self

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0, self.process.stderr.read()
        self.process = None

    def officer(self):
        return Client(self.folder / "vault.json")

    def courier(self):
        return Client(self.folder / "courier.json")


def run(*command, check=True):
    return subprocess.run([str(part) for part in command], check=check, capture_output=True, text=True, timeout=60)
