"""Fault points: the table of test/fault/points.def, and a stack that is made to fail at one of them.

`Faulty(folder)` is a stack of the programs with fault points. `play(point, kind)` makes the step of a user's work that
passes the point fail there, lets the services come back as a supervisor would, tries again, and checks what must hold
whatever happened. It gives the outcome: one line for people.
"""
import csv
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import time

from host_support import unb64u
from stack import BUILD, ROOT, Refused, Stack

PROGRAMS = BUILD / "test/fault"
TABLE = ROOT / "test/fault/points.def"
RUN = re.compile(r"[0-9a-f]{32}")
REASON = re.compile(r"\b[a-z_]+(\.[a-z0-9_]+)+")
ROWS = 400
ANSWER = [["north", "200", "39800"], ["south", "200", "40000"]]


@dataclasses.dataclass
class Point:
    name: str
    program: str
    phase: str
    hook: str
    pattern: str
    kinds: list


def read_points():
    """The rows of points.def, with its names for sets of kinds put in."""
    text = TABLE.read_text()
    sets = dict(re.findall(r'^#define (\w+) "(.*)"$', text, re.M))
    points = []
    for row in re.findall(r"^POINT\((.*)\)$", text, re.M):
        name, program, phase, hook, pattern, kinds = [part.strip() for part in row.split(",", 5)]
        kinds = " ".join(sets.get(word, word.strip('"')) for word in re.findall(r'"[^"]*"|\w+', kinds)).split()
        points.append(Point(name, program, phase, hook, pattern.strip('"'), kinds))
    return points


class Failed(AssertionError):
    """What must hold after a fault does not."""


