"""The data, the questions and the stack that the measurements share.

Two parties: a shop with its sales lines and a bank with its orders, in the spirit of TPC-H. Every value is a function of its row number, so that
two machines measure the same octets.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("TRUCE_BUILD", "build")).resolve()
sys.path.insert(0, str(ROOT / "test/e2e"))
from stack import Stack  # noqa: E402

THREADS = int(os.environ.get("BENCH_THREADS", str(os.cpu_count())))
MEMORY_MB = 4096

SALES = """SELECT i // 4 AS order_id, (hash(i * 7) % 200000)::INTEGER AS item, (hash(i * 11) % 500)::INTEGER AS store,
(1 + hash(i * 13) % 50)::INTEGER AS quantity, ((90000 + hash(i * 17) % 1000000) / 100)::DECIMAL(12,2) AS price,
((hash(i * 19) % 11) / 100)::DECIMAL(4,2) AS discount, ((hash(i * 23) % 9) / 100)::DECIMAL(4,2) AS tax,
substr('ANR', 1 + (hash(i * 29) % 3)::INTEGER, 1) AS flag, substr('FO', 1 + (hash(i * 31) % 2)::INTEGER, 1) AS status,
DATE '1992-01-02' + (i // 2800 % 2400 + hash(i * 37) % 120)::INTEGER AS shipped,
['AIR', 'FOB', 'MAIL', 'RAIL', 'SHIP', 'TRUCK', 'REG AIR'][1 + (hash(i * 41) % 7)::BIGINT] AS mode
FROM range({first}, {last}) AS r(i)"""

ORDERS = """SELECT i AS order_id, (hash(i * 43) % 150000)::INTEGER AS customer, DATE '1992-01-01' + (i // 700 % 2400)::INTEGER AS placed,
['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NONE', '5-LOW'][1 + (hash(i * 47) % 5)::BIGINT] AS priority,
['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD', 'MACHINERY'][1 + (hash(i * 53) % 5)::BIGINT] AS segment,
(hash(i * 59) % 25)::INTEGER AS nation, ((100000 + hash(i * 61) % 40000000) / 100)::DECIMAL(14,2) AS total
FROM range({first}, {last}) AS r(i)"""


def query(select, source, group=None, post=None, rows=1000):
    group = f" GROUP BY {group}" if group else ""
    return {"sql": f"WITH core AS (SELECT {select} FROM {source}{group}) {post}", "max_rows": rows}


BOTH = "sales AS s JOIN orders AS o ON s.order_id = o.order_id"
QUERIES = {
    "pricing": query("s.flag AS flag, s.status AS status, sum(s.quantity) AS quantity, sum(s.price) AS price, "
                     "sum(s.price * (1 - s.discount)) AS net, count(*) AS lines", "sales AS s WHERE s.shipped <= DATE '1998-06-01'",
                     "s.flag, s.status", "SELECT flag, status, quantity, price, net, lines FROM core ORDER BY flag, status"),
    "forecast": query("sum(s.price * s.discount) AS revenue, count(*) AS lines",
                      "sales AS s WHERE s.shipped >= DATE '1994-01-01' AND s.shipped < DATE '1995-01-01' AND s.discount >= 0.05 "
                      "AND s.discount <= 0.07 AND s.quantity < 24", None, "SELECT revenue, lines FROM core"),
    "stores": query("s.store AS store, sum(s.price) AS price, count(*) AS lines", "sales AS s", "s.store",
                    "SELECT store, price, lines FROM core ORDER BY store"),
    "months": query("year(s.shipped) AS year, month(s.shipped) AS month, sum(s.price * (1 - s.discount)) AS net, sum(s.quantity) AS quantity",
                    "sales AS s", "year(s.shipped), month(s.shipped)", "SELECT year, month, net, quantity FROM core ORDER BY year, month"),
    "items": query("s.mode AS mode, count(DISTINCT s.item) AS items, sum(s.price) AS price", "sales AS s", "s.mode",
                   "SELECT mode, items, price FROM core ORDER BY mode"),
    "segments": query("o.segment AS segment, sum(s.price * (1 - s.discount)) AS net, count(*) AS lines", BOTH, "o.segment",
                      "SELECT segment, net, lines FROM core ORDER BY segment"),
    "priority": query("s.mode AS mode, o.priority AS priority, count(*) AS lines, sum(s.price) AS price",
                      BOTH + " WHERE s.shipped >= DATE '1994-01-01' AND s.shipped < DATE '1996-01-01'", "s.mode, o.priority",
                      "SELECT mode, priority, lines, price FROM core ORDER BY mode, priority"),
    "nations": query("o.nation AS nation, year(o.placed) AS year, sum(s.price * (1 - s.discount)) AS net",
                     BOTH, "o.nation, year(o.placed)", "SELECT nation, year, net FROM core ORDER BY nation, year"),
    "late": query("o.priority AS priority, count(*) AS lines", BOTH + " WHERE s.shipped > o.placed", "o.priority",
                  "SELECT priority, lines FROM core ORDER BY priority"),
    "buyers": query("o.nation AS nation, count(DISTINCT o.customer) AS customers, sum(s.quantity) AS quantity",
                    BOTH + " WHERE s.flag = 'R'", "o.nation", "SELECT nation, customers, quantity FROM core ORDER BY nation"),
    "machines": query("s.flag AS flag, o.segment AS segment, sum(s.price) AS price, sum(o.total) AS total",
                      BOTH + " WHERE o.segment = 'MACHINERY' AND s.discount > 0.02", "s.flag, o.segment",
                      "SELECT flag, segment, price, total FROM core ORDER BY flag, segment"),
    "orders": query("o.segment AS segment, o.priority AS priority, count(*) AS orders, sum(o.total) AS total", "orders AS o",
                    "o.segment, o.priority", "SELECT segment, priority, orders, total FROM core ORDER BY segment, priority"),
}


class Plain:
    """Plain DuckDB in the room's process model: a process per query, forked with the library loaded."""

    def __init__(self, folder):
        subprocess.run(["ninja", "-C", BUILD, "bench/bench-plain"], check=True, stdout=subprocess.DEVNULL)
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen([BUILD / "bench/bench-plain", str(THREADS), str(MEMORY_MB)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, cwd=folder)

    def run(self, *statements, name="statement"):
        path = self.folder / f"{name}.sql"
        path.write_text("\n--\n".join(statements))
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"plain DuckDB failed at {path}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def make_data(plain, folder, rows):
    """Plaintext Parquet as the sealer writes it: zstd, row groups of 122,880 rows."""
    for name, source, count in (("sales", SALES, rows), ("orders", ORDERS, rows // 4)):
        path = folder / f"{name}.parquet"
        if not path.exists():
            plain.run(f"COPY ({source.format(first=0, last=count)}) TO '{path}.new' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)")
            pathlib.Path(f"{path}.new").rename(path)


VIEWS = ("CREATE VIEW sales AS SELECT * FROM read_parquet('sales.parquet')",
         "CREATE VIEW orders AS SELECT * FROM read_parquet('orders.parquet')")


def make_stack(folder, data, queries=QUERIES, extra=None, name="contract.json"):
    stack = Stack(folder, ["shop", "bank"])
    sealed = {"sales": stack.seal("shop", "sales", data / "sales.parquet"), "orders": stack.seal("bank", "orders", data / "orders.parquet")}
    stack.sealed = sealed
    stack.contract = stack.agree(specification(sealed, queries, extra), name)
    return stack


def specification(sealed, queries, extra=None):
    return {"title": "Measurements", "parties": ["shop", "bank"],
            "datasets": [{"table": table, "folder": str(folder)} for table, folder in sealed.items()],
            "queries": [dict({"name": name, "parameters": [], "memory_mb": MEMORY_MB}, **query) for name, query in queries.items()],
            "queriers": ["bank"], "recipients": ["bank"], "days": 5, **(extra or {})}


def steps_of(stack, run):
    """Milliseconds since the hand-over at which the host saw each step of a run."""
    found = {}
    for line in (stack.service_folder("run") / "host.log").read_text().splitlines():
        if f"run={run}" in line and " job.step " in line:
            fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
            found[fields["step"]] = int(fields["ms"])
    return found
