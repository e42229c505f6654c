"""truce-host with rooms and services of the standard library: jobs, losses, restarts, uploads, refusals."""
import http.client
import json
import secrets
import subprocess
import time

import pytest

from host_support import (HOST, MEASUREMENT, SEGMENT, Agreement, Authority, Gone, Host, Key, Room, Vault, b64u, canonical, run,
                          sign_document, unb64u, when)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def services(tmp_path):
    authority, vault = Authority(tmp_path), Vault(tmp_path)
    yield authority, vault
    authority.stop()
    vault.stop()


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path / "host")
    yield host
    host.stop()


@pytest.fixture
def zone(host, services, keys):
    """A host with services and a complete agreement on it."""
    authority, vault = services
    run(HOST, "connect", host.folder, authority.connection, vault.connection)
    host.start()
    host.authority, host.vault = authority, vault
    host.agreement = Agreement(keys, vault.url, authority.url)
    host.api = host.client()
    host.agreement.upload(host.api)
    return host


def new_run():
    return secrets.token_hex(16)


def ask(zone, **changes):
    name = new_run()
    answer = zone.api.call("POST", "/v1/jobs", zone.agreement.run_request(name, **changes))
    assert answer.status == 202, answer.body
    assert answer.json["state"] in ("queued", "running")
    return name


def serve(zone, room):
    """What a room does with a job."""
    room.take_job()
    kind, token = room.ask_token(zone.authority.url)
    assert kind == "token"
    room.progress("attested", 1, 1)
    kind, release = room.ask_release(zone.vault.url)
    assert kind == "release", release
    room.pull(zone.agreement.dataset)
    room.report(result=b'{"result":"' + room.run.encode() + b'"}')
    return json.loads(token), json.loads(release)


def wait_for(condition, seconds=15):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


# ---- Jobs ----

def test_a_job_is_done(zone):
    room = Room(zone)
    wait_for(lambda: zone.api.call("GET", "/v1/health").json["rooms"] == 1)
    rooms = zone.api.call("GET", "/v1/rooms").json["rooms"]
    assert [row["measurement"] for row in rooms] == [MEASUREMENT]
    name = ask(zone)
    assert zone.api.call("GET", f"/v1/jobs/{name}/result").status == 404
    token, release = serve(zone, room)
    assert token["token"] == "header.claims.signature" and token["jwks"]["keys"][0]["kid"] == "a"
    assert release == {"value": "released.n1.to-header.claims.signature"}
    job = zone.api.wait(name, "done")
    assert (job["query"], job["querier"], job["attempts"]) == ("count", "insurer", 1)
    assert job["contract"] == zone.agreement.digest and "reason" not in job
    assert (job["step"], job["done"], job["total"]) == ("pulled", 1, 1)
    assert zone.api.call("GET", f"/v1/jobs/{name}/result").body == b'{"result":"' + name.encode() + b'"}'
    assert zone.api.call("GET", f"/v1/jobs/{name}/receipt").json == {"type": "receipt-bundle/1", "run": name}
    assert zone.api.call("HEAD", f"/v1/jobs/{name}/result").headers["Content-Length"] == "45"
    second = ask(zone)
    serve(zone, room)
    zone.api.wait(second, "done")
    listed = zone.api.call("GET", f"/v1/jobs?contract={zone.agreement.hex}").json["jobs"]
    assert [row["run"] for row in listed] == [second, name]
    assert zone.api.call("GET", "/v1/jobs?contract=" + "0" * 64).json["jobs"] == []


def test_the_room_gets_the_documents_of_the_contract(zone):
    room = Room(zone)
    ask(zone)
    job = room.take_job()
    agreement = zone.agreement
    assert unb64u(job["contract"]["payload"]) == agreement.payload
    assert len(job["contract"]["signatures"]) == 2
    assert job["grants"] == [json.loads(agreement.grant)]
    assert job["manifests"] == [json.loads(agreement.dataset.manifest)]
    assert job["policies"] == [json.loads(agreement.dataset.policy)]


def test_attestation_is_asked_in_the_form_of_the_real_service(zone):
    room = Room(zone)
    ask(zone)
    room.take_job()
    room.ask_token(zone.authority.url)
    method, path, _, body = zone.authority.calls[0]
    assert (method, path) == ("POST", "/attest/SevSnpVm?api-version=2022-08-01")
    sent = json.loads(body)
    assert sent["runtimeData"] == {"data": "e30", "dataType": "JSON"} and sent["nonce"] == "bm9uY2U"
    report = json.loads(unb64u(sent["report"]))
    assert unb64u(report["SnpReport"]) == bytes(1184)
    chain = unb64u(report["VcekCertChain"]).decode()
    assert chain.count("-----BEGIN CERTIFICATE-----\n") == 2 and "bGVhZg==" in chain
    assert zone.authority.calls[1][:2] == ("GET", "/certs")


