"""Makes the vectors in this folder with Google's Tink for Python (package tink): python3 make.py FOLDER

The functions are also what test/e2e/test_tink.py uses for its live test.
"""
import hashlib
import io
import json
import pathlib
import sys

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

TYPE_URL = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
SIZES = (0, 1, 65479, 65480, 65481, 131000, 200000)
WHOLE = (0, 1)


def primitive(raw):
    """Tink's primitive of AES256-GCM-HKDF-SHA256 with 64 KiB segments for 32 octets of key."""
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, key_value=raw)
    key.params.ciphertext_segment_size = 65536
    key.params.derived_key_size = 32
    key.params.hkdf_hash_type = common_pb2.SHA256
    keyset = tink_pb2.Keyset(primary_key_id=1)
    data = tink_pb2.KeyData(type_url=TYPE_URL, value=key.SerializeToString(),
                            key_material_type=tink_pb2.KeyData.SYMMETRIC)
    keyset.key.add(key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


def plaintext(size):
    return bytes((31 * i + 7 * (i >> 8)) % 256 for i in range(size))


class Kept(io.BytesIO):
    """Tink closes what it writes to; the octets stay."""

    def close(self):
        self.octets = self.getvalue()
        super().close()


def encrypt(raw, associated, data):
    sealed = Kept()
    with primitive(raw).new_encrypting_stream(sealed, associated) as stream:
        stream.write(data)
    return sealed.octets


def decrypt(raw, associated, sealed):
    with primitive(raw).new_decrypting_stream(io.BytesIO(sealed), associated) as stream:
        return stream.read()


def main(folder):
    raw = hashlib.sha256(b"truce tink vector key").digest()
    associated = b"truce-part/1\nbureau/flights\n1\n0"
    vectors = []
    for size in SIZES:
        sealed = encrypt(raw, associated, plaintext(size))
        vector = {"size": size, "header": sealed[:40].hex(), "sealed_size": len(sealed),
                  "sha256": hashlib.sha256(sealed).hexdigest()}
        if size in WHOLE:
            vector["sealed"] = sealed.hex()
        if size == 65481:
            (folder / "65481.sealed").write_bytes(sealed)
        vectors.append(vector)
    document = {
        "made_by": "tink (Python) 1.16.1",
        "type": "AesGcmHkdfStreaming, ciphertext_segment_size 65536, derived_key_size 32, SHA256, RAW",
        "plaintext": "octet i is (31 i + 7 (i >> 8)) mod 256",
        "key": raw.hex(), "associated_data": associated.decode(), "vectors": vectors,
    }
    (folder / "vectors.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    streaming_aead.register()
    main(pathlib.Path(sys.argv[1]))
