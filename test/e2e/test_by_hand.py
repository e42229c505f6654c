"""Every program started by itself, two people with a home each, and files between them: doc/two-machines.md, run as it stands."""
import csv
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from stack import PASSPHRASE, PROGRAMS, ROOT

PAGE = ROOT / "doc/two-machines.md"
NAMES = ["truce", "truce-query", "truce-seal-engine", "truce-template-engine", "truce-attest", "truce-vault", "truce-host", "truce-room-sim", "truce-simulation-init"]
missing = [name for name in NAMES if not (PROGRAMS / name).exists()]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")

SEND = 'send() { mkdir -p "$(dirname "../$2/${3:-x}")"; cp "$1" "../$2/${3:-$(basename "$1")}"; echo "$2/${3:-$(basename "$1")}" >> ../sent; }\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class People:
    """A folder per person, which is its machine: programs, home and files."""

    def __init__(self, folder):
        self.folder = folder
        self.groups = []
        self.variables = {}
        text = PAGE.read_text()
        for url in sorted(set(re.findall(r"https://[a-z.]+\.example:\d+", text))):
            text = text.replace(url, f"https://localhost:{free_port()}")
        self.blocks = re.findall(r"^```sh (\w+)\n(.*?)^```", text, re.S | re.M)
        for who in ("operator", "bank", "shop"):
            (folder / who).mkdir()
            (folder / who / "passphrase").write_text(f"{PASSPHRASE} of {who}\n")
            (folder / who / "passphrase").chmod(0o600)

    def environment(self, who):
        home = self.folder / who
        return {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8",
                "TRUCE_PASSPHRASE_FILE": str(home / "passphrase"), **self.variables}

    def do(self, who, script):
        """Runs a block of the page as that person; gives what it printed. Services stay in the background."""
        log = self.folder / f"log-{len(self.groups)}-{who}"
        with log.open("wb") as out:
            shell = subprocess.Popen(["bash", "-eu", "-c", SEND + script], cwd=self.folder / who, env=self.environment(who),
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        self.groups.append(shell.pid)
        status = shell.wait(timeout=180)
        assert status == 0, f"{who}: {script}\n{log.read_text()}"
        for service, name in re.findall(r"^(truce-\S+) serve .* > (\S+) 2>&1 &$", script, re.M):
            self.wait_for(service, self.folder / who / name)
        return log.read_text()

    def wait_for(self, service, log):
        until = time.monotonic() + 20
        while service != "truce-room-sim" and not (log.exists() and "listening" in log.read_text()):
            assert time.monotonic() < until, service
            time.sleep(0.05)

    def learn_fingerprints(self):
        for who in ("bank", "shop"):
            if (self.folder / who / ".truce/parties" / who / "card.json").exists():
                shown = json.loads(subprocess.run([PROGRAMS / "truce", "party", "show", "--json"], env=self.environment(who),
                                                  cwd=self.folder / who, capture_output=True, check=True).stdout)
                self.variables[f"FINGERPRINT_OF_{who.upper()}"] = shown["fingerprint"]

    def close(self):
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGTERM)
            except ProcessLookupError:
                pass


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    people = People(tmp_path_factory.mktemp("by-hand"))
    regions = ["north", "south", "isle"]
    customers = [(i, regions[2] if i % 100 == 0 else regions[i % 2]) for i in range(1000)]
    purchases = [(i * 7 % 1100, i % 997) for i in range(6000)]
    (people.folder / "bank/customers.csv").write_text("id,region\n" + "".join(f"{i},{r}\n" for i, r in customers))
    (people.folder / "shop/purchases.csv").write_text("customer,amount\n" + "".join(f"{c},{a}\n" for c, a in purchases))
    of = dict(customers)
    counts = {}
    for customer, amount in purchases:
        if amount >= 500 and customer in of:
            counts[of[customer]] = counts.get(of[customer], 0) + 1
    people.expected = [["region", "purchases"]] + [[region, str(counts[region])] for region in ("north", "south")]
    yield people
    people.close()


def test_the_page(people):
    assert [who for who, _ in people.blocks].count("bank") >= 5
    for who, script in people.blocks:
        people.learn_fingerprints()
        people.do(who, script)
    for who in ("bank", "shop"):
        assert list(csv.reader((people.folder / who / "answer.csv").open())) == people.expected
    sent = (people.folder / "sent").read_text().split()
    assert {path.split("/")[-1] for path in sent} >= {"bank.card.json", "manifest.json", "policy.json", "contract.signed.json",
                                                     "grant.bank.json", "result.json", "receipt.json"}
    secret = [b"PRIVATE KEY", *((people.folder / who / "passphrase").read_bytes().strip() for who in ("bank", "shop"))]
    for path in sent:
        assert not any(word in (people.folder / path).read_bytes() for word in secret), path


def test_no_file_of_one_is_in_anothers_hands(people):
    """But for what was sent: the rows of one are on no other machine, nor is a passphrase."""
    assert (people.folder / "bank/answer.csv").exists()
    rows = {"bank": b"\n500,isle", "shop": b"\n7,1\n14,2\n"}
    for owner, canary in rows.items():
        assert canary in next((people.folder / owner).glob("*s.csv")).read_bytes()
        for other in {"operator", "bank", "shop"} - {owner}:
            for path in (people.folder / other).rglob("*"):
                if path.is_file() and not path.is_socket():
                    assert canary not in path.read_bytes(), path


def test_a_revoked_contract_runs_no_more(people):
    failed = subprocess.run([PROGRAMS / "truce", "run", "contract.signed.json", "by-region", "--param", "least=1", "--wait"],
                            cwd=people.folder / "shop", env=people.environment("shop"), stdin=subprocess.DEVNULL, capture_output=True,
                            text=True)
    assert failed.returncode != 0 and "revoked" in failed.stdout + failed.stderr, failed.stderr