def test_the_credential_is_fetched_after_the_challenge_and_kept(zone):
    room = Room(zone)
    ask(zone)
    room.take_job()
    assert room.ask_release(zone.vault.url)[0] == "release"
    assert room.ask_release(zone.vault.url)[0] == "release"
    calls = [(path.split("?")[0].rsplit("/", 1)[1], "Authorization" in headers, len(body) > 0)
             for _, path, headers, body in zone.vault.calls]
    # First without a token and without a body: nothing is sent before the challenge is judged.
    assert calls == [("release", False, False), ("token", False, True), ("release", True, True), ("release", True, True)]
    zone.vault.token = "another"  # the vault forgets ours
    assert room.ask_release(zone.vault.url)[0] == "release"
    assert zone.vault.tokens == 2


@pytest.mark.parametrize("frame, state, reason", [
    (("refused", {"code": "untrusted", "why": "room.contract", "where": "bureau"}), "refused", "room.contract (bureau)"),
    (("refused", {"code": "denied", "why": "room.revoked", "where": ""}), "refused", "room.revoked"),
    (("failed", {}), "failed", "query.failed"),
])
def test_an_outcome_is_final(zone, frame, state, reason):
    room = Room(zone)
    name = ask(zone)
    room.take_job()
    room.send(frame[0], {"run": name, **frame[1]})
    job = zone.api.wait(name, state)
    assert job["reason"] == reason and job["attempts"] == 1
    assert zone.api.call("GET", f"/v1/jobs/{name}/receipt").status == 404
    other = ask(zone)
    serve(zone, room)  # the room goes on, and the ended job never comes back
    assert room.run == other
    zone.api.wait(other, "done")
    assert zone.api.job(name)["state"] == state


def test_a_refusal_without_a_run_is_that_of_the_job(zone):
    room = Room(zone)
    name = ask(zone)
    room.take_job()
    room.send("refused", {"run": "", "code": "invalid", "why": "json.syntax", "where": ""})
    assert zone.api.wait(name, "refused")["reason"] == "json.syntax"


def test_a_refusal_says_what_the_courier_could_not_get(zone):
    zone.vault.denied = True
    room = Room(zone)
    name = ask(zone)
    room.take_job()
    assert room.ask_release(zone.vault.url)[0] == "unavailable"
    room.send("refused", {"run": name, "code": "unavailable", "why": "link.unavailable", "where": "bureau"})
    assert zone.api.wait(name, "refused")["reason"] == "link.unavailable (bureau): courier.vault.refused"


def test_another_room_takes_over(zone):
    first = Room(zone)
    name = ask(zone)
    first.take_job()
    first.ask_token(zone.authority.url)
    first.close()
    job = zone.api.wait(name, "queued")
    assert job["reason"] == "room.lost" and job["attempts"] == 1
    serve(zone, Room(zone))
    assert zone.api.wait(name, "done")["attempts"] == 2


def test_a_room_lost_with_its_result_loses_no_job(zone):
    first = Room(zone)
    name = ask(zone)
    first.take_job()
    first.send("result", b"half an outcome")
    first.close()
    zone.api.wait(name, "queued")
    serve(zone, Room(zone))
    zone.api.wait(name, "done")
    assert b"half" not in zone.api.call("GET", f"/v1/jobs/{name}/result").body


def test_attempts_are_bounded(zone):
    name = ask(zone)
    for _ in range(3):
        room = Room(zone)
        room.take_job()
        room.close()
    job = zone.api.wait(name, "failed")
    assert job["reason"] == "room.lost" and job["attempts"] == 3
    idle = Room(zone)
    idle.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        idle.receive()


def test_a_killed_host_loses_no_job(zone):
    room = Room(zone)
    names = [ask(zone), ask(zone)]
    room.take_job()
    room.ask_token(zone.authority.url)
    zone.kill()
    assert room.is_gone()
    zone.start()
    assert {zone.api.job(name)["state"] for name in names} == {"queued"}
    assert zone.api.job(names[0])["reason"] == "host.restarted"
    room = Room(zone)
    for _ in names:
        serve(zone, room)
    for name in names:
        zone.api.wait(name, "done")


def test_a_stopped_host_lets_a_room_finish(zone):
    room = Room(zone)
    name = ask(zone)
    room.take_job()
    zone.process.terminate()
    time.sleep(0.3)
    room.report(result=b'{"in":"time"}')
    zone.stop()
    zone.start()
    assert zone.api.job(name)["state"] == "done"
    assert zone.api.call("GET", f"/v1/jobs/{name}/result").body == b'{"in":"time"}'


def test_two_rooms_work_at_once(zone):
    rooms = [Room(zone), Room(zone)]
    names = [ask(zone), ask(zone)]
    for room in rooms:
        room.take_job()
    assert {room.run for room in rooms} == set(names)
    assert zone.api.call("GET", "/v1/health").json["running"] == 2
    for room in rooms:
        room.report()
    for name in names:
        zone.api.wait(name, "done")


def test_a_room_gets_only_what_it_may_run(zone):
    name = ask(zone)
    wrong = Room(zone, measurement="cd" * 48)
    wrong.socket.settimeout(1.5)
    with pytest.raises(TimeoutError):
        wrong.receive()
    assert zone.api.job(name)["state"] == "queued"
    serve(zone, Room(zone))
    zone.api.wait(name, "done")


