"""Every fault point of every program: kill -9, full disk, short and torn writes, errors, slow, broken and doubled messages,
lost answers, clock jumps. For each: the job ends in success or with a reason, nothing is lost or doubled, the stores
verify, a second attempt works. The list of points and outcomes is printed, and kept in build/faults.txt.

In the ordinary run a sample of them (TRUCE_SEED chooses another one; TRUCE_FAULTS=pattern chooses by name, like
"host.receipt.*"), in the long one all of them.
"""
import fnmatch
import os
import random
import re
import sqlite3
import subprocess
import time

import pytest

from faults import PROGRAMS, Failed, Faulty, read_points
from stack import BUILD
from stack import PROGRAMS as ORDINARY

SAMPLE_SECONDS = 45
LONG = bool(os.environ.get("TRUCE_LONG"))
SEED = int(os.environ.get("TRUCE_SEED", "1"))
PATTERN = os.environ.get("TRUCE_FAULTS")
OUTCOMES = BUILD / "faults.txt"
POINTS = read_points()
CASES = [(point, kind) for point in POINTS for kind in point.kinds]

built = pytest.mark.skipif(not (PROGRAMS / "truce-host").exists(), reason="the build has no fault points (-Dfault_points=true)")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Faulty(tmp_path_factory.mktemp("faults") / "stack").prepare()
    OUTCOMES.write_text("")
    yield made
    made.close()


def chosen():
    """All of them by phase, or a sample that comes from every program as evenly as it can."""
    if PATTERN:
        return [case for case in CASES if fnmatch.fnmatch(f"{case[0].name}.{case[1]}", PATTERN)]
    if LONG:
        return CASES
    shuffled = random.Random(SEED).sample(CASES, len(CASES))
    taken = {}
    for case in shuffled:
        taken.setdefault(case[0].program, []).append(case)
    rounds = max(len(cases) for cases in taken.values())
    return [cases[i] for i in range(rounds) for cases in taken.values() if i < len(cases)]


def line(point, kind, outcome):
    return f"{point.phase:8} {point.program:22} {point.name + '.' + kind:34} {outcome}"


@built
def test_every_fault_ends_well(stack):
    """One test: the cases share a stack, and a sample ends when its time is over."""
    until = time.monotonic() + SAMPLE_SECONDS
    failures, count = [], 0
    for point, kind in chosen():
        if not LONG and not PATTERN and count >= 5 and time.monotonic() > until:
            break
        count += 1
        try:
            outcome = stack.play(point, kind)
        except (Failed, AssertionError) as failed:
            outcome = f"FAILED {failed}"
            failures.append(line(point, kind, outcome))
        with OUTCOMES.open("a") as file:
            file.write(line(point, kind, outcome) + "\n")
        print(line(point, kind, outcome), flush=True)
    print(f"{count} of {len(CASES)} faults at {len(POINTS)} points, seed {SEED}")
    assert count > 0
    assert not failures, "\n".join(failures)


@built
def test_the_checks_see_damage(stack):
    """One octet of a part, of a document's name and of a vault's row, each named."""
    stack.recover()
    stack.expect_answer(stack.contract)
    stack.careful = True
    stack.check()
    storage = stack.service_folder("host") / "storage"
    part = next((storage / "datasets").rglob("000000.sealed"))
    document = next(path for path in (storage / "documents").iterdir())
    receipt = next((storage / "runs").rglob("receipt.json"))

    def expect(program, name, why):
        result = subprocess.run([PROGRAMS / program, "check", stack.service_folder(name)], capture_output=True, text=True)
        assert result.returncode != 0 and why in result.stderr, result.stdout + result.stderr

    octets = part.read_bytes()
    part.write_bytes(octets[:100] + bytes([octets[100] ^ 1]) + octets[101:])
    expect("truce-host", "host", "check.part")
    part.write_bytes(octets)
    other = document.with_name("0" * 64 + ".json")
    document.rename(other)
    expect("truce-host", "host", "check.")
    other.rename(document)
    kept = receipt.with_name("kept")
    receipt.rename(kept)
    expect("truce-host", "host", "check.job.receipt")
    kept.rename(receipt)
    database = sqlite3.connect(stack.service_folder("vault-alice") / "state.db")
    with database:
        database.execute("UPDATE row SET version = version + 1 WHERE area = 'material'")
    database.close()
    expect("truce-vault", "vault-alice", "state.row.sealed")
    database = sqlite3.connect(stack.service_folder("vault-alice") / "state.db")
    with database:
        database.execute("UPDATE row SET version = version - 1 WHERE area = 'material'")
    database.close()
    stack.check()


def test_the_table_is_sound():
    names = [point.name for point in POINTS]
    assert len(names) == len(set(names))
    known = {"kill", "killed", "full", "short", "torn", "eio", "slow", "broken", "twice", "lost", "ahead", "back"}
    for point in POINTS:
        assert point.kinds and set(point.kinds) <= known, point
        assert point.hook in ("write", "sync", "rename", "read", "frame", "arrive", "call", "serve"), point
    programs = {point.program for point in POINTS}
    assert {"truce", "truce-host", "truce-room-sim", "truce-query", "truce-vault", "truce-attest", "truce-seal-engine"} <= programs


@built
def test_an_unknown_point_is_refused(tmp_path):
    for name in ("host.nothing.kill", "host.receipt.write.nothing", "host", "host.receipt.write.kill:0"):
        result = subprocess.run([PROGRAMS / "truce-host", "--help", "--fail-at", name, "--fail-mark", tmp_path / "mark"],
                                capture_output=True, text=True)
        assert result.returncode == 2 and "--fail-at" in result.stderr, name


def test_the_ordinary_programs_hold_no_fault_point():
    """Neither the option nor the name of a point nor a symbol of the fault code; the test would see them in a test build."""
    traces = [b"--fail-at", b"--fail-mark", b"fault_meet", b"fault_die", *(point.name.encode() for point in POINTS
                                                                            if point.name.count(".") >= 2)]

    def traces_in(program):
        octets = program.read_bytes()
        return [trace for trace in traces if re.search(b"(?<![a-z._])" + re.escape(trace) + b"(?![a-z._])", octets)]

    programs = sorted(path for path in ORDINARY.glob("truce*") if path.is_file() and os.access(path, os.X_OK))
    assert len(programs) >= 9
    for program in programs:
        assert traces_in(program) == [], program
        refused = subprocess.run([program, "serve", "/nonexistent", "--fail-at", "host.receipt.write.kill"], capture_output=True)
        assert refused.returncode != 0
    if PROGRAMS.exists():
        assert len(traces_in(PROGRAMS / "truce-host")) > 50
