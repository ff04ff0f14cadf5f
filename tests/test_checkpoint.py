"""Jobs that were stopped, started again: the same bytes as one that never stopped."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentdims import sizes
from latentdims.errors import InputError
from latentdims.steps import covariance, training
from latentdims.workflow import checkpoint
from latentdims.workflow.checkpoint import Checkpoint


class Stopped(BaseException):
    """As a signal would be: no handler of errors catches it."""


@pytest.fixture
def stop(monkeypatch):
    """Saves at every opportunity, and stops the job at the n-th."""

    def at(number: int) -> None:
        left = [number]
        save = Checkpoint.save_when_due

        def save_and_count(self, state):
            save(self, state)
            left[0] -= 1
            if left[0] == 0:
                monkeypatch.setattr(Checkpoint, "save_when_due", save)
                raise Stopped

        monkeypatch.setattr(checkpoint, "SECONDS", 0)
        monkeypatch.setattr(Checkpoint, "save_when_due", save_and_count)

    return at


@pytest.fixture
def train(images, settings):
    def run(output, *, code="", **options):
        made = settings("cnn", epochs=3, keep_epochs=[1, 1.6], keep_steps=[1, 11], **options)
        training.train(images=images, output=output, settings=made, device="cpu", code=code)

    return run


# 60 images in batches of 16 are four steps an epoch, the last of them smaller.
@pytest.mark.parametrize("step", [1, 3, 4, 5, 8, 11, 12])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    step, momentum, train, stop, tmp_path
):
    train(tmp_path / "whole.h5", momentum=momentum)
    stop(step)
    with pytest.raises(Stopped):
        train(tmp_path / "stopped.h5", momentum=momentum)
    assert [path.name for path in tmp_path.glob(".*")] == [".stopped.h5.checkpoint"]
    train(tmp_path / "stopped.h5", momentum=momentum)
    assert (tmp_path / "stopped.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert list(tmp_path.glob(".*")) == []


def test_a_training_that_is_stopped_at_every_step_gets_to_its_end(train, stop, tmp_path):
    train(tmp_path / "whole.h5")
    times = 0
    while not (tmp_path / "stopped.h5").exists():
        stop(1)
        try:
            train(tmp_path / "stopped.h5")
        except Stopped:
            times += 1
    assert times == 12
    assert (tmp_path / "stopped.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("step", [1, 4, 6, 12])
def test_a_training_of_several_seeds_that_was_stopped_ends_as_one_that_was_not(
    step, images, settings, stop, tmp_path
):
    made = settings("cnn", epochs=3, keep_epochs=[1, 1.6], keep_steps=[1, 11])
    del made["seed"]

    def train(name):
        outputs = {seed: tmp_path / name / f"{seed}.h5" for seed in (0, 2)}
        training.train_together(images=images, outputs=outputs, settings=made, device="cpu")
        return [path.read_bytes() for path in outputs.values()]

    whole = train("whole")
    stop(step)
    with pytest.raises(Stopped):
        train("stopped")
    assert [path.name for path in (tmp_path / "stopped").iterdir()] == [".0.h5.checkpoint"]
    assert train("stopped") == whole
    assert {path.name for path in (tmp_path / "stopped").iterdir()} == {"0.h5", "2.h5"}


def test_it_goes_on_rather_than_starts_anew(train, stop, tmp_path, monkeypatch):
    stop(9)
    with pytest.raises(Stopped):
        train(tmp_path / "network.h5")
    steps = []
    monkeypatch.setattr(Checkpoint, "save_when_due", lambda self, state: steps.append(1))
    train(tmp_path / "network.h5")
    assert len(steps) == 3


def cut_short(path):
    path.write_bytes(path.read_bytes()[:2000])


def foreign(path):
    with h5py.File(path, "w") as file:
        file["x"] = 1


@pytest.mark.parametrize("harm", [cut_short, foreign])
def test_a_checkpoint_that_is_no_use_is_replaced(harm, train, stop, tmp_path):
    train(tmp_path / "whole.h5")
    stop(5)
    with pytest.raises(Stopped):
        train(tmp_path / "stopped.h5")
    harm(tmp_path / ".stopped.h5.checkpoint")
    train(tmp_path / "stopped.h5")
    assert (tmp_path / "stopped.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("change", [{"code": "edited"}, {"learning_rate": 0.01}])
def test_a_checkpoint_of_other_code_or_settings_is_not_used(change, train, stop, tmp_path):
    train(tmp_path / "whole.h5", **change)
    stop(5)
    with pytest.raises(Stopped):
        train(tmp_path / "stopped.h5")
    train(tmp_path / "stopped.h5", **change)
    assert (tmp_path / "stopped.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_loss_that_is_not_finite_is_named_before_it_is_saved(train, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "SECONDS", 0)
    with pytest.raises(
        InputError, match=r"training\.learning_rate: the loss of seed 0 is .* at step 2"
    ):
        train(tmp_path / "network.h5", learning_rate=1e30)


@pytest.mark.parametrize("batch", [1, 7, 8, 9, 15])
def test_a_pass_that_was_stopped_ends_as_one_that_was_not(
    batch, images, settings, stop, tmp_path, monkeypatch
):
    """60 images in eight folds, a batch each, then 30: sixteen batches in all."""
    # The widest layer has 75 values.
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, measured=20 * 75))
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"network{seed}.h5")
        made = settings("cnn", seed=seed)
        training.train(images=images, output=paths[-1], settings=made, device="cpu")

    def measure(output):
        covariance.covariance(
            images=images,
            network=paths[1],
            partners={0: paths[0]},
            output=output,
            settings=settings("cnn", seed=1),
            device="cpu",
        )

    measure(tmp_path / "whole.h5")
    stop(batch)
    with pytest.raises(Stopped):
        measure(tmp_path / "stopped.h5")
    done = []
    monkeypatch.setattr(Checkpoint, "save_when_due", lambda self, state: done.append(1))
    measure(tmp_path / "stopped.h5")
    assert len(done) == 16 - batch
    assert (tmp_path / "stopped.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert list(tmp_path.glob(".*")) == []


@settings(max_examples=20)
@given(
    values=st.dictionaries(
        st.text("ab/", min_size=1).map(lambda name: "x" + name.replace("/", "/y")),
        st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    )
)
def test_a_state_comes_back_as_it_was(values, tmp_path_factory):
    flat = {name.replace("/", "_"): np.array(numbers) for name, numbers in values.items()}
    kept = Checkpoint(tmp_path_factory.mktemp("state") / "output.h5", made_with={"a": 1})
    kept._saved = -1e9
    kept.save_when_due(lambda: {f"group/{name}": array for name, array in flat.items()})
    found = kept.load()
    assert set(found) == {f"group/{name}" for name in flat}
    for name, array in flat.items():
        np.testing.assert_array_equal(found[f"group/{name}"], array)


def test_a_state_of_other_settings_stays_until_another_is_saved(tmp_path, monkeypatch):
    """Who changes a setting by mistake, and takes it back, goes on where they were."""
    monkeypatch.setattr(checkpoint, "SECONDS", 0)

    def of(rate):
        return Checkpoint(tmp_path / "a.h5", made_with={"rate": rate})

    of(1).save_when_due(lambda: {"x": np.arange(3)})
    assert of(2).load() == {}
    assert of(1).load()["x"].tolist() == [0, 1, 2]
    of(2).save_when_due(lambda: {"x": np.arange(5)})
    assert of(1).load() == {}
    assert of(2).load()["x"].tolist() == [0, 1, 2, 3, 4]
    of(2).path.write_bytes(b"short")
    assert of(2).load() == {}
    assert list(tmp_path.iterdir()) == []