def test_a_silent_room_is_ended_at_its_deadline(host, services, keys):
    authority, vault = services
    run(HOST, "connect", host.folder, authority.connection, vault.connection)
    host.configure(job_extra_ms=500, attempts_max=1)
    host.start()
    agreement = Agreement(keys, vault.url, authority.url, plain_sizes=(100,), seconds=1)
    api = host.client()
    agreement.upload(api)
    room = Room(host)
    name = new_run()
    assert api.call("POST", "/v1/jobs", agreement.run_request(name)).status == 202
    room.take_job()
    assert room.is_gone()
    assert api.wait(name, "failed")["reason"] == "room.deadline"


def test_a_lease_outlives_its_time_while_the_room_works(zone):
    room = Room(zone)
    name = ask(zone)
    room.take_job()
    time.sleep(6)  # leases are of 4 s
    room.report()
    assert zone.api.wait(name, "done")["attempts"] == 1


# ---- Asking for runs ----

def test_the_same_request_again_gives_its_state(zone):
    name = new_run()
    request = zone.agreement.run_request(name)
    assert zone.api.call("POST", "/v1/jobs", request).status == 202
    assert zone.api.call("POST", "/v1/jobs", request).status == 200
    again = zone.api.call("POST", "/v1/jobs", zone.agreement.run_request(name, not_after=when(900)))
    assert (again.status, again.why) == (409, "queue.run.used")
    serve(zone, Room(zone))
    zone.api.wait(name, "done")
    assert zone.api.call("POST", "/v1/jobs", request).json["state"] == "done"


@pytest.mark.parametrize("changes, status, why", [
    ({"signer": "bureau"}, 403, "jws.signature"),
    ({"querier": "bureau", "signer": "bureau"}, 403, "run.querier"),
    ({"query": "other"}, 404, "contract.query.unknown"),
    ({"recipients": ["bureau"]}, 403, "run.recipient"),
    ({"not_after": when(-10)}, 403, "run.expired"),
    ({"contract": "sha256:" + "0" * 64}, 404, "workflow.contract.missing"),
    ({"parameters": {"x": "1"}}, 400, "run.parameter.unknown"),
    ({"strange": 1}, 400, "json.member.unknown"),
])
def test_a_wrong_request_is_refused_early(zone, changes, status, why):
    answer = zone.api.call("POST", "/v1/jobs", zone.agreement.run_request(new_run(), **changes))
    assert (answer.status, answer.why) == (status, why), answer.body
    assert zone.api.call("GET", "/v1/health").json["queued"] == 0


def test_a_run_waits_for_its_documents(host, services, keys):
    host.start()
    api = host.client()
    agreement = Agreement(keys, plain_sizes=(100,))
    data = agreement.dataset

    def refused(why, status=404):
        answer = api.call("POST", "/v1/jobs", agreement.run_request(new_run()))
        assert (answer.status, answer.why) == (status, why), answer.body

    refused("workflow.contract.missing")
    api.call("PUT", f"/v1/contracts/{agreement.hex}", agreement.contract("bureau"))
    refused("contract.signature.missing")
    api.call("PUT", f"/v1/contracts/{agreement.hex}", agreement.contract("insurer"))
    refused("dossier.grant.missing")
    api.call("PUT", f"/v1/contracts/{agreement.hex}/grants/bureau", agreement.grant)
    refused("dossier.manifest.missing")
    api.call("PUT", data.path + "/manifest", data.manifest)
    refused("dossier.policy.missing")
    api.call("PUT", data.path + "/policy", data.policy)
    refused("dossier.part.missing")
    api.call("PUT", f"{data.path}/parts/0/sealed", data.parts[0]["octets"])
    refused("dossier.part.missing")
    api.call("PUT", f"{data.path}/parts/0/leaves", data.parts[0]["leaves"])
    assert api.call("POST", "/v1/jobs", agreement.run_request(new_run())).status == 202


def test_a_revocation_empties_the_queue(zone):
    name = ask(zone)
    agreement = zone.agreement
    path = f"/v1/contracts/{agreement.hex}/revocations"
    payload = canonical({"type": "revocation/1", "contract": agreement.digest, "party": "bureau", "time": when()})
    stranger = sign_document(payload, "truce-revocation+jws", [agreement.keys["insurer"]])
    assert zone.api.call("POST", path, stranger).status == 403
    assert zone.api.job(name)["state"] == "queued"
    revocation = sign_document(payload, "truce-revocation+jws", [agreement.keys["bureau"]])
    assert zone.api.call("POST", path, revocation).status == 201
    job = zone.api.job(name)
    assert (job["state"], job["reason"]) == ("refused", "contract.revoked")
    again = zone.api.call("POST", "/v1/jobs", agreement.run_request(new_run()))
    assert (again.status, again.why) == (403, "contract.revoked")
    assert zone.api.call("GET", "/v1/contracts").json["contracts"][0]["revoked"] is True


# ---- Documents ----

