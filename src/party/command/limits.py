"""Writes limits_table.c: every row of src/limits with the value that its file gives it, and the messages between host and room.

limits.py SOURCE_FOLDER OUTPUT DEPFILE
"""
import pathlib
import re
import sys

WORD = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
KNOWN = {"KIB": 1 << 10, "MIB": 1 << 20, "INT32_MAX": (1 << 31) - 1, "INT64_MAX": (1 << 63) - 1}


def rows(source):
    """(name, file, crossing test) of each limit, and the names that src/limits says are none."""
    limits, others = [], []
    for line in (source / "limits").read_text().splitlines():
        fields = line.split(None, 2)
        if not fields or line.startswith("#"):
            continue
        if fields[0] == "not":
            others.append((fields[1], fields[2].strip()))
        else:
            limits.append((fields[0], fields[1], fields[2].strip()))
    return limits, others


class Constants:
    """The whole numbers that C sources define by enum or by #define, read where they stand."""

    def __init__(self, source):
        self.source, self.texts, self.used = source, {}, set()
        self.headers = {}

    def text(self, name):
        path = self.source / name
        self.used.add(path)
        if name not in self.texts:
            self.texts[name] = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S) if path.exists() else ""
        return self.texts[name]

    def expression(self, name, file):
        text = self.text(file)
        found = re.search(rf"^#define\s+{name}\s+(.+)$", text, flags=re.M) or \
            re.search(rf"(?:\{{|,)\s*{name}\s*=\s*([^,}}]+)", text)
        return found[1].strip() if found else None

    def header_of(self, name):
        for path in sorted(self.source.rglob("*.h")):
            file = path.relative_to(self.source).as_posix()
            if self.expression(name, file) is not None:
                return file
        raise KeyError(name)

    def value(self, name, file):
        """None where the file has no such constant."""
        expression = self.expression(name, file)
        if expression is None:
            return None
        expression = re.sub(r"\((?:uint64_t|size_t|int64_t)\)", "", re.sub(r"U?INT64_C", "", expression))
        for word in set(WORD.findall(expression)):
            here = file if self.expression(word, file) is not None else None
            number = KNOWN[word] if word in KNOWN else self.value(word, here or self.header_of(word))
            expression = re.sub(rf"\b{word}\b", str(number), expression)
        if not re.fullmatch(r"[0-9x\s()+*/<>-]+", expression):
            raise ValueError(f"{file}: {name} = {expression}")
        return int(eval(expression.replace("/", "//")))  # digits and operators only


def printed_names(limits):
    """A name that stands in several files is printed with its file."""
    names = [name for name, *_ in limits]
    return [name if names.count(name) == 1 else f"{file}:{name}" for name, file, _ in limits]


def messages(constants):
    pattern = r"^MESSAGE\((\w+),\s*\d+,\s*\w+,\s*([^,]+),"
    for name, size in re.findall(pattern, constants.text("tcb/edge/messages.def"), flags=re.M):
        yield f"message.{name}", eval(size.replace("KIB", "1024").replace("MIB", "1048576"))


def table(source):
    constants = Constants(source)
    limits, _ = rows(source)
    values = []
    for printed, (name, file, _) in zip(printed_names(limits), limits):
        value = constants.value(name, file)
        if value is not None:  # tools/check-limits says so
            values.append((printed, value))
    return sorted(values) + list(messages(constants)), constants.used


def main():
    source, output, depfile = map(pathlib.Path, sys.argv[1:4])
    values, used = table(source)
    output.write_text('#include "party/command/limits.h"\n\nconst struct limit limits_table[] = {\n'
                      + "".join(f'    {{"{name}", UINT64_C({value})}},\n' for name, value in values)
                      + "};\nconst size_t limits_count = sizeof limits_table / sizeof *limits_table;\n")
    depfile.write_text(f"{output}: " + " ".join(str(path) for path in sorted(used | {source / "limits"})) + "\n")


if __name__ == "__main__":
    main()
