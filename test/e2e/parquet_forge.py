"""A Parquet writer that writes what it is told, honest or not: every size, count, type and offset can be a lie.

`Column` makes the pages of one column; `honest_file` puts columns together as any writer would, `layout` gives the parts from which
a dataset is sealed: the data before the footer, and per column its SchemaElement, its ranges and its ColumnChunks. Lies are
members of `lies`, named where they are told.
"""
import gzip
import struct

INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED = 1, 2, 3, 4, 5, 6, 7
BOOLEAN = 0
UTF8, DECIMAL, DATE, MICROS = 0, 5, 6, 10
PLAIN, PLAIN_DICTIONARY, RLE, BIT_PACKED, DELTA_BINARY, DELTA_LENGTH, DELTA_BYTES, RLE_DICTIONARY = 0, 2, 3, 4, 5, 6, 7, 8
UNCOMPRESSED, SNAPPY, GZIP, LZO, BROTLI, LZ4, ZSTD, LZ4_RAW = range(8)
DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = range(4)

# ---- Thrift's compact protocol: a struct is a list of (id, type, value) ----

CODES = {"true": 1, "i32": 5, "i64": 6, "binary": 8, "list": 9, "struct": 12, "raw": 12}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number):
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def value_octets(kind, value):
    if kind in ("i32", "i64"):
        return zigzag(value)
    if kind == "binary":
        return varint(len(value)) + value
    if kind == "list":
        inner, values = value
        count = len(values)
        head = bytes([count << 4 | CODES[inner]]) if count < 15 else bytes([0xF0 | CODES[inner]]) + varint(count)
        return head + b"".join(value_octets(inner, item) for item in values)
    if kind == "raw":
        return value
    return struct_octets(value)


def struct_octets(fields):
    out, last = b"", 0
    for number, kind, value in fields:
        out += bytes([(number - last) << 4 | CODES[kind]])
        out += b"" if kind == "true" else value_octets(kind, value)
        last = number
    return out + b"\0"


# ---- Columns ----