def test_signatures_of_a_contract_are_merged(host, keys):
    host.start()
    api = host.client()
    agreement = Agreement(keys, plain_sizes=(100,))
    path = f"/v1/contracts/{agreement.hex}"
    first = api.call("PUT", path, agreement.contract("insurer"))
    assert (first.status, first.json["signed"], first.json["missing"]) == (201, ["insurer"], ["bureau"])
    second = api.call("PUT", path, agreement.contract("bureau"))
    assert (second.status, second.json["signed"], second.json["missing"]) == (200, ["bureau", "insurer"], [])
    third = api.call("PUT", path, agreement.contract("insurer"))
    assert third.json["missing"] == [] and len(api.call("GET", path).json["signatures"]) == 2
    listed = api.call("GET", "/v1/contracts").json["contracts"]
    assert [(row["contract"], row["title"]) for row in listed] == [(agreement.digest, "Flights by state")]
    assert api.call("GET", "/v1/contracts/" + "0" * 64).status == 404


def test_wrong_contracts_are_refused(host, keys, tmp_path):
    host.start()
    api = host.client()
    agreement = Agreement(keys, plain_sizes=(100,))

    def refused(document, status, why, path=f"/v1/contracts/{agreement.hex}"):
        answer = api.call("PUT", path, document)
        assert (answer.status, answer.why) == (status, why), answer.body

    good = json.loads(agreement.contract("insurer"))
    refused(b"{", 400, "json.syntax")
    assert api.call("PUT", f"/v1/contracts/{agreement.hex}", canonical({**good, "signatures": []})).status == 400
    refused(canonical(good), 400, "workflow.contract.other_digest", "/v1/contracts/" + "0" * 64)
    stranger = sign_document(agreement.payload, "truce-contract+jws", [agreement.keys["insurer"], Key(tmp_path, "stranger")],
                             lambda key: {"explain": agreement.explain})
    answer = api.call("PUT", f"/v1/contracts/{agreement.hex}", stranger)
    assert answer.status in (400, 403) and "stranger" in answer.why
    broken = json.loads(agreement.contract("insurer"))
    signature = bytearray(unb64u(broken["signatures"][0]["signature"]))
    signature[40] ^= 1
    broken["signatures"][0]["signature"] = b64u(signature)
    assert api.call("PUT", f"/v1/contracts/{agreement.hex}", canonical(broken)).status == 403
    assert api.call("GET", "/v1/contracts").json["contracts"] == []


def test_wrong_grants_are_refused(host, keys):
    host.start()
    api = host.client()
    agreement = Agreement(keys, plain_sizes=(100,))
    path = f"/v1/contracts/{agreement.hex}/grants"
    assert api.call("PUT", f"{path}/bureau", agreement.grant).status == 404
    api.call("PUT", f"/v1/contracts/{agreement.hex}", agreement.contract("insurer"))
    forged = sign_document(agreement.grant_payload, "truce-grant+jws", [agreement.keys["insurer"]])
    assert api.call("PUT", f"{path}/bureau", forged).status == 403
    answer = api.call("PUT", f"{path}/insurer", agreement.grant)
    assert (answer.status, answer.why) == (400, "workflow.grant.other_owner")
    assert api.call("PUT", f"{path}/bureau", agreement.grant).status == 201
    assert api.call("GET", f"{path}/bureau").body == agreement.grant
    assert api.call("PUT", f"{path}/..%2fbureau", agreement.grant).status == 400


def test_a_version_is_written_once(host, keys):
    host.start()
    api = host.client()
    agreement, other = Agreement(keys, plain_sizes=(100,)), Agreement(keys, plain_sizes=(100,), salt=b"other")
    data = agreement.dataset
    assert api.call("HEAD", data.path + "/manifest").status == 404
    assert api.call("PUT", data.path + "/manifest", data.manifest).status == 201
    assert api.call("PUT", data.path + "/manifest", data.manifest).status == 200
    answer = api.call("PUT", data.path + "/manifest", other.dataset.manifest)
    assert (answer.status, answer.why) == (409, "storage.object.exists")
    assert api.call("GET", data.path + "/manifest").body == data.manifest
    answer = api.call("PUT", "/v1/datasets/bureau/flights/2/manifest", data.manifest)
    assert (answer.status, answer.why) == (400, "workflow.manifest.other_dataset")
    answer = api.call("PUT", "/v1/datasets/bureau/others/1/policy", data.policy)
    assert (answer.status, answer.why) == (400, "workflow.policy.other_dataset")
    assert api.call("GET", "/v1/datasets/bureau/..%2f..%2fhost/1/manifest").status == 400


# ---- Parts ----

@pytest.fixture
def parts(host, keys):
    host.start()
    host.api = host.client()
    host.agreement = Agreement(keys, plain_sizes=(200000, 100))
    data = host.agreement.dataset
    answer = host.api.call("PUT", f"{data.path}/parts/0/sealed", data.parts[0]["octets"])
    assert (answer.status, answer.why) == (404, "workflow.manifest.missing")
    assert host.api.call("PUT", data.path + "/manifest", data.manifest).status == 201
    host.sealed = f"{data.path}/parts/0/sealed"
    host.octets = data.parts[0]["octets"]
    host.leaves = data.parts[0]["leaves"]
    return host


