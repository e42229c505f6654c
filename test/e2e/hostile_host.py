"""A host that lies to a real room: the host's side of doc/formats.md §6, with the real services behind it.

    with HostileHost(stack) as host:
        documents = host.documents(contract_file, run_request_file)
        outcome = host.play(documents, segments=lambda asked, honest: flip(honest(), 0))

`play` sends one job to the room of the stack (a process of its own, on a socket of ours) and serves it to its end. For
each of the room's four requests, `token`, `release`, `leaves` and `segments`, a hook may stand in for the courier. It gets
the request as the room sent it (`asked`, a dict) and `honest(changed=asked)`, which asks the real service or storage and
gives the octets of the reply. It returns what is sent to the room:

    octets, or a value that is written as JSON     the reply
    Unavailable("courier.…")                       the reply `unavailable`; raising it does the same
    [Frame(kind, payload, exchange), octets, …]    several frames one after another; an exchange of None answers the request
    None                                           nothing: the stream is closed

What the services said is in `outcome.calls`, what went over the stream in `outcome.trace`. The room stays for the next
job where a job's end allows it; where it does not, the next `play` starts another one.
"""
import dataclasses
import json
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request

from host_support import KINDS, NAMES, b64u, canonical, digest, unb64u
from stack import PROGRAMS
from vault_support import Client

SEGMENT = 65536
HEADER = struct.Struct("<IHHQ")
REPLIES = {"token_request": "token", "release_request": "release", "leaves_request": "leaves",
           "segments_request": "segments"}
ENDS = ("receipt", "refused", "failed")


class Unavailable(Exception):
    """The courier could not get it."""


@dataclasses.dataclass
class Frame:
    kind: str
    payload: bytes
    exchange: int = None


@dataclasses.dataclass
class Call:
    """What a service answered: to the courier, so as the host sees it."""
    service: str
    status: int
    code: str = None
    inner: str = None
    message: str = None


@dataclasses.dataclass
class Outcome:
    """How a job ended: "receipt", "refused", "failed" (the room's own words), "ended" (the room closed the stream, and `why`
    is what it said on its standard error) or "closed" (a hook returned None)."""
    end: str = None
    code: str = None
    why: str = None
    where: str = None
    result: bytes = None
    receipt: dict = None
    calls: list = dataclasses.field(default_factory=list)
    trace: list = dataclasses.field(default_factory=list)  # (sender, kind, size, request or progress)

    @property
    def reason(self):
        return f"{self.why} ({self.where})" if self.where else self.why

    def asked(self, kind):
        """The room's requests or progress of that kind, in order."""
        return [content for sender, name, _, content in self.trace if sender == "room" and name == kind]


class Services:
    """An honest courier: the stack's attestation authority, vaults and storage, with the credentials that a host has."""

    def __init__(self, stack):
        self.stack = stack
        self.objects = {}
        self.authority = json.loads((stack.service_folder("attest") / "authority.json").read_text())
        self.tls = ssl.create_default_context(cadata=self.authority["ca"])
        self.vaults = {}
        for party in stack.parties:
            client = Client(stack.service_folder(f"vault-{party}") / "courier.json")
            self.vaults[client.file["vault"]] = client

    def forget(self):
        """Objects of the storage are read once; after a change there, call this."""
        self.objects.clear()

    def get(self, path):
        if path not in self.objects:
            status, octets = self.stack.host("GET", path)
            if status != 200:
                raise Unavailable(f"storage.{status}")
            self.objects[path] = octets
        return self.objects[path]

    def authority_call(self, path, body, calls):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.authority["issuer"].rstrip("/") + path, data,
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                calls.append(Call("attest", answer.status))
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            said = json.loads(error.read()).get("error", {})
            calls.append(Call("attest", error.code, said.get("code"), None, said.get("message")))
            raise Unavailable("courier.authority.refused") from None

    def token(self, asked, calls):
        chain = "".join(ssl.DER_cert_to_PEM_cert(unb64u(der)) for der in asked["evidence"]["certificates"])
        report = {"SnpReport": asked["evidence"]["report"], "VcekCertChain": b64u(chain.encode())}
        body = {"report": b64u(json.dumps(report).encode()), "nonce": asked["nonce"],
                "runtimeData": {"data": asked["runtime_data"], "dataType": "JSON"}}
        token = self.authority_call("/attest/SevSnpVm?api-version=2022-08-01", body, calls)["token"]
        return canonical({"token": token, "jwks": self.authority_call("/certs", None, calls)})

    def release(self, asked, calls):
        if asked["vault"] not in self.vaults:
            raise Unavailable("courier.vault.unknown")
        answer = self.vaults[asked["vault"]].call(
            "POST", f'/keys/{asked["key"]}/{asked["version"]}/release',
            {"target": asked["token"], "nonce": asked["nonce"], "enc": asked["enc"]})
        if answer.status != 200:
            calls.append(Call(asked["party"], answer.status, answer.code, answer.inner, answer.message))
            raise Unavailable("courier.vault.refused")
        calls.append(Call(asked["party"], 200))
        return canonical(answer.json)

    def part(self, asked, name):
        return self.get(f'/v1/datasets/{asked["dataset"]}/{asked["version"]}/parts/{asked["part"]}/{name}')

    def leaves(self, asked, calls):
        return self.part(asked, "leaves")

    def segments(self, asked, calls):
        return self.part(asked, "sealed")[asked["first"] * SEGMENT:(asked["first"] + asked["count"]) * SEGMENT]


