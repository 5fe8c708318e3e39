"""Inputs and outputs that are elsewhere, with the command of the package: object stores, web servers, the hub."""

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from moto.server import ThreadedMotoServer

from conftest import BERTQA, ROOT

MODEL = ROOT / "tests/fixtures/families/xlm-roberta"
BUCKET = "rows"


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def keys(server):
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
    }


@pytest.fixture
def bucket(server):
    s3 = boto3.resource(
        "s3", endpoint_url=server, aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
    )
    bucket = s3.create_bucket(Bucket=BUCKET)
    yield bucket
    bucket.objects.all().delete()
    bucket.delete()


def command(*arguments):
    return [BERTQA, "run", *arguments, "--model", MODEL, "--precision", "f32", "--quiet"]


def run(*arguments, folder, environment, status=0):
    done = subprocess.run(
        command(*arguments), cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done.stderr


def lines(ids):
    rows = ({"id": n, "question": f"Who did {n}?", "context": "Ada did it. " * (1 + n % 5)} for n in ids)
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(ids):
    rows = [json.loads(line) for line in lines(ids).splitlines()]
    return pyarrow.Table.from_pylist(rows)


def body(bucket, key):
    return bucket.Object(key).get()["Body"].read()


def names(bucket):
    return sorted(object.key for object in bucket.objects.all())


def test_what_lies_in_a_bucket_is_read_as_files_are(bucket, keys, tmp_path):
    for name, ids in {"in/year=2024/a.jsonl": range(30), "in/year=2025/b.jsonl": range(30, 50)}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(lines(ids))
        bucket.upload_file(str(path), name)
    for name in ["in/_SUCCESS", "in/.hidden.jsonl", "in/note.txt", "other.jsonl"]:
        bucket.put_object(Key=name, Body=b"no row\n")
    run("in", "-o", "local.jsonl", folder=tmp_path, environment={})
    local = (tmp_path / "local.jsonl").read_text()
    assert '"year":2025' in local
    inputs = ["s3://rows/in", "s3://rows/in/", "s3://rows/in/*/*.jsonl"]
    for number, url in enumerate(inputs):
        run(url, "-o", f"{number}.jsonl", folder=tmp_path, environment=keys)
        assert (tmp_path / f"{number}.jsonl").read_text() == local, url
    for url, said in {
        "s3://rows/nowhere": "s3://rows/nowhere: no such file or folder",
        "s3://rows/in/*.parquet": "s3://rows/in/*.parquet: no file matches",
        "s3://absent/in": "s3://absent/in: cannot be reached: ",
        "s3://rows/in/note.txt": "s3://rows/in/note.txt: cannot infer the format",
    }.items():
        assert said in run(url, "-o", "x.jsonl", folder=tmp_path, environment=keys, status=2)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "rows.jsonl.gz", "rows.csv"])
def test_formats(bucket, keys, tmp_path, name):
    whole = table(range(300))
    if name.endswith("parquet"):
        pyarrow.parquet.write_table(whole, tmp_path / name, row_group_size=70)
    elif name.endswith("arrow"):
        pyarrow.feather.write_feather(whole, tmp_path / name)
    else:
        text = tmp_path / "rows.jsonl"
        text.write_text(lines(range(300)))
        # bertqa writes the format, with answers beside.
        run(text, "-o", name, "--prefix=first_", folder=tmp_path, environment={})
    bucket.upload_file(str(tmp_path / name), name)
    run(name, "-o", "local.jsonl", folder=tmp_path, environment={})
    run(f"s3://rows/{name}", "-o", "remote.jsonl", folder=tmp_path, environment=keys)
    assert (tmp_path / "remote.jsonl").read_text() == (tmp_path / "local.jsonl").read_text()


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.csv.zst"])
def test_an_output_is_there_when_it_is_whole(bucket, keys, tmp_path, name):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(lines(range(40)))
    run(rows, "-o", name, folder=tmp_path, environment={})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(rows, "-o", f"s3://rows/deep/{name}", folder=elsewhere, environment=keys)
    assert body(bucket, f"deep/{name}") == (tmp_path / name).read_bytes()
    assert names(bucket) == [f"deep/{name}"] and not list(elsewhere.iterdir())
    said = run(rows, "-o", f"s3://rows/deep/{name}", folder=elsewhere, environment=keys, status=2)
    assert f"s3://rows/deep/{name}: exists already" in said and "--force" in said
    run(rows, "-o", f"s3://rows/deep/{name}", "--force", "--top-k=2", folder=elsewhere, environment=keys)
    assert body(bucket, f"deep/{name}") != (tmp_path / name).read_bytes()


