// Microsoft's own Key Vault client against a running truce-vault. Usage: node keys.js VAULT.json COURIER.json ORDERS.json
// ORDERS: {"policy": release policy, "token": attestation token}. Prints what happened as one JSON object; every value that matters is
// asserted here, because the client itself accepts almost any answer.
import assert from "node:assert/strict";
import { createHash, createPublicKey, publicEncrypt, verify, constants } from "node:crypto";
import { readFileSync } from "node:fs";
import { ClientSecretCredential } from "@azure/identity";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";

const [officerFile, courierFile, ordersFile] = process.argv.slice(2);
const officer = JSON.parse(readFileSync(officerFile, "utf8"));
const courier = JSON.parse(readFileSync(courierFile, "utf8"));
const orders = JSON.parse(readFileSync(ordersFile, "utf8"));
const quick = { retryOptions: { maxRetries: 0 } };

function credentialOf(file, secret = file.client_secret) {
  return new ClientSecretCredential(file.tenant, file.client_id, secret, {
    authorityHost: file.authority,
    disableInstanceDiscovery: true,
    ...quick,
  });
}

function clientOf(file, credential = credentialOf(file)) {
  // "localhost" is not a subdomain of the challenge's resource, which the client would insist on.
  return new KeyClient(file.vault, credential, { disableChallengeResourceVerification: true, ...quick });
}

async function refused(promise, status, code) {
  const error = await promise.then(() => assert.fail("was not refused"), (error) => error);
  assert.equal(error.statusCode, status, error.message);
  assert.equal(error.code, code);
  return error;
}

async function collect(pages) {
  const found = [];
  for await (const item of pages) {
    found.push(item);
  }
  return found;
}

const credential = credentialOf(officer);
const client = clientOf(officer, credential);
const crypto = (key) =>
  new CryptographyClient(key.id, credential, { disableChallengeResourceVerification: true, ...quick });
const steps = [];

async function step(name, action) {
  await action();
  steps.push(name);
}

const expiresOn = new Date("2035-01-01T00:00:00Z");
const encodedPolicy = Buffer.from(JSON.stringify(orders.policy));

await step("create with release policy", async () => {
  const key = await client.createRsaKey("sdk-release", {
    keySize: 3072,
    exportable: true,
    expiresOn,
    tags: { purpose: "test" },
    releasePolicy: { encodedPolicy, immutable: true },
  });
  assert.equal(key.name, "sdk-release");
  assert.equal(key.keyType, "RSA");
  assert.equal(key.key.n.length, 384);
  assert.equal(key.properties.exportable, true);
  assert.equal(key.properties.enabled, true);
  assert.equal(key.properties.expiresOn.getTime(), expiresOn.getTime());
  assert.deepEqual(key.properties.tags, { purpose: "test" });
  assert.equal(key.properties.releasePolicy.immutable, true);
  assert.deepEqual(Buffer.from(key.properties.releasePolicy.encodedPolicy), encodedPolicy);
  assert.match(key.properties.version, /^[0-9a-f]{32}$/);
  assert.equal(key.properties.vaultUrl, officer.vault);
});

await step("get", async () => {
  const latest = await client.getKey("sdk-release");
  const version = await client.getKey("sdk-release", { version: latest.properties.version });
  assert.equal(latest.id, version.id);
  assert.ok(latest.properties.createdOn instanceof Date);
  await refused(client.getKey("sdk-nothing"), 404, "KeyNotFound");
});

await step("refusals of create", async () => {
  await refused(client.createRsaKey("sdk-no", { exportable: true }), 400, "BadParameter");
  await refused(client.createRsaKey("sdk-no", { hsm: true }), 400, "BadParameter");
  await refused(client.createEcKey("sdk-no", { curve: "P-384" }), 400, "BadParameter");
});

await step("update", async () => {
  const key = await client.getKey("sdk-release");
  const update = await client.updateKeyProperties("sdk-release", key.properties.version, { enabled: false, tags: { a: "b" } });
  assert.equal(update.properties.enabled, false);
  assert.deepEqual(update.properties.tags, { a: "b" });
  await refused(clientOf(courier).releaseKey("sdk-release", orders.token), 403, "Forbidden");
  await client.updateKeyProperties("sdk-release", { enabled: true });
  assert.equal((await client.getKey("sdk-release")).properties.enabled, true);
});

