"""Limits that only a running program has: bodies of calls, rooms, files and options."""
import json
import socket
import ssl
import subprocess
import urllib.parse

import pytest

import host_support
import test_attest
import vault_support


def declare(url, ca, method, path, size, token=None):
    """The status that a call gets whose body has `size` octets: of large ones only the headers are sent."""
    target = urllib.parse.urlsplit(url)
    context = ssl.create_default_context(cadata=ca)
    with socket.create_connection((target.hostname, target.port), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname=target.hostname) as stream:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {target.netloc}", f"Content-Length: {size}", "Content-Type: application/json"]
            if token:
                lines.append(f"Authorization: Bearer {token}")
            stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            if size <= 1 << 20:
                stream.sendall(b" " * size)
            return int(stream.recv(4096).split()[1])


@pytest.fixture
def host(tmp_path):
    zone = host_support.Host(tmp_path / "host").start()
    yield zone
    zone.stop()


def test_bodies_of_the_host(host):
    """DOCUMENT_BYTES_MAX, REQUEST_BYTES_MAX, HTTP_DISCARD_BYTES_MAX"""
    connection = json.loads((host.folder / "host.json").read_text())
    document = "/v1/contracts/" + "0" * 64
    for method, path, size_max in (("PUT", document, 16 << 20), ("POST", "/v1/jobs", 2 << 20)):
        assert declare(connection["host"], connection["ca"], method, path, size_max + 1, connection["token"]) == 413
    assert declare(connection["host"], connection["ca"], "POST", "/v1/jobs", 1 << 20, connection["token"]) == 400


def test_rooms_of_a_host(host):
    """SCHEDULER_ROOMS_MAX: the seventeenth is turned away."""
    rooms = []
    for _ in range(16):
        rooms.append(socket.socket(socket.AF_UNIX))
        rooms[-1].connect(str(host.folder / "room.sock"))
    with socket.socket(socket.AF_UNIX) as another:
        another.connect(str(host.folder / "room.sock"))
        another.settimeout(20)
        assert another.recv(1) == b""
    assert "room.turned_away" in host.log()
    for room in rooms:
        room.close()


def test_files_of_one_command(host, tmp_path):
    """FILES_MAX of truce-host connect."""
    vault = vault_support.Vault(tmp_path / "vault")
    files = [vault.folder / "courier.json"] * 64
    done = subprocess.run([host_support.HOST, "connect", host.folder, *files, files[0]], capture_output=True, text=True)
    assert done.returncode != 0 and "host.connect.files" in done.stderr


def test_bodies_of_a_vault(tmp_path):
    """VAULT_BODY_BYTES_MAX, ISSUER_FORM_BYTES_MAX"""
    vault = vault_support.Vault(tmp_path / "vault").start()
    try:
        officer = vault.officer()
        token = officer.ask_token().json["access_token"]
        file = officer.file
        create = "/keys/k/create?api-version=7.4"
        assert declare(file["vault"], file["ca"], "POST", create, (256 << 10) + 1, token) == 413
        assert declare(file["vault"], file["ca"], "POST", create, 256 << 10, token) == 400
        form = f'/{file["tenant"]}/oauth2/v2.0/token'
        assert declare(file["vault"], file["ca"], "POST", form, (32 << 10) + 1) == 413
        assert declare(file["vault"], file["ca"], "POST", form, 32 << 10) == 400
    finally:
        vault.stop()


def test_attestation_calls(tmp_path):
    """BODY_BYTES_MAX and SIMULATIONS_MAX of truce-attest."""
    service = test_attest.Service(tmp_path / "attest", [test_attest.new_simulation(tmp_path / "simulation")])
    try:
        ca = service.connection["ca"]
        assert declare(service.url, ca, "POST", "/attest/SevSnpVm?api-version=2022-08-01", (1 << 20) + 1) == 413
        assert declare(service.url, ca, "POST", "/attest/SevSnpVm?api-version=2022-08-01", 1 << 20) == 400
    finally:
        service.process.terminate()
        service.process.wait(timeout=30)
    options = ["--simulation", str(tmp_path / "simulation/simulation.json")] * 17
    done = subprocess.run([test_attest.ATTEST, "init", tmp_path / "more", "--url", "https://localhost:1", *options],
                          capture_output=True, text=True)
    assert done.returncode != 0 and "attest.simulations" in done.stderr
