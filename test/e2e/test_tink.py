"""Google's Tink opens what we seal, and we open what it seals. Live, with the package from PyPI."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", SOURCE / "build"))
TOOL = BUILD / "src" / "tcb" / "seal" / "stream-tool"
TINK = "tink==1.16.1"

PEER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import make
make.streaming_aead.register()
for line in sys.stdin:
    call = json.loads(line)
    raw, associated, data = (bytes.fromhex(call[name]) for name in ("key", "associated", "data"))
    try:
        answer = {"octets": getattr(make, call["do"])(raw, associated, data).hex()}
    except Exception as error:
        answer = {"error": type(error).__name__}
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def tink(tmp_path_factory):
    """A Python with Tink that answers calls. Skipped when PyPI is not reachable."""
    folder = tmp_path_factory.mktemp("tink")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = subprocess.run([folder / "bin" / "pip", "install", "-q", TINK], capture_output=True, text=True)
    if install.returncode != 0:
        unreachable = ("ConnectionError", "NewConnectionError", "Temporary failure", "timed out", "ProxyError",
                       "No matching distribution")
        if any(sign in install.stderr for sign in unreachable):
            pytest.skip("PyPI is not reachable, so there is no live Tink: " + install.stderr.strip()[-200:])
        pytest.fail(install.stderr)
    vectors = SOURCE / "test" / "vectors" / "tink"
    peer = subprocess.Popen([folder / "bin" / "python", "-B", "-c", PEER, vectors], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)

    def call(do, key, associated, data):
        request = {"do": do, "key": key.hex(), "associated": associated.hex(), "data": data.hex()}
        peer.stdin.write(json.dumps(request) + "\n")
        peer.stdin.flush()
        answer = json.loads(peer.stdout.readline())
        return bytes.fromhex(answer["octets"]) if "octets" in answer else answer["error"]

    yield call
    peer.stdin.close()
    peer.wait()


def ours(do, key, associated, data):
    done = subprocess.run([TOOL, do, key.hex(), associated.hex()], input=data, capture_output=True)
    return done.stdout if done.returncode == 0 else done.stderr.decode().strip()


@pytest.mark.parametrize("size", [0, 1, 65479, 65480, 65481, 131000, 131001, 1_000_000])
def test_both_directions(tink, size):
    key, associated, data = os.urandom(32), b"truce-part/1\nbureau/flights\n1\n0", os.urandom(size)
    sealed = ours("seal", key, associated, data)
    assert tink("decrypt", key, associated, sealed) == data
    assert ours("open", key, associated, tink("encrypt", key, associated, data)) == data


def test_both_refuse_the_same(tink):
    key, data = os.urandom(32), os.urandom(140_000)
    sealed = ours("seal", key, b"a", data)
    swapped = sealed[:65536] + sealed[131072:] + sealed[65536:131072]
    cut = sealed[:131072]
    flipped = sealed[:70000] + bytes([sealed[70000] ^ 1]) + sealed[70001:]
    for bad in (cut, flipped, swapped):
        assert isinstance(tink("decrypt", key, b"a", bad), str)
        assert ours("open", key, b"a", bad) in ("aead.tag", "stream.size")
    assert isinstance(tink("decrypt", key, b"b", sealed), str)
    assert ours("open", key, b"b", sealed) == "aead.tag"
