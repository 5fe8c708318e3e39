"""Writes inputs of many types, and reads what bertqa makes of them with the readers that are installed.

usage: tests/readers.py write|read FOLDER
"""

import datetime
import decimal
import glob
import importlib
import json
import os
import sys

import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

ROWS = 6


def columns():
    """Values of each type; the last of each is null."""
    day = datetime.date(2024, 2, 29)
    noon = datetime.datetime(2024, 2, 29, 12, 30, 15, 250000)
    types = {
        "i8": (pyarrow.int8(), lambda row: row - 3),
        "u64": (pyarrow.uint64(), lambda row: 2**63 + row),
        "f32": (pyarrow.float32(), lambda row: row / 2),
        "bool": (pyarrow.bool_(), lambda row: row % 2 == 0),
        "text": (pyarrow.string(), lambda row: f"text {row}"),
        "large_text": (pyarrow.large_string(), lambda row: f"text {row}"),
        "binary": (pyarrow.binary(), lambda row: bytes([row, 255])),
        "date": (pyarrow.date32(), lambda row: day),
        "time": (pyarrow.time64("us"), lambda row: noon.time()),
        "timestamp": (pyarrow.timestamp("us"), lambda row: noon),
        "instant": (pyarrow.timestamp("ms", "Asia/Tokyo"), lambda row: noon.replace(tzinfo=datetime.timezone.utc)),
        "decimal": (pyarrow.decimal128(20, 3), lambda row: decimal.Decimal(row) / 8),
        "category": (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), lambda row: f"category {row % 2}"),
        "list": (pyarrow.list_(pyarrow.string()), lambda row: ["a"] * row),
        "struct": (
            pyarrow.struct([("a", pyarrow.int64()), ("b", pyarrow.list_(pyarrow.string()))]),
            lambda row: {"a": row, "b": ["x"]},
        ),
    }
    for name, (dtype, value) in types.items():
        values = [value(row) for row in range(ROWS - 1)] + [None]
        if pyarrow.types.is_dictionary(dtype):
            yield name, pyarrow.array(values, dtype.value_type).dictionary_encode()
        else:
            yield name, pyarrow.array(values, dtype)


def texts():
    return {
        "id": [f"row {row}" for row in range(ROWS)],
        "question": ["Who won the race?"] * ROWS,
        "context": [f"Ann Lee won race {row}." for row in range(ROWS)],
    }


def write(folder):
    table = pyarrow.table({**texts(), **dict(columns())})
    # What pandas and others write names columns; it is not true of the output, and must not be there.
    pandas = pyarrow.Table.from_pandas(pyarrow.table(texts()).to_pandas()).schema.metadata
    table = table.replace_schema_metadata({**pandas, "origin": "a crawl"})
    pyarrow.parquet.write_table(table, os.path.join(folder, "typed.parquet"))
    pyarrow.feather.write_feather(table, os.path.join(folder, "typed.arrow"), compression="uncompressed")
    with open(os.path.join(folder, "rows.jsonl"), "w") as file:
        for row in range(ROWS):
            text = {name: values[row] for name, values in texts().items()}
            file.write(json.dumps({**text, "tags": ["a", "b"], "nested": {"t": ["x"], "s": "y"}, "n": row}) + "\n")


def check_table(path, table):
    """What pyarrow does with every column."""
    schema = str(table.schema)
    assert "view" not in schema, f"{path}: {schema}"
    assert table.num_rows == ROWS, path
    mask = pyarrow.array([row % 2 == 0 for row in range(ROWS)])
    for name in table.column_names:
        column = table.column(name)
        assert column.filter(mask).to_pylist() == column.to_pylist()[::2], f"{path}: {name}"
        assert column.take(pyarrow.array([2, 0])).to_pylist() == [column.to_pylist()[2], column.to_pylist()[0]], name
    ordered = table.select(["id", "answer"]).sort_by([("id", "descending")])
    assert ordered.column("id").to_pylist() == sorted(texts()["id"], reverse=True), path
    flat = [field.name for field in table.schema if not pyarrow.types.is_nested(field.type)]
    flat = [name for name in flat if name not in ("category", "binary", "decimal")]
    pyarrow.csv.write_csv(table.select(flat), os.devnull)
    frame = table.to_pandas()
    assert list(frame["id"]) == texts()["id"], path
    if path.endswith(".parquet"):
        metadata = pyarrow.parquet.read_metadata(path).metadata
    else:
        metadata = table.schema.metadata or {}
    assert b"pandas" not in metadata, path
    assert ("typed" not in path) == (b"origin" not in metadata), f"{path}: {metadata}"
    if "typed" in path:
        for name, values in columns():
            found = table.column(name).to_pylist()
            assert found == values.to_pylist(), f"{path}: {name} {found} {values.to_pylist()}"


def installed(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def read(folder):
    pandas, duckdb, polars = installed("pandas"), installed("duckdb"), installed("polars")
    fastparquet, datasets = installed("fastparquet"), installed("datasets")
    names = [module.__name__ for module in (pandas, duckdb, polars, fastparquet, datasets) if module]
    paths = sorted(glob.glob(os.path.join(folder, "*.out.*")))
    assert len(paths) == 9, paths
    for path in paths:
        ids = texts()["id"]
        if path.endswith(".arrows"):
            with pyarrow.ipc.open_stream(path) as stream:
                table = stream.read_all()
            check_table(path, table)
            assert table["id"].to_pylist() == ids
            if polars:
                assert polars.read_ipc_stream(path)["id"].to_list() == ids
            continue
        if path.endswith(".arrow"):
            check_table(path, pyarrow.feather.read_table(path))
            assert list(pandas.read_feather(path)["id"]) == ids
            if polars:
                assert polars.read_ipc(path)["id"].to_list() == ids
            continue
        check_table(path, pyarrow.parquet.read_table(path))
        assert list(pandas.read_parquet(path, engine="pyarrow")["id"]) == ids
        if duckdb:
            found = duckdb.sql(f"select id, answer from '{path}' where score > 0 order by id").fetchall()
            assert [row[0] for row in found] == ids
        if polars:
            assert polars.read_parquet(path)["id"].to_list() == ids
        if fastparquet:
            # It reads no structs in lists.
            flat = ["id", "question", "answer", "score", "start"]
            assert list(fastparquet.ParquetFile(path).to_pandas(flat)["id"]) == ids
        if datasets:
            os.environ["HF_DATASETS_OFFLINE"] = "1"
            found = datasets.Dataset.from_parquet(path, cache_dir=os.path.join(folder, "cache"))
            assert found["id"][:] == ids
    print(f"readers: pyarrow {pyarrow.__version__}, {', '.join(names)}: {len(paths)} files")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