def test_a_large_output_goes_in_parts(bucket, keys, tmp_path):
    rows = tmp_path / "rows.jsonl"
    with rows.open("w") as file:
        for n in range(150):
            file.write(json.dumps({"n": n, "question": "Who?", "context": "Ada did.", "rest": "x" * 300_000}) + "\n")
    run(rows, "-o", "out.jsonl", folder=tmp_path, environment={})
    run(rows, "-o", "s3://rows/out.jsonl", folder=tmp_path, environment=keys)
    assert body(bucket, "out.jsonl") == (tmp_path / "out.jsonl").read_bytes()
    # 16 MiB each.
    assert bucket.Object("out.jsonl").e_tag.strip('"').endswith("-3")


def test_a_run_that_is_killed_leaves_nothing_and_goes_on(bucket, keys, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(lines(range(30_000)))
    bucket.upload_file(str(rows), "rows.jsonl")
    url = ["s3://rows/rows.jsonl", "-o", "s3://rows/out.parquet"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen(command(*url, "--resume"), cwd=tmp_path, env={**os.environ, **keys})
        journal = tmp_path / "out.parquet.journal"
        size = journal.stat().st_size if journal.exists() else 0
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > size + 100_000):
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(60) == (-9 if number == signal.SIGKILL else 130)
        assert names(bucket) == ["rows.jsonl"]
    run(*url, "--resume", folder=tmp_path, environment=keys)
    (tmp_path / "whole").mkdir()
    run(rows, "-o", "whole/out.parquet", folder=tmp_path, environment={})
    assert body(bucket, "out.parquet") == (tmp_path / "whole/out.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "whole"]


def test_answers_that_cannot_be_uploaded_are_kept(bucket, keys, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(lines(range(40)))
    said = run(rows, "-o", "s3://absent/out.jsonl", folder=tmp_path, environment=keys, status=2)
    assert "s3://absent/out.jsonl" in said and "the answers are kept in " in said
    assert len((tmp_path / "out.jsonl.partial").read_text().splitlines()) == 40


def test_parts_of_a_job(bucket, keys, tmp_path):
    pyarrow.parquet.write_table(table(range(200)), tmp_path / "rows.parquet", row_group_size=20)
    bucket.upload_file(str(tmp_path / "rows.parquet"), "in/rows.parquet")
    run("s3://rows/in", "-o", "whole.jsonl", folder=tmp_path, environment=keys)
    for index in (1, 2, 0):
        run("s3://rows/in", "-o", "s3://rows/out/x.jsonl", f"--shard={index}/3", folder=tmp_path, environment=keys)
    parts = [f"out/x-0000{index}-of-00003.jsonl" for index in range(3)]
    assert [name for name in names(bucket) if "manifest" not in name] == ["in/rows.parquet", *parts]
    assert b"".join(body(bucket, part) for part in parts) == (tmp_path / "whole.jsonl").read_bytes()
    before = bucket.Object(parts[1]).last_modified
    job = ["s3://rows/in", "-o", "s3://rows/out/x.jsonl", "--shard=auto", "--resume"]
    task = {"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ARRAY_SIZE": "3"}
    run(*job, folder=tmp_path, environment={**keys, **task})
    assert bucket.Object(parts[1]).last_modified == before
    said = run(*job, "--top-k=3", folder=tmp_path, environment={**keys, **task}, status=2)
    assert f"s3://rows/{parts[1]}: is there already, and another run wrote it" in said


def test_keys_of_a_profile(bucket, server, tmp_path):
    bucket.put_object(Key="rows.jsonl", Body=lines(range(3)).encode())
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    (tmp_path / "config").write_text(f"[profile work]\nregion = us-east-1\nendpoint_url = {server}\n")
    profile = {
        "AWS_PROFILE": "work",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }
    run("s3://rows/rows.jsonl", "-o", "out.jsonl", folder=tmp_path, environment=profile)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


class Site(http.server.BaseHTTPRequestHandler):
    """A web server, and a hub, of the files below `root`; with and without ranges."""

    protocol_version = "HTTP/1.1"
    root: Path
    failures: list[int] = []

    def do_GET(self):
        status, body, headers = (self.failures.pop(), b"", {}) if self.failures else self.found()
        self.send_response(status)
        # As what is made while it is sent.
        has_size = not self.path.startswith("/unsized/")
        self.close_connection = not has_size
        size = {"content-length": str(len(body))} if has_size else {"connection": "close"}
        for name, value in {**size, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def found(self):
        parts = urlsplit(self.path)
        first, *rest = unquote(parts.path).lstrip("/").split("/")
        token = self.headers["authorization"]
        if first == "api":
            # Behind datasets/o/n/tree/main.
            return self.listing(parts, "/".join(rest[5:])) if token == "Bearer secret" else (401, b"", {})
        if first == "datasets":
            rest = rest[4:]
            if parts.path.endswith(".parquet"):
                # As the hub does with large files, and to others that are not to know who asks.
                place = f"http://localhost:{self.server.server_port}/elsewhere/{'/'.join(rest)}"
                return (302, b"", {"location": place}) if token == "Bearer secret" else (401, b"", {})
        elif token or (first == "signed" and parse_qs(parts.query) != {"key": ["a/b"]}):
            return 403, b"", {}
        elif first not in ("elsewhere", "signed", "unsized", "whole"):
            rest = [first, *rest]
        file, asked = self.root.joinpath(*rest), self.headers["range"]
        if not file.is_file():
            return 404, b"", {}
        content = file.read_bytes()
        if asked is None or first in ("unsized", "whole"):
            return 200, content, {}
        begin, last = map(int, asked.removeprefix("bytes=").split("-"))
        part = content[begin : last + 1]
        return 206, part, {"content-range": f"bytes {begin}-{begin + len(part) - 1}/{len(content)}"}

    def listing(self, parts, folder):
        """A page of one file."""
        files = sorted(path for path in (self.root / folder).rglob("*") if path.is_file())
        page = int(parse_qs(parts.query).get("cursor", ["0"])[0])
        entries = [
            {"type": "file", "path": str(file.relative_to(self.root)), "size": file.stat().st_size}
            for file in files[page : page + 1]
        ]
        link = f'<http://{self.headers["host"]}{parts.path}?recursive=true&cursor={page + 1}>; rel="next"'
        return 200, json.dumps(entries).encode(), {"link": link} if page + 1 < len(files) else {}

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    Site.root, Site.failures = tmp_path / "site", []
    Site.root.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_files_of_a_web_server(site, tmp_path):
    (Site.root / "rows.jsonl").write_text(lines(range(40)))
    pyarrow.parquet.write_table(table(range(40)), Site.root / "rows.parquet", row_group_size=9)
    run(Site.root / "rows.jsonl", "-o", "local.jsonl", folder=tmp_path, environment={})
    local = (tmp_path / "local.jsonl").read_text()
    for number, path in enumerate(
        ["rows.jsonl", "rows.parquet", "whole/rows.jsonl", "whole/rows.parquet", "signed/rows.jsonl?key=a%2Fb"]
    ):
        Site.failures = [503, 429]
        run(f"{site}/{path}", "-o", f"{number}.jsonl", folder=tmp_path, environment={})
        assert (tmp_path / f"{number}.jsonl").read_text() == local, path
    for name in ["rows.jsonl", "rows.parquet"]:
        run(f"{site}/unsized/{name}", "-o", "unsized.jsonl", "--force", folder=tmp_path, environment={})
        assert (tmp_path / "unsized.jsonl").read_text() == local, name
    # No part of what has no known size is taken for none at all.
    part = [f"{site}/unsized/rows.jsonl", "-o", "x.jsonl", "--shard=0/2"]
    assert "a part of what is no regular file cannot be found" in run(*part, folder=tmp_path, environment={}, status=2)
    assert f"{site}/absent.jsonl: no such file" in run(
        f"{site}/absent.jsonl", "-o", "x.jsonl", folder=tmp_path, environment={}, status=2
    )
    assert "the server answers 403" in run(
        f"{site}/signed/rows.jsonl", "-o", "x.jsonl", folder=tmp_path, environment={}, status=2
    )
    assert "only be read" in run(
        f"{site}/rows.jsonl", "-o", f"{site}/x.jsonl", folder=tmp_path, environment={}, status=2
    )


def test_data_sets_of_the_hub(site, tmp_path):
    (Site.root / "data").mkdir()
    (Site.root / "data/a b.jsonl").write_text(lines(range(20)))
    pyarrow.parquet.write_table(table(range(20)), Site.root / "b.parquet")
    (Site.root / "data/c.jsonl").write_text(lines(range(20, 40)))
    hub = {"HF_ENDPOINT": site, "HF_TOKEN": "secret"}
    run(Site.root / "data", "-o", "local.jsonl", folder=tmp_path, environment={})
    for number, path in enumerate(["data", "data/", "data/*.jsonl", "*/*.jsonl"]):
        run(f"hf://datasets/o/n/{path}", "-o", f"{number}.jsonl", folder=tmp_path, environment=hub)
        assert (tmp_path / f"{number}.jsonl").read_text() == (tmp_path / "local.jsonl").read_text(), path
    run("hf://datasets/o/n/b.parquet", "-o", "b.jsonl", folder=tmp_path, environment=hub)
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 20
    assert "hf://datasets/o/n/absent/" in run(
        "hf://datasets/o/n/absent/", "-o", "x.jsonl", folder=tmp_path, environment=hub, status=2
    )
    assert "it is not hf://datasets/ORG/NAME" in run(
        "hf://n", "-o", "x.jsonl", folder=tmp_path, environment=hub, status=2
    )