class Column:
    """One column of one row group. `values` are ints or octets; with None among them it is optional.

    Lies: `pages` (octets in place of all pages), `page_rows`, `compressed`, `uncompressed` (of the data page's header),
    `encoding`, `codec` (with `body`), `values` (of the metadata), `offset`, `dictionary_offset`, `total`, `statistics`, `element`, `chunk`
    (octets in place of the ColumnChunk), `repetition`, `type`."""

    def __init__(self, name, kind, values, converted=None, scale=0, precision=0, **lies):
        self.name, self.kind, self.values, self.lies = name, kind, values, lies
        self.converted, self.scale, self.precision = converted, scale, precision

    def body(self):
        if "body" in self.lies:
            return self.lies["body"]
        if None in self.values:
            levels = b"".join(varint(2) + bytes([value is not None]) for value in self.values)
            some = Column(self.name, self.kind, [value for value in self.values if value is not None])
            return struct.pack("<I", len(levels)) + levels + some.body()
        if self.kind == BYTE_ARRAY:
            return b"".join(struct.pack("<I", len(value)) + value for value in self.values)
        form = {INT32: "<i", INT64: "<q", DOUBLE: "<d", FLOAT: "<f"}[self.kind]
        return b"".join(struct.pack(form, value) for value in self.values)

    def dictionary_page(self):
        words = self.lies.get("dictionary")
        if words is None:
            return b""
        body = b"".join(struct.pack("<I", len(word)) + word for word in words)
        count = self.lies.get("dictionary_count", len(words))
        return page(DICTIONARY_PAGE, body, [(7, "struct", [(1, "i32", count), (2, "i32", PLAIN)])],
                    self.lies.get("dictionary_uncompressed"))

    def pages(self):
        if "pages" in self.lies:
            return self.lies["pages"]
        body = self.body()
        plain = self.lies.get("uncompressed", len(body))
        if self.lies.get("codec") == GZIP and "body" not in self.lies:
            body = gzip.compress(body)
        header = [(1, "i32", self.lies.get("page_rows", len(self.values))), (2, "i32", self.lies.get("encoding", PLAIN)),
                  (3, "i32", RLE), (4, "i32", RLE)]
        return self.dictionary_page() + page(self.lies.get("page_type", DATA_PAGE), body, [(5, "struct", header)], plain,
                                             self.lies.get("compressed"), self.lies.get("header_padding", b""))

    def element(self):
        if "element" in self.lies:
            return self.lies["element"]
        fields = [(1, "i32", self.lies.get("type", self.kind)), (3, "i32", self.lies.get("repetition", int(None in self.values))),
                  (4, "binary", self.name.encode())]
        if "children" in self.lies:
            fields.append((5, "i32", self.lies["children"]))
        if self.converted is not None:
            fields.append((6, "i32", self.converted))
        if self.converted == DECIMAL:
            fields += [(7, "i32", self.scale), (8, "i32", self.precision)]
        return struct_octets(fields)

    def chunk(self, offset, size):
        if "chunk" in self.lies:
            return self.lies["chunk"]
        first = self.dictionary_page()
        total = self.lies.get("total", size)
        meta = [(1, "i32", self.lies.get("chunk_type", self.kind)), (2, "list", ("i32", [PLAIN, RLE])),
                (3, "list", ("binary", [self.lies.get("path", self.name).encode()])), (4, "i32", self.lies.get("codec", UNCOMPRESSED)),
                (5, "i64", self.lies.get("count", len(self.values))), (6, "i64", total), (7, "i64", total),
                (9, "i64", self.lies.get("offset", offset + len(first)))]
        if first or "dictionary_offset" in self.lies:
            meta.append((11, "i64", self.lies.get("dictionary_offset", offset)))
        if "statistics" in self.lies:
            low, high, nulls = self.lies["statistics"]
            meta.append((12, "struct", [(3, "i64", nulls), (5, "binary", high), (6, "binary", low)]))
        return struct_octets([(2, "i64", offset), (3, "struct", meta)])


def page(kind, body, header, uncompressed=None, compressed=None, padding=b""):
    """`padding` is an unknown field of the header: as large as one likes."""
    fields = [(1, "i32", kind), (2, "i32", len(body) if uncompressed is None else uncompressed),
              (3, "i32", len(body) if compressed is None else compressed), *header]
    if padding:
        fields.append((14, "binary", padding))
    return struct_octets(fields) + body


def integers(name, values, **lies):
    return Column(name, INT32, values, **lies)


def longs(name, values, **lies):
    return Column(name, INT64, values, **lies)


def texts(name, values, **lies):
    return Column(name, BYTE_ARRAY, [value if isinstance(value, bytes) else value.encode() for value in values], UTF8, **lies)


def money(name, cents, precision=12, **lies):
    return Column(name, INT64, cents, DECIMAL, 2, precision, **lies)


def layout(columns, rows):
    """(data with its magic, [(element, range, chunk octets)]) of one row group."""
    data, found = b"PAR1", []
    for column in columns:
        pages, offset = column.pages(), len(data)
        data += pages
        found.append((column.element(), [offset, len(pages)], column.chunk(offset, len(pages))))
    return data, found


def honest_file(columns, rows):
    """A whole file. Without rows it has no row group."""
    data, found = layout(columns, rows)
    root = struct_octets([(4, "binary", b"schema"), (5, "i32", len(columns))])
    groups = [] if rows == 0 else [struct_octets([(1, "list", ("raw", [chunk for _, _, chunk in found])),
                                                  (2, "i64", len(data)), (3, "i64", rows)])]
    footer = struct_octets([(1, "i32", 1), (2, "list", ("raw", [root, *(element for element, _, _ in found)])),
                            (3, "i64", rows), (4, "list", ("raw", groups))])
    return (b"PAR1" if rows == 0 else data) + footer + struct.pack("<I", len(footer)) + b"PAR1"

