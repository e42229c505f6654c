"""The good set that test_tamper.py changes: one small stack, one agreement, one finished run, and the keys of everybody."""
import copy
import json
import random
import subprocess
import time

import forge
import tamper_receipt
import tamper_room
from hostile_host import HostileHost
from host_support import canonical
from stack import PROGRAMS, Refused, Stack
from vault_support import RsaKey

OWNERS = ("bank", "shop")
SPENDING = ("WITH core AS (SELECT c.region AS region, count(*) AS n, sum(p.amount) AS total FROM customers AS c "
            "JOIN purchases AS p ON c.id = p.customer WHERE c.age >= $age GROUP BY c.region) "
            "SELECT region, n, total FROM core ORDER BY region")
REGIONS = "WITH core AS (SELECT region, count(*) AS n FROM customers GROUP BY region) SELECT region, n FROM core ORDER BY region"


class World:
    def __init__(self, folder):
        self.folder = folder
        self.host = None
        self.stack = Stack(folder / "stack", ["analyst", "bank", "shop"], start=False)
        try:
            self.make()
        except BaseException:
            self.close()
            raise

    def make(self):
        folder, stack = self.folder, self.stack
        stack.up()
        stack.introduce()
        random.seed(11)
        ids = [random.getrandbits(62) for _ in range(36000)]
        self.write_customers("customers.csv", ids)
        self.write_customers("newer.csv", ids[:-500] + [random.getrandbits(62) for _ in range(500)])
        (folder / "purchases.csv").write_text(
            "customer,amount\n" + "".join(f"{random.choice(ids)},{random.randrange(1, 500)}\n" for _ in range(9000)))
        self.customers = stack.seal("bank", "customers", folder / "customers.csv", entity="id", min_entities=5)
        stack.seal("bank", "customers", folder / "newer.csv", entity="id", min_entities=5, options=("--version", "2"))
        self.newer = self.customers.parent / "2"
        self.purchases = stack.seal("shop", "purchases", folder / "purchases.csv", entity="customer", min_entities=5,
                                    options=("--rows-per-part", "4096"))
        self.authority = folder / "authority.json"
        self.contract = stack.agree(self.specification("Spending", self.customers))
        self.other = stack.agree(self.specification("Other", self.newer), "other.json")
        self.ends = time.time() + 45
        valid = {"from": self.when(-60), "until": self.when(45)}
        self.short = stack.agree(self.specification("Short", self.customers, valid=valid), "short.json")
        self.request = self.ask(self.contract, "request.json")
        self.other_request = self.ask(self.other, "other-request.json")
        self.host = HostileHost(stack)
        self.services = self.host.services
        self.documents = self.host.documents(self.contract, self.request)
        self.other_documents = self.host.documents(self.other, self.other_request)
        self.keys = {party: forge.open_key(folder, stack.party_folder(party) / "signing.pem", party)
                     for party in stack.parties}
        self.stranger = forge.Key(folder, "stranger")
        self.room = forge.LyingRoom(self.services, forge.Simulation(stack.service_folder("room")), folder)
        self.run, self.bundle, self.result = self.finished(self.contract)
        self.other_run, self.other_bundle, self.other_result = self.finished(self.other)
        self.trust = folder / "trust.json"
        stack.truce("receipt", "trust", "--out", self.trust, party="analyst")
        self.signer = forge.Signer(stack.service_folder("attest") / "signing-key.pem", self.bundle["tokens"][0]["token"])

    def close(self):
        if self.host:
            self.host.close()
        self.stack.close()

    def when(self, seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))

    def write_customers(self, name, ids):
        regions = ("north", "south", "east")
        (self.folder / name).write_text("id,region,age\n" + "".join(
            f"{number},{regions[index % 3]},{18 + index % 60}\n" for index, number in enumerate(ids)))

    def specification(self, title, customers, **duration):
        return {"title": title, "parties": ["analyst", "bank", "shop"],
                "datasets": [{"table": "customers", "folder": str(customers)},
                             {"table": "purchases", "folder": str(self.purchases)}],
                "queries": [{"name": "regions", "sql": REGIONS, "parameters": [], "max_rows": 10},
                            {"name": "spending", "sql": SPENDING, "max_rows": 10,
                             "parameters": [{"name": "age", "type": "INTEGER", "min": "18", "max": "99"}]}],
                "queriers": ["analyst"], "recipients": ["analyst", "bank"], **(duration or {"days": 5})}

    def ask(self, contract, name, query="spending", parameters=("--param", "age=30")):
        path = self.folder / name
        self.stack.truce("run", contract, query, *parameters, "--out", path, party="analyst")
        return path

    def finished(self, contract):
        run = self.stack.run(contract, "spending", "analyst", {"age": 30})
        return run, json.loads(self.stack.receipt(run)), self.stack.result(run)

    # ---- What must not have happened ----

    def released(self):
        """How many releases each owner's vault has recorded."""
        return {owner: len(self.stack.truce_json("releases", party=owner)["value"]) for owner in OWNERS}

    def objects(self):
        """Results and receipts at the host."""
        runs = self.stack.service_folder("host") / "storage" / "runs"
        return sorted(str(path) for path in runs.rglob("*") if path.name in ("result.jwe", "receipt.json"))

    # ---- Strangers ----

    def strange_rsa(self):
        if not hasattr(self, "rsa"):
            self.rsa = RsaKey(self.folder, "strange-rsa")
        return self.rsa

    def other_simulation(self):
        """Another simulated TEE, with a root of its own, that says it runs the very code of this stack's."""
        folder = self.folder / "other-simulation"
        if not folder.exists():
            folder.mkdir()
            subprocess.run([PROGRAMS / "truce-simulation-init", folder, self.room.simulation.measurement], check=True)
        return forge.Simulation(folder)

    def forged_bundle(self):
        """The good bundle as a lying room would have made it, well attested; made once."""
        if not hasattr(self, "lying_bundle"):
            self.lying_bundle = forge.forged_receipt(self.bundle, self.room)
        return self.lying_bundle

    def attacker(self):
        if not hasattr(self, "attacking"):
            self.attacking = tamper_receipt.Attacker(self)
        return self.attacking

    def strangers_contract(self):
        return tamper_room.all_by_strangers(self)["contract"]

    # ---- The room, played with by a hostile host ----

    def agreement(self, **changes):
        return forge.Agreement(self.documents, self.keys, **changes).documents

    def with_document(self, member, index, change):
        documents = copy.deepcopy(self.documents)
        if index is None:
            documents[member] = change(documents[member])
        else:
            documents[member][index] = change(documents[member][index])
        return documents

    # ---- The host's storage ----

    def stored(self, *path):
        return self.stack.service_folder("host").joinpath("storage", *path)

    # ---- The parties' programs ----

    def file(self, name, value):
        path = self.folder / name
        octets = value if isinstance(value, bytes) else canonical(value)
        path.write_bytes(octets)
        return path

    def truce(self, *words, party=None):
        """None when the command succeeds, its refusal otherwise."""
        try:
            self.stack.truce(*words, party=party)
        except Refused as refused:
            return refused
        return None

    def verify(self, bundle, trust=None, options=("--accept-simulated",)):
        return self.truce("receipt", "verify", self.file("bundle.json", bundle), "--trust", trust or self.trust, *options)