class Faulty(Stack):
    """A stack of the programs with fault points. `fault` is what the commands of the next step are told to fail at."""

    def __init__(self, folder):
        super().__init__(folder, ["alice", "bob"], start=False)
        self.fault = ()
        self.count = 0

    def truce(self, *words, party=None, cwd=None, timeout=300):
        command = [str(PROGRAMS / "truce"), *map(str, words)]
        if party is not None:
            command += ["--party", party]
        result = subprocess.run([*command, *self.fault], cwd=cwd or self.folder, env=self.environment(),
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if result.returncode != 0:
            raise Refused(command, result)
        return result.stdout

    # ---- The world before a fault ----

    def prepare(self):
        self.up()
        self.introduce()
        self.hurry()
        self.source = self.folder / "rows.csv"
        self.source.write_text("region,n\n" + "".join(f"{['north', 'south'][i % 2]},{i}\n" for i in range(ROWS)))
        rows = self.seal("alice", "rows", self.source)
        (self.folder / "names.csv").write_text("region,label\nnorth,N\nsouth,S\n")
        names = self.seal("bob", "names", self.folder / "names.csv")
        self.specification = {
            "title": "Sums by region", "parties": self.parties,
            "datasets": [{"table": "rows", "folder": str(rows)}, {"table": "names", "folder": str(names)}],
            "queries": [{"name": "sums", "sql": "SELECT r.region AS region, count(*) AS n, sum(r.n) AS total FROM rows AS r "
                         "JOIN names AS m ON r.region = m.region WHERE r.n >= $least GROUP BY r.region",
                         "parameters": [{"name": "least", "type": "INTEGER", "min": "0", "max": "9"}], "max_rows": 10}],
            "queriers": ["alice"], "recipients": ["alice"], "days": 5}
        self.contract = self.agree(self.specification)
        self.specification_file = self.folder / "contract.json.spec"
        return self

    def hurry(self):
        """A host that does not wait long for what is gone."""
        path = self.service_folder("host") / "config.json"
        config = {**json.loads(path.read_text()), "lease_ms": 4000, "courier_pause_ms": 20, "room_patience_ms": 5000,
                  "job_extra_ms": 5000}
        path.write_text(json.dumps(config))
        self.stop("host", "room")
        self.recover()

    # ---- Services ----

    def pid(self, name):
        try:
            return int((self.service_folder("run") / f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def alive(self, name):
        try:
            return "truce" in os.readlink(f"/proc/{self.pid(name)}/exe")
        except OSError:
            return False

    def stop(self, *names):
        for name in names:
            if self.alive(name):
                os.kill(self.pid(name), signal.SIGTERM)
        for name in names:
            until = time.monotonic() + 20
            while self.alive(name) and time.monotonic() < until:
                time.sleep(0.01)
            if self.alive(name):
                raise Failed(f"{name} does not stop")

    def services_of(self, program):
        return {"truce-host": ["host", "room"], "truce-vault": [f"vault-{party}" for party in self.parties],
                "truce-attest": ["attest"], "truce-room-sim": ["room"], "truce-query": ["room"],
                "truce-sim-chip": ["room"]}.get(program, [])

    def recover(self):
        """What a supervisor does, until the services answer."""
        self.fault = ()
        until = time.monotonic() + 90
        while True:
            try:
                self.up()
                self.wait_for_rooms(1)
                return
            except (Refused, AssertionError, OSError) as error:
                if time.monotonic() > until:
                    raise Failed(f"the stack does not come back: {error}") from error
                time.sleep(0.1)

    # ---- One fault ----

    def arm(self, point, kind, passage=1):
        self.count += 1
        self.mark = self.folder / f"mark-{self.count}"
        self.fault = ("--fail-at", f"{point.name}.{kind}:{passage}", "--fail-mark", str(self.mark))

    def fired(self):
        return self.mark.exists() and struct.unpack("<QQ", self.mark.read_bytes()[:16])[1] > 0

    def attempt(self, *words, **options):
        """(output, reason): one of them is None. A failure without a reason that says something is none."""
        try:
            return self.truce(*words, **options), None
        except Refused as refused:
            if refused.status < 0:
                return None, "killed"
            reasons = list(dict.fromkeys(match.group() for match in REASON.finditer(refused.stderr.split("truce ", 1)[-1])))
            if not reasons:
                raise Failed(f"an unhelpful failure: {refused}") from refused
            return None, " ".join(reasons[:2])

    def play(self, point, kind, passage=1):
        self.fault = ()
        if point.phase not in ("init", "party"):
            self.recover()
            self.arm(point, kind, passage)
            names = self.services_of(point.program)
            if names:
                self.stop(*names)
                fault = self.fault
                output, reason = self.attempt("up")
                if point.phase != "start" and output is None and not self.fired():
                    raise Failed(f"the services do not start: {reason}")
                self.fault = fault
                if point.phase != "start":
                    self.wait_for_rooms(1)
                    self.fault = ()
        else:
            self.arm(point, kind, passage)
        self.careful = kind not in ("slow", "short", "twice", "broken", "lost", "ahead", "back")
        outcome = getattr(self, f"play_{point.phase}")(point)
        if kind in ("ahead", "back"):
            self.stop(*self.services_of(point.program))  # the next ones have the right time
        if not self.fired():
            raise Failed(f"{point.name}.{kind}: the point was not passed")
        return outcome

    # ---- The phases: each makes a step fail, tries it again, and checks ----

    def play_init(self, point):
        """A stack is made anew: what failed is finished by the next `truce up`."""
        home, self.home = self.home, self.folder / f"home-{self.count}"
        try:
            fault = self.fault
            output, reason = self.attempt("up", "--party", "alice")
            if output is None or point.hook == "call":
                self.fault = ()
                again, why = self.attempt("up", "--party", "alice")
                if again is None:
                    raise Failed(f"a second attempt fails: {why}")
            self.fault = ()
            self.wait_for_rooms(1)
            services = json.loads(self.truce("status", "--json"))
            if not all(service.get("answers", True) for service in services.get("services", [])):
                raise Failed(f"not all services answer: {services}")
            self.stop("room", "host", "vault-alice", "attest")
            self.check_stores(["alice"])
            return f"{reason or 'done'}; then up" if fault else ""
        finally:
            self.fault = ()
            self.close()
            shutil.rmtree(self.home, ignore_errors=True)
            self.home = home

    def play_party(self, point):
        """A party is made: complete at the second attempt, or at the first."""
        home, self.home = self.home, self.folder / f"home-{self.count}"
        try:
            _, reason = self.attempt("party", "init", "carol")
            self.fault = ()
            again, why = self.attempt("party", "init", "carol")
            if again is None and "keystore.exists" not in why:
                raise Failed(f"a second attempt fails: {why}")
            shown = self.truce_json("party", "show", party="carol")
            if not shown["fingerprint"]:
                raise Failed("the party has no card")
            self.truce("party", "backup", self.folder / f"backup-{self.count}", party="carol")
            return f"{reason or 'done'}; then {'made' if again is not None else 'there'}"
        finally:
            shutil.rmtree(self.home, ignore_errors=True)
            self.home = home

    def play_seal(self, point):
        name = f"rows{self.count}"
        words = ("dataset", "seal", name, self.source, "--entity", "none", "--upload", "--rows-per-part", "250")
        _, reason = self.attempt(*words, party="alice")
        self.recover()
        folder = self.party_folder("alice") / "datasets" / name / "1"
        if reason is not None:
            output, why = self.attempt(*words, party="alice")
            if output is None and "dataset.folder.sealed" in why:  # sealed and not sent: a step of its own
                output, why = self.attempt("dataset", "upload", folder, party="alice")
            if output is None:
                raise Failed(f"a second attempt fails: {why} (first: {reason})")
        self.truce("dataset", "verify", folder, party="alice")
        left = [path.name for path in folder.rglob("*") if path.name.endswith((".partial", ".state", ".new"))]
        if left:
            raise Failed(f"left behind: {left}")
        for number in range(2):
            for kind in ("sealed", "leaves"):
                status, octets = self.host("GET", f"/v1/datasets/alice/{name}/1/parts/{number}/{kind}")
                if status != 200 or octets != (folder / f"parts/{number:06}.{kind}").read_bytes():
                    raise Failed(f"the host has another part {number} ({kind}: {status}; first: {reason})")
        self.check()
        return f"{reason or 'done'}; then sealed and sent"

    def play_draft(self, point):
        contract = self.folder / "fault-contract.json"
        contract.unlink(missing_ok=True)
        words = ("contract", "draft", self.specification_file, "--out", contract)
        _, reason = self.attempt(*words, party="alice")
        self.fault = ()
        if reason is not None:
            if contract.exists():
                json.loads(contract.read_text())
            contract.unlink(missing_ok=True)
            output, why = self.attempt(*words, party="alice")
            if output is None:
                raise Failed(f"a second attempt fails: {why}")
        self.truce("contract", "explain", contract, party="alice")
        return f"{reason or 'done'}; then drafted"

    def fresh_contract(self):
        fault, self.fault = self.fault, ()
        contract = self.folder / "fault-contract.json"
        contract.unlink(missing_ok=True)
        for party in self.parties:
            self.grant_path(contract, party).unlink(missing_ok=True)
        self.truce("contract", "draft", self.specification_file, "--out", contract, party="alice")
        self.fault = fault
        return contract

    def sign_words(self, contract, party):
        return ("contract", "sign", contract, "--yes", "--grant", self.grant_path(contract, party))

    def play_sign(self, point):
        contract = self.fresh_contract()
        _, reason = self.attempt(*self.sign_words(contract, "alice"), party="alice")
        self.recover()
        if reason is not None:
            output, why = self.attempt(*self.sign_words(contract, "alice"), party="alice")
            if output is None and "signed_already" not in why:
                raise Failed(f"a second attempt fails: {why} (first: {reason})")
        self.truce(*self.sign_words(contract, "bob"), party="bob")
        self.publish(contract)
        self.expect_answer(contract)
        self.check()
        return f"{reason or 'done'}; then signed"

    def play_publish(self, point):
        contract = self.fresh_contract()
        fault, self.fault = self.fault, ()
        self.sign(contract)
        self.fault = fault
        words = ("contract", "publish", contract, "--grant", self.grant_path(contract, "alice"))
        _, reason = self.attempt(*words, party="alice")
        self.recover()
        if reason is not None:
            output, why = self.attempt(*words, party="alice")
            if output is None:
                raise Failed(f"a second attempt fails: {why} (first: {reason})")
        self.publish(contract, ["bob"])
        self.expect_answer(contract)
        self.check()
        return f"{reason or 'done'}; then published"

    def request(self, contract=None):
        """(run, file): a signed request that is not sent yet."""
        fault, self.fault = self.fault, ()
        path = self.folder / f"request-{self.count}-{time.monotonic_ns()}.json"
        answer = self.truce_json("run", contract or self.contract, "sums", "--param", "least=0", "--out", path, party="alice")
        self.fault = fault
        run = answer.get("run") or RUN.search(json.dumps(answer)).group()
        return run, path

    def send_and_wait(self, run, path):
        """The job at its end, whatever it takes, and the reasons of all attempts that failed."""
        reasons = []
        until = time.monotonic() + 180
        for words in (("job", "send", path), ("job", "show", run, "--wait", "--timeout", "6")):
            while True:
                output, why = self.attempt(*words, party="alice")
                if output is not None:
                    break
                reasons.append(why)
                if words[1] == "show" and self.has_ended(run):
                    break
                if time.monotonic() > until:
                    raise Failed(f"the job does not end: {reasons[-3:]}")
                self.recover()
        self.recover()
        return self.truce_json("job", "show", run, party="alice"), reasons

    def has_ended(self, run):
        """Waiting for a job that was refused or failed is a failure of its own."""
        self.recover()
        output, _ = self.attempt("job", "list", "--json", party="alice")
        jobs = json.loads(output)["jobs"] if output else []
        return any(job["run"] == run and job["state"] in ("refused", "failed") for job in jobs)

    def play_run(self, point):
        run, path = self.request()
        job, reasons = self.send_and_wait(run, path)
        self.check_job(run, job)
        second = self.expect_answer(self.contract)
        self.check()
        attempts = f" at attempt {job['attempts']}" if job["attempts"] > 1 else ""
        told = f" ({', '.join(sorted(set(reasons)))})" if reasons else ""
        return f"{job['state']}{attempts}{': ' + job['reason'] if job.get('reason') else ''}{told}; then {second}"

    def play_start(self, point):
        self.recover()
        return f"room again; then {self.expect_answer(self.contract)}"

    def play_open(self, point):
        fault, self.fault = self.fault, ()
        run, path = self.request()
        self.send_and_wait(run, path)
        if not self.services_of(point.program):
            self.fault = fault
        out = self.folder / "answer.csv"
        out.unlink(missing_ok=True)
        words = ("result", "open", run, "--accept-simulated", "--out", out)
        # The services have been told already; a restart of theirs may have come first.
        _, reason = self.attempt(*words, party="alice")
        self.recover()
        if reason is not None:
            if out.exists():
                self.check_table(out.read_text())
            output, why = self.attempt(*words, party="alice")
            if output is None:
                raise Failed(f"a second attempt fails: {why} (first: {reason})")
        self.check_table(out.read_text())
        left = [path.name for path in self.folder.glob("answer.csv.*")]
        for name in left:
            (self.folder / name).unlink()
        self.check()
        return f"{reason or 'done'}; then opened{', left ' + str(len(left)) + ' temporary' if left else ''}"

    # ---- What must hold ----

    def check_table(self, text):
        table = list(csv.reader(io.StringIO(text)))
        if table != [["region", "n", "total"], *ANSWER]:
            raise Failed(f"another answer: {table}")

    def check_job(self, run, job):
        """Ended, and it says how; done has one verified answer, everything else none."""
        jobs = [row for row in self.truce_json("job", "list", party="alice")["jobs"] if row["run"] == run]
        if len(jobs) != 1:
            raise Failed(f"{len(jobs)} jobs are called {run}")
        if job["state"] not in ("done", "refused", "failed"):
            raise Failed(f"the job is {job}")
        status, _ = self.host("GET", f"/v1/jobs/{run}/receipt")
        if job["state"] == "done":
            self.check_table(self.open(run, "alice"))
            self.check_releases(run, job)
        else:
            if not REASON.search(job.get("reason", "")):
                raise Failed(f"the job does not say why: {job}")
            if status == 200:
                raise Failed(f"a receipt for a job that is {job['state']}")

    def check_releases(self, run, job):
        """Every owner's vault has recorded each key that left it for this run: one for each attempt at most."""
        request = json.loads(self.receipt(run))["run_request"]
        digest = "sha256:" + hashlib.sha256(unb64u(request["payload"])).hexdigest()
        for party in self.parties:
            count = self.truce("releases", "--json", party=party).count(digest)
            if not 1 <= count <= 2 * job["attempts"]:  # a call that happened twice is two records
                raise Failed(f"the vault of {party} knows of {count} releases in {job['attempts']} attempts")

    def expect_answer(self, contract):
        run, path = self.request(contract)
        job, _ = self.send_and_wait(run, path)
        if job["state"] != "done":
            raise Failed(f"a second attempt is {job['state']}: {job.get('reason')}")
        self.check_table(self.open(run, "alice"))
        return "done"

    def check(self):
        """The stores of host and vaults, with their programs down; not after faults that no store can feel."""
        if not self.careful:
            return
        self.stop("room", "host", *(f"vault-{party}" for party in self.parties))
        self.check_stores(self.parties)

    def check_stores(self, parties):
        for program, name in [("truce-host", "host"), *(("truce-vault", f"vault-{party}") for party in parties)]:
            result = subprocess.run([PROGRAMS / program, "check", self.service_folder(name)], capture_output=True, text=True,
                                    timeout=60)
            if result.returncode != 0:
                raise Failed(f"{name} does not verify: {result.stdout}{result.stderr}")
