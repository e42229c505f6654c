"""Parquet that no honest writer writes, for the two columns `id BIGINT, word VARCHAR` of a table: each case is one lie.

`fails`: the engine must find out. `gives`: nothing can be found out, the lie is about the liar's own rows and harms nobody else.
`any`: either will do, as long as it ends.
"""
import gzip
import random
import struct

from parquet_forge import (BYTE_ARRAY, DATA_PAGE, DATA_PAGE_V2, DELTA_BINARY, DELTA_BYTES, DELTA_LENGTH, DOUBLE, FIXED, GZIP, INDEX_PAGE, INT64,
                           INT96, LZ4_RAW, LZO, PLAIN, RLE, RLE_DICTIONARY, SNAPPY, UTF8, ZSTD, Column, longs, page, struct_octets, texts,
                           varint)

ROWS = 200
IDS = list(range(ROWS))
WORDS = [f"word {i % 7}" for i in range(ROWS)]
I31 = (1 << 31) - 1


class Case:
    def __init__(self, name, word=None, number=None, ends="fails", rows=ROWS):
        self.name, self.rows, self.ends = name, rows, ends
        self.columns = [number or longs("id", IDS), word or texts("word", WORDS)]


def word(**lies):
    return texts("word", WORDS, **lies)


def number(**lies):
    return longs("id", IDS, **lies)


def indexed(body, words=(b"a", b"b"), **lies):
    """Dictionary-encoded, with indices as given."""
    return texts("word", WORDS, dictionary=list(words), encoding=RLE_DICTIONARY, body=body, **lies)