def put_range(host, first, last, octets=None, total=None):
    octets = host.octets[first:last + 1] if octets is None else octets
    return host.api.call("PUT", host.sealed, octets,
                         Content_Range=f"bytes {first}-{last}/{len(host.octets) if total is None else total}")


def test_an_upload_goes_on_after_a_kill(parts):
    assert parts.api.call("HEAD", parts.sealed).status == 404
    answer = put_range(parts, 0, 99999)
    assert (answer.status, answer.json) == (202, {"stored": 100000, "size": len(parts.octets)})
    parts.kill()
    parts.start()
    head = parts.api.call("HEAD", parts.sealed)
    assert (head.status, head.headers["Upload-Offset"], head.headers["Upload-Length"]) == \
        (202, "100000", str(len(parts.octets)))
    assert parts.api.call("GET", parts.sealed).status == 404
    assert put_range(parts, 100000, len(parts.octets) - 1).status == 201
    head = parts.api.call("HEAD", parts.sealed)
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(parts.octets)))
    assert parts.api.call("GET", parts.sealed).body == parts.octets
    piece = parts.api.call("GET", parts.sealed, Range="bytes=65536-65545")
    assert (piece.status, piece.body) == (206, parts.octets[65536:65546])
    assert piece.headers["Content-Range"] == f"bytes 65536-65545/{len(parts.octets)}"
    assert parts.api.call("GET", parts.sealed, Range=f"bytes={len(parts.octets)}-").status == 416


def test_an_upload_that_breaks_keeps_what_arrived(parts):
    connection = http.client.HTTPSConnection(parts.api.url.hostname, parts.api.url.port, context=parts.api.context)
    connection.putrequest("PUT", parts.sealed)
    connection.putheader("Authorization", f"Bearer {parts.api.token}")
    connection.putheader("Content-Length", str(len(parts.octets)))
    connection.endheaders()
    connection.send(parts.octets[:150000])
    time.sleep(0.5)
    busy = parts.api.call("PUT", parts.sealed, parts.octets)
    assert (busy.status, busy.why) == (409, "storage.upload.busy")
    connection.sock.close()
    connection.close()

    def stored():
        head = parts.api.call("HEAD", parts.sealed)
        return head.status == 202 and int(head.headers["Upload-Offset"]) == 150000
    wait_for(stored)

    def resumed():
        return put_range(parts, 150000, len(parts.octets) - 1).status == 201
    wait_for(resumed)
    assert parts.api.call("GET", parts.sealed).body == parts.octets


def test_parts_are_what_the_manifest_says(parts):
    def refused(answer, status, why):
        assert (answer.status, answer.why) == (status, why), answer.body

    refused(parts.api.call("PUT", parts.sealed, parts.octets + b"x"), 400, "workflow.part.size")
    refused(parts.api.call("PUT", parts.sealed, parts.octets[:-1]), 400, "workflow.part.size")
    refused(put_range(parts, 0, 9, total=10), 400, "workflow.part.size")
    refused(put_range(parts, 0, 9, octets=b"123"), 400, "workflow.part.size")
    refused(put_range(parts, 5, 9), 409, "storage.upload.gap")
    refused(parts.api.call("PUT", parts.sealed, b"x", Content_Range="bytes nonsense"), 400, "http.content_range")
    refused(parts.api.call("PUT", parts.sealed.replace("/0/", "/7/"), b"x"), 404, "workflow.part.not_in_manifest")
    refused(parts.api.call("PUT", parts.sealed.replace("/0/", "/70000/"), b"x"), 400, "storage.name.part")
    changed = bytearray(parts.octets)
    changed[70000] ^= 1
    refused(parts.api.call("PUT", parts.sealed, bytes(changed)), 400, "workflow.part.root")
    assert parts.api.call("HEAD", parts.sealed).status == 404
    leaves = parts.sealed.replace("sealed", "leaves")
    refused(parts.api.call("PUT", leaves, parts.leaves[32:] + parts.leaves[:32]), 400, "workflow.part.root")
    assert parts.api.call("PUT", leaves, parts.leaves).status == 201
    assert parts.api.call("PUT", parts.sealed, parts.octets).status == 201
    assert parts.api.call("PUT", parts.sealed, parts.octets).status == 200
    refused(parts.api.call("PUT", parts.sealed, bytes(changed)), 409, "storage.object.exists")
    assert parts.api.call("GET", parts.sealed).body == parts.octets


