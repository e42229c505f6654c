// Microsoft's clients with nothing but what `truce env PARTY` exports: makes a key, signs with it, and reads the attestation
// service's signing keys over plain HTTPS. Prints one JSON object.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { EnvironmentCredential } from "@azure/identity";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";

const credential = new EnvironmentCredential({ disableInstanceDiscovery: true });
const options = { disableChallengeResourceVerification: true };
const client = new KeyClient(process.env.TRUCE_VAULT_URL, credential, options);
const key = await client.createEcKey("from-the-sdk", { curve: "P-256" });
const signer = new CryptographyClient(key.id, credential, options);
const digest = createHash("sha256").update("hello").digest();
const { result } = await signer.sign("ES256", digest);
assert.equal(result.length, 64);
const answer = await fetch(`${process.env.TRUCE_ATTEST_URL}/certs`);
const { keys } = await answer.json();
assert.equal(keys[0].kty, "RSA");
console.log(JSON.stringify({ key: key.name, signers: keys.length }));
