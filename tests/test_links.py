"""Links to files that have gone: made again where a shared cache held them, else said."""

import pytest

from latentdims.errors import InputError
from latentdims.workflow import links


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder with a file, a link that leads somewhere, and one into a cache that was cleared."""
    cache, folder = tmp_path / "cache", tmp_path / "results"
    cache.mkdir()
    (folder / "a/seed1").mkdir(parents=True)
    (folder / "whole.h5").write_bytes(b"whole")
    (folder / "other.h5").symlink_to("whole.h5")
    (folder / ".#whole.h5").symlink_to("ada@login7.4711")  # of an editor
    (folder / "a/seed1/network.h5").symlink_to(cache / "3f2a.h5")
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
    return folder


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.h5"))


def test_links_into_the_cache_are_removed(results):
    with pytest.raises(InputError, match=r"network\.h5: .*3f2a\.h5, which is gone from the shared"):
        links.check([results], dry=True)
    assert len(left(results)) == 4
    links.check([results / "none", results], dry=False)
    assert left(results) == [".#whole.h5", "other.h5", "whole.h5"]


@pytest.mark.parametrize("dry", [True, False])
def test_of_other_links_the_user_decides(results, dry, monkeypatch):
    (results / "a/seed1/network.h5").unlink()
    (results / "b").symlink_to("/mnt/gone")  # a folder
    with pytest.raises(InputError, match="b: a link to /mnt/gone, which is not there; bring it"):
        links.check([results], dry=dry)
    monkeypatch.delenv("SNAKEMAKE_OUTPUT_CACHE")
    with pytest.raises(InputError, match="b: a link to /mnt/gone, which is not there; bring it"):
        links.check([results], dry=dry)
    assert (results / "b").is_symlink()