def run_of(width, count, value):
    return bytes([width]) + varint(count << 1) + value.to_bytes((width + 7) // 8, "little")


def data_header(rows, encoding=PLAIN):
    return [(5, "struct", [(1, "i32", rows), (2, "i32", encoding), (3, "i32", RLE), (4, "i32", RLE)])]


def packed(words):
    """Honest but for its size: the page is as large as it says."""
    body = Column("word", BYTE_ARRAY, words).body()
    return texts("word", WORDS, codec=GZIP, body=gzip.compress(body, 6), uncompressed=len(body))


def second_page_v2(levels):
    header = [(8, "struct", [(1, "i32", ROWS), (2, "i32", 0), (3, "i32", ROWS), (4, "i32", PLAIN), (5, "i32", levels), (6, "i32", 0)])]
    return page(DATA_PAGE_V2, word().body(), header)


def cases():
    noise = random.Random(5).randbytes(5000)
    plain = word().body()
    bomb = gzip.compress(bytes(192 << 20), 9)
    deep = b"\x1c" * 100000
    return [
        Case("noise in place of pages", word(pages=noise)),
        Case("one octet in place of pages", word(pages=b"\xff")),
        Case("zeros in place of pages", word(pages=bytes(4096))),
        Case("a page of two thousand million rows", word(page_rows=I31), ends="any"),
        Case("a page of fewer than no rows", word(page_rows=-1), ends="any"),
        Case("fewer rows than the group has", word(page_rows=ROWS // 2, body=texts("word", WORDS[:ROWS // 2]).body())),
        Case("more rows than octets", number=number(body=number().body()[:80], page_rows=ROWS)),
        Case("a page of 2 GiB", word(compressed=I31, uncompressed=I31)),
        Case("a page of negative size", word(compressed=-5)),
        Case("an unpacked page of negative size", word(codec=GZIP, uncompressed=-5)),
        Case("a gzip bomb that tells its size", word(codec=GZIP, body=bomb, uncompressed=192 << 20), ends="any"),
        Case("a gzip bomb of 2 GiB as it says", word(codec=GZIP, body=bomb, uncompressed=I31)),
        Case("a gzip bomb that says it is small", word(codec=GZIP, body=bomb, uncompressed=1000)),
        Case("two hundred texts of 2 MiB in 400 KiB", packed([b"a" * (2 << 20)] * ROWS)),
        Case("a hundred texts of 1 MiB in 100 KiB", packed([b"a" * (1 << 20)] * 100 + [b""] * (ROWS - 100)), ends="any"),
        Case("one text of 600 MiB in 600 KiB", packed([b"a" * (600 << 20)] + [b""] * (ROWS - 1))),
        Case("gzip that is none", word(codec=GZIP, body=noise, uncompressed=5000)),
        Case("zstd that is none", word(codec=ZSTD, body=noise, uncompressed=5000)),
        Case("snappy of 4 GiB", word(codec=SNAPPY, body=varint(0xFFFFFFFF) + noise, uncompressed=I31)),
        Case("snappy that copies from before its beginning", word(codec=SNAPPY, body=varint(64) + b"\xfe\xff\xff" * 9, uncompressed=64)),
        Case("lz4 that copies from before its beginning", word(codec=LZ4_RAW, body=b"\x0f\xff\xff\xff" * 9, uncompressed=4096)),
        Case("a codec that is not there", word(codec=LZO)),
        Case("a codec of another world", word(codec=99)),
        Case("an index beyond the dictionary", indexed(run_of(8, ROWS, 200))),
        Case("an index far beyond the dictionary", indexed(run_of(32, ROWS, 0xFFFFFFFF))),
        Case("indices of 255 bits", indexed(b"\xff" + noise)),
        Case("a run that never ends", indexed(b"\x08" + b"\xff" * 64)),
        Case("indices without a dictionary", word(encoding=RLE_DICTIONARY, body=run_of(1, ROWS, 1))),
        Case("a dictionary of two thousand million words", indexed(run_of(1, ROWS, 1), dictionary_count=I31)),
        Case("a dictionary of 2 GiB", indexed(run_of(1, ROWS, 1), dictionary_uncompressed=I31)),
        Case("a dictionary that lies elsewhere", word(dictionary_offset=1 << 40)),
        Case("a text of 4 GiB", word(body=b"\xff\xff\xff\xff" + plain)),
        Case("a text longer than its page", word(body=struct.pack("<I", len(plain)) + plain[4:])),
        Case("texts that are not UTF-8", texts("word", [b"\xc3\x28"] * ROWS)),
        Case("texts with octets of control", texts("word", [b"\x1b[2J\x00"] * ROWS), ends="any"),
        Case("values without number", word(count=1 << 62), ends="any"),
        Case("fewer than no values", word(count=-1), ends="any"),
        Case("a million rows of two hundred", rows=1000000),
        Case("a million million rows", rows=10**12),
        Case("pages beyond the end", word(offset=1 << 40)),
        Case("pages before the beginning", word(offset=-8)),
        Case("pages where another column lies", word(offset=4)),
        Case("a chunk of negative size", word(total=-1), ends="any"),
        Case("a chunk of 2^62 octets", word(total=1 << 62), ends="any"),
        Case("statistics that exclude every row", number=number(statistics=(struct.pack("<q", 10**9), struct.pack("<q", 10**9), 0)), ends="gives"),
        Case("statistics upside down", number=number(statistics=(struct.pack("<q", 9), struct.pack("<q", -9), -5)), ends="any"),
        Case("statistics of one octet", number=number(statistics=(b"x", b"y", 1 << 60)), ends="any"),
        Case("statistics of 60 KB", word(statistics=(b"a" * 30000, b"z" * 30000, 0)), ends="gives"),
        Case("a page header of 8 MiB", word(header_padding=bytes(8 << 20)), ends="any"),
        Case("a page header 100,000 deep", word(pages=deep + noise)),
        Case("a list without end in a page header", word(pages=b"\x19\xfc" + b"\xff" * 8 + b"\x0f" + noise)),
        Case("twenty thousand empty pages", word(pages=page(DATA_PAGE, b"", data_header(0)) * 20000)),
        Case("twenty thousand index pages", word(pages=page(INDEX_PAGE, b"", []) * 20000)),
        Case("a dictionary after the data", word(pages=word().pages() + indexed(b"").dictionary_page()), ends="any"),
        Case("two thousand dictionaries", word(pages=indexed(b"").dictionary_page() * 2000)),
        Case("a second version with levels beyond the page", word(pages=second_page_v2(I31))),
        Case("a second version with negative levels", word(pages=second_page_v2(-9)), ends="any"),
        Case("deltas in blocks of nothing", number=number(encoding=DELTA_BINARY, body=b"\x00\x00" + varint(ROWS) + noise)),
        Case("deltas in blocks of 2^63", number=number(encoding=DELTA_BINARY, body=varint(1 << 63) + varint(1 << 60) + varint(ROWS) + noise)),
        Case("delta lengths that are negative", word(encoding=DELTA_LENGTH, body=b"\x80\x01\x04" + varint(ROWS) + b"\x07" + b"\xff" * 64)),
        Case("prefixes longer than their texts", word(encoding=DELTA_BYTES, body=b"\x80\x01\x04" + varint(ROWS) + b"\x80\x80\x04" + noise)),
        Case("split octets of a text", word(encoding=9)),
        Case("an encoding of another world", word(encoding=99)),
        Case("a page of another world", word(page_type=77)),
        Case("numbers where texts are declared", Column("word", INT64, IDS), ends="any"),
        Case("fractions where texts are declared", Column("word", DOUBLE, [0.5] * ROWS), ends="any"),
        Case("texts where numbers are declared", number=Column("id", BYTE_ARRAY, [b"x"] * ROWS, UTF8)),
        Case("another type in the chunk than in the schema", word(chunk_type=INT64), ends="any"),
        Case("a lone INT96", Column("word", INT64, IDS, chunk_type=INT96, type=INT96), ends="any"),
        Case("a fixed length that is none", Column("word", INT64, IDS, chunk_type=FIXED, type=FIXED)),
        Case("a repeated column", word(repetition=2), ends="any"),
        Case("a column of another world's repetition", word(repetition=9), ends="any"),
        Case("a column that claims children", number=number(children=1)),
        Case("a column of two thousand million children", number=number(children=I31)),
        Case("a decimal of 99 digits", number=Column("id", INT64, IDS, 5, 2, 99)),
        Case("an element 1,000 deep", word(element=b"\x1c" * 1000 + bytes(1001))),
        Case("an element that is empty", word(element=b"\0")),
        Case("a column of another name", Column("other", BYTE_ARRAY, [b"x"] * ROWS, UTF8)),
        Case("a chunk that is empty", word(chunk=b"\0")),
        Case("a chunk that lies in another file", word(chunk=struct_octets([(1, "binary", b"/etc/passwd"), (2, "i64", 0)]))),
        Case("a chunk 10,000 deep", word(chunk=b"\x1c" * 10000 + bytes(10001))),
        Case("a chunk that is cut", word(chunk=word().chunk(4, 100)[:-3])),
    ]
