"""Microsoft's @azure/keyvault-keys and @azure/identity against a running truce-vault."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from stack import Stack
from vault_support import BUILD, VAULT, Authority, RsaKey, Vault, policy, run

SDK = pathlib.Path(__file__).resolve().parent / "sdk"

pytestmark = pytest.mark.skipif(not VAULT.exists(), reason=f"no truce-vault in {BUILD}")


@pytest.fixture(scope="module")
def sdk():
    """The packages of package-lock.json, installed once beside the build."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = BUILD / "sdk"
    folder.mkdir(exist_ok=True)
    for file in SDK.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    if not (folder / "node_modules/@azure/keyvault-keys/package.json").exists():
        install = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True,
                                 text=True, timeout=600)
        if install.returncode != 0:
            unreachable = any(word in install.stderr for word in ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN"))
            if unreachable:
                pytest.skip("the npm registry cannot be reached")
            pytest.fail(install.stderr[-2000:])
    return folder


def test_the_sdk_is_content(sdk, tmp_path):
    authority = Authority(tmp_path)
    vault = Vault(tmp_path / "bureau")
    run(VAULT, "connect", vault.folder, authority.file("authority.json"))
    vault.start()
    room = RsaKey(tmp_path, "room")
    token = authority.token(authority.claims([room.jwk(kid="truce-wrap", use="enc")]))
    orders = tmp_path / "orders.json"
    orders.write_text(json.dumps({"policy": policy(authority.issuer), "token": token}))
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(vault.folder / "ca.pem")}
    result = subprocess.run(["node", "--require", "./resolve.cjs", "keys.js", vault.folder / "vault.json",
                             vault.folder / "courier.json", orders], cwd=sdk, env=environment, capture_output=True, text=True,
                            timeout=300)
    vault.stop()
    authority.stop()
    assert result.returncode == 0, result.stderr[-4000:]
    assert len(json.loads(result.stdout)["steps"]) == 11


def test_the_exports_of_truce_env_are_enough(sdk, tmp_path):
    stack = Stack(tmp_path / "stack", ["alice"])
    try:
        exports = dict(line.removeprefix("export ").split("=", 1) for line in stack.truce("env", "alice").splitlines())
        exports = {name: value.strip("'") for name, value in exports.items()}
        result = subprocess.run(["node", "env.js"], cwd=sdk, env={**os.environ, **exports}, capture_output=True, text=True,
                                timeout=120)
    finally:
        stack.close()
    assert result.returncode == 0, result.stderr[-4000:]
    assert json.loads(result.stdout) == {"key": "from-the-sdk", "signers": 1}