await step("list", async () => {
  await client.createRsaKey("sdk-second");
  await client.createRsaKey("sdk-second");
  const names = (await collect(client.listPropertiesOfKeys())).map((item) => item.name);
  assert.ok(names.includes("sdk-release") && names.includes("sdk-second"));
  const pages = await collect(client.listPropertiesOfKeys().byPage({ maxPageSize: 1 }));
  assert.equal(pages.length, names.length);
  const versions = await collect(client.listPropertiesOfKeyVersions("sdk-second"));
  assert.equal(versions.length, 2);
  assert.ok(versions.every((item) => item.enabled === true && item.createdOn instanceof Date));
});

await step("wrap and unwrap", async () => {
  const key = await client.createRsaKey("sdk-wrap");
  const secret = Buffer.alloc(32, 7);
  for (const algorithm of ["RSA-OAEP", "RSA-OAEP-256"]) {
    const wrapped = await crypto(key).wrapKey(algorithm, secret);
    assert.equal(wrapped.result.length, 256);
    const unwrapped = await crypto(key).unwrapKey(algorithm, wrapped.result);
    assert.deepEqual(Buffer.from(unwrapped.result), secret);
  }
  const jwk = { kty: "RSA", n: Buffer.from(key.key.n).toString("base64url"), e: Buffer.from(key.key.e).toString("base64url") };
  const byNode = publicEncrypt(
    { key: createPublicKey({ key: jwk, format: "jwk" }), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
    secret,
  );
  assert.deepEqual(Buffer.from((await crypto(key).unwrapKey("RSA-OAEP-256", byNode)).result), secret);
});

await step("sign", async () => {
  const message = Buffer.from("message");
  const digest = createHash("sha256").update(message).digest();
  const ec = await client.createEcKey("sdk-ec", { curve: "P-256" });
  const rsa = await client.createRsaKey("sdk-rsa");
  const text = (octets) => Buffer.from(octets).toString("base64url");
  const ecKey = createPublicKey({ key: { kty: "EC", crv: "P-256", x: text(ec.key.x), y: text(ec.key.y) }, format: "jwk" });
  const rsaKey = createPublicKey({ key: { kty: "RSA", n: text(rsa.key.n), e: text(rsa.key.e) }, format: "jwk" });
  const es256 = await crypto(ec).sign("ES256", digest);
  assert.ok(verify("sha256", message, { key: ecKey, dsaEncoding: "ieee-p1363" }, es256.result));
  const rs256 = await crypto(rsa).sign("RS256", digest);
  assert.ok(verify("sha256", message, rsaKey, rs256.result));
  const ps256 = await crypto(rsa).signData("PS256", message);
  const pss = { key: rsaKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  assert.ok(verify("sha256", message, pss, ps256.result));
});

await step("release", async () => {
  const released = await clientOf(courier).releaseKey("sdk-release", orders.token, {
    algorithm: "RSA_AES_KEY_WRAP_256",
    nonce: "nonce-1",
  });
  const payload = JSON.parse(Buffer.from(released.value.split(".")[1], "base64url"));
  assert.equal(payload.request.enc, "RSA_AES_KEY_WRAP_256");
  assert.equal(payload.request.nonce, "nonce-1");
  assert.equal(payload.request.kid, (await client.getKey("sdk-release")).id);
  assert.ok(payload.response.key.key.key_hsm);
  await refused(clientOf(courier).releaseKey("sdk-release", "no.token.here"), 400, "BadParameter");
});

await step("the courier does nothing else", async () => {
  const other = clientOf(courier);
  await refused(other.getKey("sdk-release"), 403, "Forbidden");
  await refused(other.createRsaKey("sdk-courier"), 403, "Forbidden");
  await refused(other.updateKeyProperties("sdk-release", { enabled: false }), 403, "Forbidden");
  await refused(collect(other.listPropertiesOfKeys()), 403, "Forbidden");
});

await step("a wrong secret gets no token", async () => {
  const error = await clientOf(officer, credentialOf(officer, "wrong"))
    .getKey("sdk-release")
    .then(() => assert.fail("was not refused"), (error) => error);
  assert.match(error.message, /AADSTS7000215/);
});

await step("a vault name needs no exception", async () => {
  // With NAME.vault.SUFFIX the client's own check of the challenge is content. The name is resolved here, because not every
  // machine knows that *.localhost is this machine.
  const host = new URL(officer.vault);
  const named = `https://${officer.party}.vault.localhost:${host.port}`;
  const strict = new KeyClient(named, credentialOf(officer), quick);
  assert.equal((await strict.getKey("sdk-release")).name, "sdk-release");
});

console.log(JSON.stringify({ steps }));