def test_a_full_storage_says_so_and_goes_on(host, keys):
    host.configure(storage_bytes_max=150000)
    host.start()
    api = host.client()
    data = Agreement(keys).dataset
    assert api.call("PUT", data.path + "/manifest", data.manifest).status == 201
    answer = api.call("PUT", f"{data.path}/parts/0/sealed", data.parts[0]["octets"])
    assert (answer.status, answer.why) == (413, "storage.full")
    kept = int(api.call("HEAD", f"{data.path}/parts/0/sealed").headers["Upload-Offset"])
    assert 0 < kept < 150000
    host.stop()
    host.configure(storage_bytes_max=10000000)
    host.start()
    octets = data.parts[0]["octets"]
    answer = api.call("PUT", f"{data.path}/parts/0/sealed", octets[kept:],
                      Content_Range=f"bytes {kept}-{len(octets) - 1}/{len(octets)}")
    assert answer.status == 201


# ---- Who may call ----

def test_every_call_needs_the_token(host):
    host.start()
    api = host.client()
    examples = {"owner": "bureau", "name": "flights", "version": "1", "part": "0", "contract": "0" * 64, "run": "0" * 32}
    count = 0
    for pattern, item in api.description["paths"].items():
        path = pattern
        for name, value in examples.items():
            path = path.replace("{" + name + "}", value)
        for method, operation in item.items():
            if operation.get("security") == []:
                continue
            body = b"{}" if method in ("put", "post") else None
            for token in ("", "wrong", api.token[:-1], api.token + "x"):
                assert api.call(method.upper(), path, body, token=token).status == 401, (method, path)
            count += 1
    assert count == 28
    assert api.call("GET", "/v1/openapi.json", token="").status == 200
    assert api.send("GET", "/v1/nothing", None, {"Authorization": f"Bearer {api.token}"}).status == 404
    assert api.send("DELETE", "/v1/jobs", None, {"Authorization": f"Bearer {api.token}"}).status == 405


# ---- The courier ----

def working_room(zone):
    room = Room(zone)
    ask(zone)
    room.take_job()
    return room


def test_only_connected_services_are_spoken_to(zone, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    stranger = Vault(other)
    room = working_room(zone)
    for url in (stranger.url, "https://169.254.169.254", "file:///etc/passwd", zone.vault.url + "/x", "", zone.authority.url):
        assert room.ask_release(url) == ("unavailable", b'{"reason":"courier.vault.unknown"}')
    for url in (stranger.url, "http://localhost", zone.vault.url, zone.authority.url + "@evil"):
        assert room.ask_token(url) == ("unavailable", b'{"reason":"courier.authority.unknown"}')
    assert room.ask_release(zone.vault.url, party="insurer") == ("unavailable", b'{"reason":"courier.vault.unknown"}')
    assert stranger.calls == [] and zone.vault.calls == [] and zone.authority.calls == []
    stranger.stop()


@pytest.mark.parametrize("attribute, value", [
    ("authorization", "https://login.evil.example/tenant"),
    ("authorization", ""),
    ("resource", "https://evil.example"),
    ("resource", "https://host"),
])
def test_a_foreign_challenge_gets_no_credential(zone, attribute, value):
    setattr(zone.vault, attribute, value)
    room = working_room(zone)
    assert room.ask_release(zone.vault.url) == ("unavailable", b'{"reason":"courier.vault.challenge"}')
    assert [len(body) for _, _, _, body in zone.vault.calls] == [0]


@pytest.mark.parametrize("changes", [
    {"key": "../x"}, {"key": ""}, {"version": "1/2"}, {"version": "0?x=1"}, {"extra": "x"}, {"token": 1},
])
def test_strange_requests_go_nowhere(zone, changes):
    room = working_room(zone)
    assert room.ask_release(zone.vault.url, **changes) == ("unavailable", b'{"reason":"courier.request"}')
    assert zone.vault.calls == []


def test_passing_failures_are_repeated(zone):
    zone.vault.failures = [503, 429]
    zone.authority.failures = [500]
    room = working_room(zone)
    assert room.ask_token(zone.authority.url)[0] == "token"
    assert room.ask_release(zone.vault.url)[0] == "release"


def test_repetition_is_bounded(zone):
    room = working_room(zone)
    zone.vault.failures = [503] * 99
    assert room.ask_release(zone.vault.url) == ("unavailable", b'{"reason":"courier.vault.unreachable"}')
    assert len(zone.vault.calls) == 4
    zone.authority.failures = [503] * 99
    assert room.ask_token(zone.authority.url) == ("unavailable", b'{"reason":"courier.authority.unreachable"}')
    assert len(zone.authority.calls) == 4


def test_refusals_are_not_repeated(zone):
    zone.vault.denied = True
    room = working_room(zone)
    assert room.ask_release(zone.vault.url) == ("unavailable", b'{"reason":"courier.vault.refused"}')
    assert len(zone.vault.calls) == 3  # challenge, credential, refusal
    zone.vault.denied = False
    assert room.ask_release(zone.vault.url, key="another") == ("unavailable", b'{"reason":"courier.vault.key"}')
    zone.authority.failures = [400]
    assert room.ask_token(zone.authority.url) == ("unavailable", b'{"reason":"courier.authority.refused"}')
    assert room.ask_token(zone.authority.url, evidence={**Room.evidence, "family": "tdx"}) == \
        ("unavailable", b'{"reason":"courier.evidence.family"}')


def test_a_service_with_another_certificate_is_not_spoken_to(zone, tmp_path):
    connection = json.loads(zone.vault.connection.read_text())
    connection["ca"] = zone.authority.ca
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(connection))
    run(HOST, "connect", zone.folder, file)
    zone.stop()
    zone.start()
    room = working_room(zone)
    assert room.ask_release(zone.vault.url)[0] == "unavailable"
    assert zone.vault.calls == []


