"""Published data sets: the names and checksums of their files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from latentdims.errors import InputError, nearest

# MD5 in hexadecimal of each file, by data set: the same facts as in torchvision's classes, kept
# here so that the workflow need not import it.
MD5 = {
    "CIFAR10": {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    "CIFAR100": {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
    "MNIST": {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    "SVHN": {
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    },
}


def files(name: str) -> Mapping[str, str]:
    """MD5 (hexadecimal) of each file of a published data set, by the file's name.

    Raises InputError for a name that is not in `MD5`.
    """
    if name not in MD5:
        raise InputError(f"name: unknown data set '{name}'; {nearest(name, MD5)}")
    return MD5[name]


def verify(path: str | Path, *, md5: str) -> None:
    """Raise InputError if a file is missing or has another MD5 (hexadecimal)."""
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give the path of a local archive as datasets.<name>.path, "
            "or leave that key out to download it"
        )
    found = md5_of(path)
    if found != md5:
        raise InputError(
            f"{path}: md5 {found}, expected {md5} ({path.stat().st_size} bytes found): it is "
            "incomplete or another file; delete it and download it again, or give a complete one "
            "as datasets.<name>.path"
        )


def md5_of(path: Path) -> str:
    """MD5 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
