"""`make demo` on real data, and the commands that it ends with, as printed."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from stack import BUILD, PASSPHRASE, ROOT, TRUCE

DATA = ROOT / ".deps/vega-datasets/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the demo's data is not there: tools/install-deps fetches it from npm")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo.out"
    environment = dict(os.environ, TRUCE_BUILD=str(BUILD), TRUCE_DEMO_OUT=str(out))
    result = subprocess.run([ROOT / "tools/demo"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=600)
    assert result.returncode == 0, result.stdout[-6000:]
    return out, result.stdout


def test_the_answer_is_plain_duckdbs_answer(demo):
    out, _ = demo
    answer = (out / "result.csv").read_bytes()
    assert answer == (out / "plaintext.csv").read_bytes()
    rows = answer.decode().splitlines()
    assert rows[0] == "state,claims,cost,departures,claims_per_100000_departures"
    assert "TX,65,130,355904,18.26" in rows
    assert len(rows) == 20 and all(int(row.split(",")[1]) >= 10 for row in rows[1:])


def test_the_receipt_verifies_offline_and_only_as_simulated(demo):
    out, _ = demo
    command = [TRUCE, "receipt", "verify", out / "receipt.json", "--trust", out / "trust.json"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    assert subprocess.run([*command, "--accept-simulated"], env=environment, capture_output=True).returncode == 0
    refused = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert refused.returncode != 0 and "receipt.simulated" in refused.stderr


def test_it_shows_what_it_promises(demo):
    _, text = demo
    for word in ("fingerprint", "sealing", "WHAT THIS CONTRACT MEANS", "ISOLATES NOTHING", "release key in the vault",
                 "The receipt verifies", "plain DuckDB", "are equal"):
        assert word in text, word
    assert len(re.findall(r"^\$ truce contract sign", text, flags=re.M)) == 3
    assert len(re.findall(r"^\$ truce releases", text, flags=re.M)) == 3


def test_the_printed_commands_work_with_own_files(demo, tmp_path):
    _, text = demo
    lines = [line for line in text[text.rindex("The same with your own files"):].splitlines() if line.startswith("  ")]
    script = "\n".join(lines).replace(str(ROOT / "examples/two-parties"), str(tmp_path / "own"))
    shutil.copytree(ROOT / "examples/two-parties", tmp_path / "own")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE + "\n")
    passphrase.chmod(0o600)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TRUCE_PASSPHRASE_FILE": str(passphrase)}
    try:
        result = subprocess.run(["bash", "-e", "-c", script], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=300)
    finally:
        subprocess.run([TRUCE, "down"], env=dict(environment, TRUCE_HOME=str(tmp_path / ".truce")), capture_output=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "region,purchases,total" in result.stdout
