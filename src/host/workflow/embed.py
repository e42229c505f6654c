"""Writes a file as a C array: embed.py INPUT NAME OUTPUT."""
import pathlib
import sys

source, name, target = sys.argv[1:]
octets = pathlib.Path(source).read_bytes()
lines = [",".join(str(octet) for octet in octets[at:at + 24]) for at in range(0, len(octets), 24)]
pathlib.Path(target).write_text(
    f'#include "host/workflow/workflow.h"\n\nstatic const uint8_t octets[] = {{\n' + ",\n".join(lines)
    + f"}};\n\nstruct bytes {name}(void)\n{{\n    return BYTES_OF(octets);\n}}\n")