class Ended(Exception):
    """The room has closed the stream."""


class HostileHost:
    def __init__(self, stack, room_folder=None, options=()):
        self.services = Services(stack)
        self.room_folder = room_folder or stack.service_folder("room")
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="truce-hostile-"))
        self.process = self.socket = self.ready = None
        self.said = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "room.sock"))
        self.listener.listen(1)
        self.listener.settimeout(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stop_room()
        self.listener.close()
        shutil.rmtree(self.folder)

    # ---- The room ----

    def start_room(self):
        self.said = []
        self.process = subprocess.Popen(
            [PROGRAMS / "truce-room-sim", "serve", self.room_folder, "--host", self.folder / "room.sock", *self.options],
            stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self.reader.start()
        self.socket, _ = self.listener.accept()
        self.socket.settimeout(120)
        kind, _, payload = self.receive()
        assert kind == "ready", kind
        self.ready = json.loads(payload)

    def stop_room(self):
        if self.process is None:
            return
        self.socket.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(timeout=10)
        self.process = self.socket = None

    def exactly(self, size):
        octets = b""
        while len(octets) < size:
            try:
                got = self.socket.recv(min(size - len(octets), 1 << 20))
            except ConnectionResetError:
                got = b""
            if not got:
                raise Ended
            octets += got
        return octets

    def receive(self):
        size, number, _, exchange = HEADER.unpack(self.exactly(HEADER.size))
        return NAMES[number], exchange, self.exactly(size)

    def send(self, kind, payload, exchange=0):
        try:
            self.socket.sendall(HEADER.pack(len(payload), KINDS[kind], 0, exchange) + payload)
        except (BrokenPipeError, ConnectionResetError):
            raise Ended from None

    # ---- A job ----

    def documents(self, contract, run_request):
        """What an honest host sends with a job: `contract` is a signed contract's file whose parts are at the stack's host,
        `run_request` a file made with `truce run --out`, or its octets."""
        signed = json.loads(pathlib.Path(contract).read_text())
        payload = unb64u(signed["payload"])
        content = json.loads(payload)
        at = f"/v1/contracts/{digest(payload)[7:]}"
        owners = [party["name"] for party in content["parties"]
                  if any(dataset["owner"] == party["name"] for dataset in content["datasets"])]
        request = run_request if isinstance(run_request, bytes) else pathlib.Path(run_request).read_bytes()

        def pinned(dataset, member):
            for version in range(1, 100):
                document = self.services.get(f'/v1/datasets/{dataset["dataset"]}/{version}/{member}')
                if digest(unb64u(json.loads(document)["payload"])) == dataset[member]:
                    return json.loads(document)
            raise AssertionError(f"no {member} of {dataset}")

        return {"contract": signed,
                "grants": [json.loads(self.services.get(f"{at}/grants/{owner}")) for owner in owners],
                "manifests": [pinned(dataset, "manifest") for dataset in content["datasets"]],
                "policies": [pinned(dataset, "policy") for dataset in content["datasets"]],
                "run_request": json.loads(request)}

    def play(self, documents, **hooks):
        """One job to its end. `documents` is a dict as `documents` gives it, or the octets of the message."""
        unknown = set(hooks) - set(REPLIES.values())
        assert not unknown, unknown
        outcome = Outcome()
        if self.process is None or self.process.poll() is not None:
            self.stop_room()
            self.start_room()
        try:
            payload = documents if isinstance(documents, bytes) else canonical(documents)
            self.send("job", payload)
            outcome.trace.append(("host", "job", len(payload), None))
            while outcome.end is None:
                self.step(outcome, hooks)
        except Ended:
            self.stop_room()
            outcome.end = "ended"
            # "truce-room-sim: link.not_the_reply: where. What to do."
            words = "".join(self.said).partition(": ")[2].partition(". ")[0]
            outcome.why, _, where = words.partition(": ")
            outcome.where = where or None
        return outcome

    def step(self, outcome, hooks):
        kind, exchange, payload = self.receive()
        content = json.loads(payload) if kind in REPLIES or kind == "progress" else None
        outcome.trace.append(("room", kind, len(payload), content))
        if kind in REPLIES:
            self.answer(outcome, hooks, REPLIES[kind], exchange, content)
        elif kind == "result":
            outcome.result = payload
        elif kind in ENDS:
            outcome.end = kind
            said = json.loads(payload)
            if kind == "receipt":
                outcome.receipt = said
            if kind == "refused":
                outcome.code, outcome.why, outcome.where = said["code"], said["why"], said["where"]

    def answer(self, outcome, hooks, reply, exchange, asked):
        def honest(changed=None):
            return getattr(self.services, reply)(changed or asked, outcome.calls)

        try:
            answer = hooks[reply](asked, honest) if reply in hooks else honest()
        except Unavailable as unavailable:
            answer = unavailable
        if answer is None:
            self.stop_room()
            outcome.end = "closed"
            return
        for item in answer if isinstance(answer, list) else [answer]:
            frame = frame_of(item, reply)
            outcome.trace.append(("host", frame.kind, len(frame.payload), None))
            self.send(frame.kind, frame.payload, exchange if frame.exchange is None else frame.exchange)


def frame_of(item, reply):
    if isinstance(item, Frame):
        return item
    if isinstance(item, Unavailable):
        return Frame("unavailable", canonical({"reason": str(item)}))
    return Frame(reply, item if isinstance(item, bytes) else canonical(item))
