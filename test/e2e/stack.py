"""A whole local stack for tests: `truce up` with its own TRUCE_HOME, parties that know each other, and short cuts.

Everything goes through the command line, as a person would do it. `Stack(folder, parties)` starts; `close()` stops.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", ROOT / "build")).resolve()
PROGRAMS = BUILD / "src/main"
TRUCE = PROGRAMS / "truce"
PASSPHRASE = "correct horse battery staple"


class Refused(Exception):
    """A command that ended with a status other than 0."""

    def __init__(self, command, result):
        super().__init__(f"{' '.join(map(str, command))}: {result.returncode}\n{result.stdout}\n{result.stderr}")
        self.status = result.returncode
        self.stdout = result.stdout
        self.stderr = result.stderr


class Stack:
    def __init__(self, folder, parties, start=True):
        self.folder = pathlib.Path(folder)
        self.home = self.folder / "home"
        self.parties = list(parties)
        self.passphrase_file = self.folder / "passphrase"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self.passphrase_file.chmod(0o600)
        if start:
            self.up()
            self.introduce()

    # ---- The command line ----

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TRUCE_HOME": str(self.home),
                "TRUCE_PASSPHRASE_FILE": str(self.passphrase_file), "LANG": "C.UTF-8"}

    def truce(self, *words, party=None, cwd=None, timeout=300):
        """Runs a command and gives its standard output; Refused when its status is not 0."""
        command = [str(TRUCE), *map(str, words)]
        if party is not None:
            command += ["--party", party]
        result = subprocess.run(command, cwd=cwd or self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout)
        if result.returncode != 0:
            raise Refused(command, result)
        return result.stdout

    def truce_json(self, *words, **options):
        return json.loads(self.truce(*words, "--json", **options))

    # ---- The stack and its parties ----

    def up(self):
        words = [word for party in self.parties for word in ("--party", party)]
        self.truce("up", *words)

    def introduce(self):
        for party in self.parties:
            if not self.party_folder(party).exists():
                self.truce("party", "init", party)
        for party in self.parties:
            for other in self.parties:
                if other != party:
                    self.truce("party", "trust", self.party_folder(other) / "card.json", "--fingerprint",
                               self.fingerprint(other), party=party)

    def close(self):
        if self.home.exists():
            subprocess.run([str(TRUCE), "down"], env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=120)

    def party_folder(self, party):
        return self.home / "parties" / party

    def fingerprint(self, party):
        return self.truce_json("party", "show", party=party)["fingerprint"]

    def service_folder(self, name):
        """The folder of a service of the stack: attest, host, room, vault-PARTY; logs are in run."""
        return self.home / "stack" / name

    @contextlib.contextmanager
    def other_room(self, *options, program=PROGRAMS / "truce-room-sim"):
        """While it lasts, the stack's room is one that is started by hand with these options."""
        self.stop_room()
        command = [str(program), "serve", str(self.service_folder("room")), "--host",
                   str(self.service_folder("host") / "room.sock"), *map(str, options)]
        room = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.wait_for_rooms(1)
            yield room
        finally:
            room.kill()
            room.wait()
            self.wait_for_rooms(0)
            self.up()
            self.wait_for_rooms(1)

    def stop_room(self):
        pid = int((self.service_folder("run") / "room.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        self.wait_for_rooms(0)

    def wait_for_rooms(self, count):
        for _ in range(300):
            if json.loads(self.host("GET", "/v1/health")[1])["rooms"] == count:
                return
            time.sleep(0.05)
        raise AssertionError(f"the host has not {count} rooms")

    # ---- Datasets, contracts, runs ----

    def seal(self, party, name, *sources, entity="none", min_entities=None, upload=True, options=()):
        words = ["dataset", "seal", name, *sources, "--entity", entity, *options]
        if min_entities is not None:
            words += ["--min-entities", min_entities]
        if upload:
            words.append("--upload")
        self.truce(*words, party=party)
        return self.party_folder(party) / "datasets" / name / "1"

    def draft(self, specification, name="contract.json", party=None):
        path = self.folder / f"{name}.spec"
        path.write_text(json.dumps(specification))
        contract = self.folder / name
        self.truce("contract", "draft", path, "--out", contract, party=party or self.parties[0])
        return contract

    def grant_path(self, contract, party):
        return contract.parent / f"{contract.stem}.grant.{party}.json"

    def sign(self, contract, parties=None):
        for party in parties or self.parties:
            self.truce("contract", "sign", contract, "--yes", "--grant", self.grant_path(contract, party), party=party)
        return contract

    def publish(self, contract, parties=None):
        for party in parties or self.parties:
            grant = self.grant_path(contract, party)
            words = ["--grant", grant] if grant.exists() else []
            self.truce("contract", "publish", contract, *words, party=party)
        return contract

    def agree(self, specification, name="contract.json", party=None):
        """Draft, sign by all, publish."""
        return self.publish(self.sign(self.draft(specification, name, party)))

    def run(self, contract, query, party, parameters=None, options=(), wait=True):
        """Asks for a run and, if `wait`, waits for its end; gives the run's name."""
        words = ["run", contract, query, *options]
        for name, value in (parameters or {}).items():
            words += ["--param", f"{name}={value}"]
        if wait:
            words.append("--wait")
        answer = self.truce_json(*words, party=party)
        return answer["run"]

    def open(self, run, party, options=()):
        """The result's CSV text, after its receipt has been verified."""
        return self.truce("result", "open", run, "--accept-simulated", *options, party=party)

    def answer(self, contract, query, party, parameters=None):
        return self.open(self.run(contract, query, party, parameters), party)

    # ---- The host, as anybody with its token sees it ----

    def host(self, method, path, body=None, headers=None):
        """(status, octets) of a call of the host's API."""
        connection = json.loads((self.service_folder("host") / "host.json").read_text())
        context = ssl.create_default_context(cadata=connection["ca"])
        request = urllib.request.Request(connection["host"] + path, data=body, method=method,
                                         headers={"Authorization": f"Bearer {connection['token']}", **(headers or {})})
        try:
            with urllib.request.urlopen(request, context=context, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def receipt(self, run):
        status, octets = self.host("GET", f"/v1/jobs/{run}/receipt")
        assert status == 200, octets
        return octets

    def result(self, run):
        status, octets = self.host("GET", f"/v1/jobs/{run}/result")
        assert status == 200, octets
        return octets

    def copy_to(self, folder):
        shutil.copytree(self.folder, folder)
