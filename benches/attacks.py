"""Clients that mean no good, for soak.py: each repeats its attack, a connection each time, until it is told to end."""

import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60
PAUSE_SECONDS = 0.05
# A byte of a stream, so often: less than the server waits for one.
DRIP_SECONDS = 5
# How long a stream that drips, or that stalls within a row, is kept open.
KEPT_SECONDS = 60


def json_request(text):
    return "/inferences", "application/json", text.encode()


def many_columns():
    """A header of 100,000 columns."""
    header = ",".join(f"c{number}" for number in range(100_000))
    return "/inferences/stream", "text/csv", f"question,context,{header}\nWho?,Ada did.,\n".encode()


def small_objects():
    """An `id` of many small objects, which take many times the memory of their text."""
    objects = ",".join(['{"":0}'] * 1_100_000)
    return json_request(f'{{"id": [{objects}], "question": "Who?", "context": "Ada did."}}')


def deep():
    """Lists in lists, deeper than any stack."""
    return json_request('{"id": ' + "[" * 100_000 + "]" * 100_000 + ', "question": "Who?", "context": "Ada did."}')


def many_windows():
    """A question that leaves so little room that the context takes thousands of windows."""
    return json_request(json.dumps({"question": "a " * 378, "context": "b " * 12_000}))


def special_tokens():
    """Texts of special tokens, and characters of no vocabulary."""
    text = "[CLS] [SEP] </s> <s> [MASK] \U0001f9ff\U000e0001\u202e "
    return json_request(json.dumps({"question": text * 20, "context": text * 200}))


def noise():
    """Bytes that are nothing."""
    return "/inferences", "application/json", random.randbytes(10_000)


WHOLE = [many_columns, small_objects, deep, many_windows, special_tokens, noise]


def wide_window():
    """The beginning of a Zstandard frame whose window is 128 MB."""
    magic, descriptor, window = 0xFD2FB528, 0x00, 17 << 3
    row = b'{"question": "Who?", "context": "Ada did."}\n' * 90
    block = struct.pack("<I", len(row) << 3)[:3] + row
    return "application/x-ndjson\r\ncontent-encoding: zstd", struct.pack("<IBB", magic, descriptor, window) + block


def unfinished_row():
    """Most of a row that is nearly as long as one may be."""
    return "application/x-ndjson", b'{"question": "' + b"x" * 7_900_000


def dripping():
    """A row of which a byte comes now and then."""
    return "application/x-ndjson", b'{"question": "'


# How many of each are open at once.
STREAMS = {wide_window: 32, unfinished_row: 60, dripping: 256}


class Attacks:
    """All attacks at once against a server, while this is open."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.ended = threading.Event()
        self.statuses = {}
        self.threads = [threading.Thread(target=self.repeat, args=(self.whole, attack)) for attack in WHOLE]
        for attack, count in STREAMS.items():
            self.threads += [threading.Thread(target=self.repeat, args=(self.stream, attack)) for _ in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def repeat(self, send, attack):
        counts = self.statuses.setdefault(attack.__name__, Counter())
        made = attack()
        while not self.ended.wait(PAUSE_SECONDS):
            try:
                with socket.create_connection(self.address, TIMEOUT_SECONDS) as connection:
                    counts[send(connection, *made)] += 1
            except OSError:
                # The server ended the connection, as it may.
                counts["ended"] += 1

    def whole(self, connection, path, media_type, body):
        connection.sendall(head(path, media_type, f"content-length: {len(body)}") + body)
        return status(connection)

    def stream(self, connection, media_type, body):
        connection.sendall(head("/inferences/stream", media_type, "transfer-encoding: chunked"))
        connection.sendall(chunk(body))
        kept_until = time.monotonic() + KEPT_SECONDS
        while time.monotonic() < kept_until and not self.ended.wait(DRIP_SECONDS):
            connection.sendall(chunk(b"x"))
        connection.settimeout(1)
        return status(connection)


def head(path, media_type, length):
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-type: {media_type}", length, "connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def status(connection):
    """The status of an answer, whose rest is left unread."""
    line = connection.recv(4096).split(b"\r\n")[0].split(b" ")
    return line[1].decode() if len(line) > 1 else "ended"