def test_a_vault_connected_later_is_found(host, services, keys):
    authority, vault = services
    host.start()
    host.agreement = Agreement(keys, vault.url, authority.url, plain_sizes=(100,))
    host.api = host.client()
    host.agreement.upload(host.api)
    room = working_room(host)
    assert room.ask_release(vault.url) == ("unavailable", b'{"reason":"courier.vault.unknown"}')
    run(HOST, "connect", host.folder, vault.connection)
    assert room.ask_release(vault.url)[0] == "release"


@pytest.mark.parametrize("change, why", [
    ({"type": "connection/vault/1"}, "connection.type"),
    ({"vault": "http://localhost"}, "connection.url"),
    ({"vault": "https://user@localhost"}, "connection.url"),
    ({"authority": "file:///x"}, "connection.url"),
    ({"party": "../x"}, "connection.name"),
    ({"tenant": "a/b"}, "connection.tenant"),
    ({"client_secret": 1}, "json.member.not_text"),
    ({"more": 1}, "json.member.unknown"),
])
def test_connection_files_are_judged(host, services, tmp_path, change, why):
    _, vault = services
    file = tmp_path / "changed.json"
    file.write_text(json.dumps({**json.loads(vault.connection.read_text()), **change}))
    refused = run(HOST, "connect", host.folder, file, check=False)
    assert refused.returncode >= 10 and why in refused.stderr
    assert list((host.folder / "connections").iterdir()) == []


# ---- The protocol ----

def strange_frames():
    """Name, and what a room in the middle of a job sends: each ends the connection."""
    data = {"dataset": "bureau/flights", "version": 1, "part": 0}
    return {
        "a second ready": lambda room: room.send("ready", {}),
        "a message of the host": lambda room: room.send("job", {}),
        "an unknown kind": lambda room: room.frame(99, b""),
        "kind zero": lambda room: room.frame(0, b""),
        "reserved bits": lambda room: room.frame("progress", b"{}", reserved=1),
        "too large": lambda room: room.frame("progress", b"", size=4097),
        "far too large": lambda room: room.frame("result", b"", size=2**32 - 1),
        "receipt before result": lambda room: room.send("receipt", {}),
        "two results": lambda room: (room.send("result", b"1"), room.send("result", b"2")),
        "a request after the result": lambda room: (room.send("result", b"1"), room.send("leaves_request", data, 9)),
        "a request with number zero": lambda room: room.send("leaves_request", data, 0),
        "an old number": lambda room: (room.ask("leaves_request", data), room.send("leaves_request", data, room.exchange)),
        "no JSON": lambda room: room.send("leaves_request", b"{", 9),
        "too many segments": lambda room: room.send("segments_request", {**data, "first": 0, "count": 65}, 9),
        "no segments": lambda room: room.send("segments_request", {**data, "first": 0, "count": 0}, 9),
        "a strange dataset": lambda room: room.send("leaves_request", {**data, "dataset": "../../etc/passwd"}, 9),
        "a strange member": lambda room: room.send("leaves_request", {**data, "more": 1}, 9),
        "progress of another run": lambda room: room.send("progress", {"run": "0" * 32, "step": "a", "done": 0, "total": 0}),
        "a strange step": lambda room: room.send("progress", {"run": room.run, "step": "a b\n", "done": 0, "total": 0}),
        "a refusal of another run": lambda room: room.send("refused", {"run": "0" * 32, "code": "", "why": "", "where": ""}),
        "a failure with words": lambda room: room.send("failed", {"run": room.run, "why": "a cell"}),
        "a receipt that is no object": lambda room: (room.send("result", b"1"), room.send("receipt", b"[]")),
    }


@pytest.mark.parametrize("name", strange_frames())
def test_a_room_that_breaks_the_protocol_is_disconnected(strange_zone, name):
    zone = strange_zone
    room = Room(zone)
    asked = ask(zone)
    room.take_job()
    try:
        strange_frames()[name](room)
    except Gone:
        pass
    assert room.is_gone()
    assert zone.api.wait(asked, "queued")["attempts"] == 1
    room = Room(zone)
    room.take_job()
    room.report()
    zone.api.wait(asked, "done")


@pytest.fixture(scope="module")
def strange_zone(tmp_path_factory, keys):
    folder = tmp_path_factory.mktemp("strange")
    host = Host(folder / "host").start()
    host.agreement = Agreement(keys, plain_sizes=(100,))
    host.api = host.client()
    host.agreement.upload(host.api)
    yield host
    host.stop()


