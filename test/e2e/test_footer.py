"""DuckDB reads the virtual file of a grant: granted columns as in the original, nothing of the others."""
import os
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", SOURCE / "build"))
TOOL = BUILD / "src" / "party" / "dataset" / "footer-tool"
DUCKDB = "duckdb==1.5.6"

COMPARE = """
import sys, duckdb
original, virtual, columns = sys.argv[1], sys.argv[2], sys.argv[3:]
run = duckdb.connect().execute
names = ", ".join(f'"{name}"' for name in columns)
assert run(f"DESCRIBE SELECT {names} FROM '{original}'").fetchall() == \
    run(f"DESCRIBE SELECT * FROM '{virtual}'").fetchall()
query = f"SELECT {names} FROM "
assert run(f"{query} '{original}'").fetchall() == run(f"{query} '{virtual}'").fetchall()
for name in columns:
    counted = f'SELECT count(*), count("{name}"), min("{name}"), max("{name}") FROM '
    assert run(f"{counted} '{original}'").fetchall() == run(f"{counted} '{virtual}'").fetchall()
    filtered = f'WHERE "{name}" = (SELECT max("{name}") FROM \\'{original}\\')'
    assert run(f"SELECT count(*) FROM '{original}' {filtered}").fetchall() == \
        run(f"SELECT count(*) FROM '{virtual}' {filtered}").fetchall()
"""


@pytest.fixture(scope="module")
def duckdb_python(tmp_path_factory):
    """A Python with the pinned DuckDB. Skipped when PyPI is not reachable."""
    folder = tmp_path_factory.mktemp("duckdb")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = subprocess.run([folder / "bin" / "pip", "install", "-q", DUCKDB], capture_output=True, text=True)
    if install.returncode != 0:
        pytest.skip("PyPI is not reachable, so there is no DuckDB for Python: " + install.stderr.strip()[-200:])
    return folder / "bin" / "python"


@pytest.mark.parametrize("columns", [["id"], ["city", "paid"], ["note", "id"], ["id", "city", "paid", "note"]])
def test_groups(duckdb_python, tmp_path, columns):
    original = SOURCE / "test" / "vectors" / "parquet" / "groups.parquet"
    virtual = tmp_path / "virtual.parquet"
    virtual.write_bytes(subprocess.run([TOOL, original, *columns], check=True, capture_output=True).stdout)
    subprocess.run([duckdb_python, "-c", COMPARE, original, virtual, *columns], check=True)
    octets = virtual.read_bytes()
    assert (b"secret" in octets) == ("note" in columns)
    assert (b"city 3" in octets) == ("city" in columns)


@pytest.mark.parametrize("name, columns", [("types", ["a_uuid", "a_decimal", "a_time"]), ("empty", ["name"])])
def test_types_and_empty(duckdb_python, tmp_path, name, columns):
    original = SOURCE / "test" / "vectors" / "parquet" / f"{name}.parquet"
    virtual = tmp_path / "virtual.parquet"
    virtual.write_bytes(subprocess.run([TOOL, original, *columns], check=True, capture_output=True).stdout)
    subprocess.run([duckdb_python, "-c", COMPARE, original, virtual, *columns], check=True)


def test_a_file_of_another_writer(duckdb_python, tmp_path):
    """Rewritten by another engine, with page indexes and several pages per chunk."""
    pip = duckdb_python.parent / "pip"
    if subprocess.run([pip, "install", "-q", "pyarrow"], capture_output=True).returncode != 0:
        pytest.skip("PyPI is not reachable, so there is no pyarrow")
    original = tmp_path / "arrow.parquet"
    write = ("import sys, pyarrow.parquet as p; t = p.read_table(sys.argv[1]); "
             "p.write_table(t, sys.argv[2], row_group_size=1500, data_page_size=1000, write_page_index=True)")
    subprocess.run([duckdb_python, "-c", write, SOURCE / "test/vectors/parquet/groups.parquet", original], check=True)
    virtual = tmp_path / "virtual.parquet"
    virtual.write_bytes(subprocess.run([TOOL, original, "city", "id"], check=True, capture_output=True).stdout)
    subprocess.run([duckdb_python, "-c", COMPARE, original, virtual, "city", "id"], check=True)
    assert b"secret" not in virtual.read_bytes()