def test_a_room_without_a_greeting_is_no_room(strange_zone):
    for payload in (b"", b"{}", b'{"measurement":"zz","type":"sim","runtime_data":"e30","evidence":{}}'):
        room = Room(strange_zone, announce=False)
        room.send("ready", payload)
        assert room.is_gone()
    room = Room(strange_zone, announce=False)
    room.send("progress", {})
    assert room.is_gone()
    room = Room(strange_zone)
    room.send("progress", {"run": "0" * 32, "step": "a", "done": 0, "total": 0})  # idle: nothing to say
    assert room.is_gone()
    assert strange_zone.api.call("GET", "/v1/health").json["rooms"] == 0


def test_data_that_is_not_there_is_unavailable(strange_zone):
    room = working_room(strange_zone)
    data = {"dataset": "bureau/flights", "version": 1, "part": 0}
    missing = ("unavailable", b'{"reason":"storage.object.missing"}')
    assert room.ask("leaves_request", {**data, "version": 2}) == missing
    assert room.ask("leaves_request", {**data, "part": 1}) == missing
    assert room.ask("segments_request", {**data, "dataset": "bureau/other", "first": 0, "count": 1}) == missing
    assert room.ask("segments_request", {**data, "first": 1, "count": 1}) == \
        ("unavailable", b'{"reason":"storage.object.range"}')
    kind, octets = room.ask("segments_request", {**data, "first": 0, "count": 64})
    assert (kind, octets) == ("segments", strange_zone.agreement.dataset.parts[0]["octets"])
    room.report()


# ---- What is written down ----

def test_traces_of_equal_shape_are_equal(tmp_path, keys):
    traces = []
    for salt in (b"one", b"two"):
        folder = tmp_path / salt.decode()
        folder.mkdir()
        authority, vault = Authority(folder), Vault(folder)
        host = Host(folder / "host")
        run(HOST, "connect", host.folder, authority.connection, vault.connection)
        host.start()
        host.authority, host.vault, host.api = authority, vault, host.client()
        host.agreement = Agreement(keys, vault.url, authority.url, plain_sizes=(200000, 70000), salt=salt)
        host.agreement.upload(host.api)
        name = ask(host)
        serve(host, Room(host))
        host.api.wait(name, "done")
        host.stop()
        authority.stop()
        vault.stop()
        traces.append(host.trace.read_text())
    lines = traces[0].splitlines()
    assert lines[0].startswith("room ready ") and lines[1].startswith("host job ")
    asked = canonical({"dataset": "bureau/flights", "version": 1, "part": 0, "first": 0, "count": 2})
    assert f"room segments_request {len(asked)} dataset=bureau/flights version=1 part=0 first=0 count=2" in lines
    assert f"host segments {2 * SEGMENT}" in lines
    assert lines[-2].startswith("room result ") and lines[-1].startswith("room receipt ")
    # A contract's digest has one length, a port has not: only the documents that name URLs may differ by it.
    assert traces[0].count("\n") == traces[1].count("\n")
    for one, two in zip(*(trace.splitlines() for trace in traces)):
        named = one.split()[1] in ("job", "token_request", "release_request")
        assert one == two or (named and abs(int(one.split()[2]) - int(two.split()[2])) <= 8)


def test_the_log_has_steps_and_no_payloads(zone):
    room = Room(zone)
    name = ask(zone)
    serve(zone, room)
    zone.api.wait(name, "done")
    log = zone.log()
    for event in ("host.started", "part.stored", "job.queued", "room.connected", "job.started", "courier.token",
                  "courier.release", "job.finished"):
        assert f" {event} " in log, event
    assert name in log
    canaries = [zone.api.token, "a secret", "access-1", "header.claims", "released.n1", zone.agreement.keys["bureau"].kid,
                json.loads(zone.agreement.grant)["payload"][:40], "Flights by state"]
    for canary in canaries:
        assert canary not in log, canary
    files = [path for path in zone.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert files == []


# ---- The program ----

def test_the_program_explains_itself(tmp_path):
    helped = run(HOST, "--help")
    assert "truce-host connect" in helped.stdout
    for words in ((), ("init",), ("init", tmp_path / "x"), ("nothing", tmp_path), ("connect", tmp_path),
                  ("serve", tmp_path, "--strange", "1")):
        assert run(HOST, *words, check=False).returncode == 2, words
    assert run(HOST, "serve", tmp_path / "missing", check=False).returncode >= 10


def test_a_folder_is_used_once(host):
    again = run(HOST, "init", host.folder, "--url", "https://localhost", check=False)
    assert again.returncode >= 10 and "setup.folder.used" in again.stderr
    host.start()
    second = run(HOST, "serve", host.folder, check=False)
    assert second.returncode >= 10 and "host.folder.in_use" in second.stderr


def test_the_port_file_names_the_port(tmp_path):
    folder = tmp_path / "host"
    run(HOST, "init", folder, "--url", "https://localhost", "--listen", "127.0.0.1:0")
    with subprocess.Popen([HOST, "serve", folder, "--port-file", tmp_path / "port"], stdout=subprocess.PIPE,
                          text=True) as process:
        line = process.stdout.readline().strip()
        assert line == "listening https://localhost:" + (tmp_path / "port").read_text().strip()
        process.terminate()
