"""Some classes of a data set, and shuffled labels, from any source."""

import io
import tarfile
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from test_config import dataset

from latentdims.configuration.config import resolve
from latentdims.errors import InputError
from latentdims.images import datasets, selection
from latentdims.images.collection import Collection, Part
from latentdims.images.data import ARRAYS
from latentdims.images.sources import embedded, torchvision
from latentdims.images.sources.content import check_layout
from latentdims.models import families
from latentdims.planning.known import Known
from latentdims.steps.prepare import prepare

COUNTS = {"train": {"owl": 13, "crow": 12, "jay": 17}, "test": {"owl": 11, "crow": 14, "jay": 15}}
BIRDS = ["crow", "jay", "owl"]  # as a source has them


def prepared(file, /, **source):
    """Arrays by name, and the classes."""
    prepare(output=file, source=source)
    with h5py.File(file) as made:
        return {name: made[name][()] for name in ARRAYS} | {
            "classes": list(made["classes"].asstr()[()])
        }


def shade(split, bird, number):
    """The one value of an image, which says what it shows."""
    return 100 * (split == "test") + 20 * BIRDS.index(bird) + number


def shown(split, found):
    """Names of what the images of a split show, and those that their labels say."""
    values = found[f"{split}/images"][:, 0, 0, 0].astype(int) - 100 * (split == "test")
    said = [found["classes"][label] for label in found[f"{split}/labels"]]
    return [BIRDS[value // 20] for value in values], said


@pytest.fixture
def archive(tmp_path):
    """Birds as they lie by number, so that classes and splits alternate."""
    from PIL import Image

    path = tmp_path / "birds.tar"
    places = [
        (n, s, b) for s, of in COUNTS.items() for b, count in of.items() for n in range(count)
    ]
    with tarfile.open(path, "w") as tar:
        for number, split, bird in sorted(places, key=lambda place: (place[0], place[2])):
            content = io.BytesIO()
            Image.new("L", (2, 3), shade(split, bird, number)).save(content, "png")
            member = tarfile.TarInfo(f"{split}/{bird}/{number:02}.png")
            member.size = len(content.getvalue())
            content.seek(0)
            tar.addfile(member, content)
    return {"source": "imagefolder", "path": str(path)}


@pytest.fixture
def published(monkeypatch):
    """The same as a published data set, of which only wanted images are read."""
    places = {
        split: np.random.default_rng(3).permutation(
            [shade(split, bird, number) for bird in BIRDS for number in range(COUNTS[split][bird])]
        )
        for split in COUNTS
    }

    @contextmanager
    def opened(source, files, *, cores=1):
        def parts(wanted):
            for split, chosen in wanted.items():
                for some in np.array_split(np.flatnonzero(chosen)[::-1], 4):
                    pixels = places[split][some].astype(np.uint8)
                    yield Part(
                        split,
                        some,
                        np.broadcast_to(pixels[:, None, None, None], (len(some), 1, 3, 2)),
                    )

        labels = {split: (of % 100) // 20 for split, of in places.items()}
        yield Collection((1, 3, 2), labels, BIRDS, parts)

    monkeypatch.setattr(torchvision, "opened", opened)
    return {"source": "torchvision", "name": "SVHN"}


@pytest.fixture(params=["archive", "published"])
def birds(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("names", [["owl", "crow"], ["crow", "owl"], ["jay", "owl", "crow"]])
def test_images_of_some_classes_have_their_labels_in_the_order_of_the_names(birds, names, tmp_path):
    whole = prepared(tmp_path / "whole.h5", **birds)
    found = prepared(tmp_path / "some.h5", **birds, classes=names)
    assert found["classes"] == names
    for split, counts in COUNTS.items():
        birds_shown, said = shown(split, found)
        assert birds_shown == said
        expected = [counts[name] for name in names]
        assert np.bincount(found[f"{split}/labels"]).tolist() == expected
        of_names = [bird in names for bird in shown(split, whole)[0]]
        images = whole[f"{split}/images"][of_names]
        assert images.tobytes() == found[f"{split}/images"].tobytes()  # in the same order


def test_a_number_of_images_is_drawn_among_those_of_the_classes(birds, tmp_path):
    keys = {**birds, "classes": ["owl", "jay"], "train_samples": 23, "test_samples": 19}
    found, _ = (prepared(tmp_path / f"{name}.h5", **keys) for name in "ab")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    whole = prepared(tmp_path / "c.h5", **birds, classes=["owl", "jay"])
    for split, number in {"train": 23, "test": 19}.items():
        values, every = (each[f"{split}/images"][:, 0, 0, 0].tolist() for each in (found, whole))
        assert len({*values}) == len(values) == number
        assert [value for value in every if value in values] == values != every[:number]
        assert shown(split, found)[0] == shown(split, found)[1]
    with pytest.raises(InputError, match="train_samples: asks for 31 images, but there are 30"):
        prepared(tmp_path / "d.h5", **{**keys, "train_samples": 31})


@pytest.mark.parametrize(("number", "drawn"), [(42, 140), (43, 150)])
def test_embedded_images_of_some_classes_are_those_of_all(number, drawn, tmp_path):
    names = ["star", "disk", "heart"]
    keys = {"source": "embedded", "seed": 4}
    asked = {"train_samples": number, "test_samples": 30}
    found = prepared(tmp_path / "some.h5", **keys, classes=names, **asked)
    sizes = {"train_samples": drawn, "test_samples": 100}
    whole = prepared(tmp_path / "whole.h5", **keys, **sizes)
    for split, expected in {"train": number, "test": 30}.items():
        by_image = {
            image.tobytes(): whole["classes"][label]
            for image, label in zip(whole[f"{split}/images"], whole[f"{split}/labels"], strict=True)
        }
        of_names = [image for image, name in by_image.items() if name in names]
        images = [image.tobytes() for image in found[f"{split}/images"]]
        assert len(images) == expected
        assert [image for image in of_names if image in images] == images
        assert [by_image[image] for image in images] == [
            names[label] for label in found[f"{split}/labels"]
        ]


KINDS = {
    "embedded": {"source": "embedded", "seed": 4, "train_samples": 500, "test_samples": 300},
    "some": {
        **{"source": "embedded", "classes": ["ring", "cross", "heart", "disk"]},
        **{"train_samples": 400, "test_samples": 300},
    },
}


@pytest.mark.parametrize("keys", KINDS.values(), ids=KINDS)
def test_shuffled_labels_are_the_same_labels_on_the_same_images(keys, tmp_path):
    whole = prepared(tmp_path / "true.h5", **keys)
    found = prepared(tmp_path / "shuffled.h5", **keys, labels="shuffled")
    assert found["classes"] == whole["classes"]
    for split in ("train", "test"):
        assert found[f"{split}/images"].tobytes() == whole[f"{split}/images"].tobytes()
        true, shuffled = (each[f"{split}/labels"] for each in (whole, found))
        counts = np.bincount(true)
        assert np.bincount(shuffled).tolist() == counts.tolist()
        # A permutation leaves a share of Σ (n_k / n)²; its deviation is below 1 / √n.
        chance = (counts**2).sum() / len(true) ** 2
        assert abs((true == shuffled).mean() - chance) < 3 / np.sqrt(len(true))


def test_shuffled_labels_depend_on_the_settings_that_choose_images():
    labels = np.arange(50)
    source = {"source": "imagefolder", "labels": "shuffled", "path": "a.tar", "size": 32}

    def found(split="train", **keys):
        return selection.labelled(labels, split, {**source, **keys}).tolist()

    assert found() == found() == found(path="b.tar", size=64, content="0", train_samples=50)
    others = [found(split="test"), found(split_seed=1), found(seed=1), found(classes=["a", "b"])]
    others += [found(classes=["b", "a"]), found(source="torchvision"), found(name="MNIST")]
    assert len({*map(tuple, (found(), *others))}) == 8
    assert selection.labelled(labels, "train", {}) is labels


def test_shuffling_comes_after_the_draw_of_images(birds, tmp_path, caplog):
    keys = {**birds, "classes": ["jay", "crow"], "train_samples": 20}
    true = prepared(tmp_path / "true.h5", **keys)
    with caplog.at_level("INFO"):
        found = prepared(tmp_path / "shuffled.h5", **keys, labels="shuffled")
    assert caplog.messages[-1] == "labels are shuffled"
    assert found["train/images"].tobytes() == true["train/images"].tobytes()
    assert sorted(found["train/labels"]) == sorted(true["train/labels"])
    assert shown("train", found)[0] != shown("train", found)[1]


def test_test_share_holds_out_the_same_images(tmp_path):
    from PIL import Image

    for bird in BIRDS:
        (tmp_path / "all" / bird).mkdir(parents=True)
        for number in range(COUNTS["train"][bird]):
            image = Image.new("L", (2, 3), shade("train", bird, number))
            image.save(tmp_path / "all" / bird / f"{number}.png")
    keys = {"source": "imagefolder", "path": str(tmp_path / "all"), "test_share": 0.3}
    whole = prepared(tmp_path / "whole.h5", **keys)
    found = prepared(tmp_path / "some.h5", **keys, classes=["owl", "jay"])
    for split in ("train", "test"):
        values = [each[f"{split}/images"][:, 0, 0, 0].tolist() for each in (whole, found)]
        assert [value for value in values[0] if value // 20 != BIRDS.index("crow")] == values[1]


def test_defaults_change_no_setting():
    """Or results that exist would be made again."""
    plain = resolve(dataset(source="embedded"))["datasets"]
    for labels in (True, "true"):
        assert resolve(dataset(source="embedded", classes=None, labels=labels))["datasets"] == plain
    assert not {"classes", "labels"} & {*plain["mine"]}
    found = resolve(dataset(source="embedded", labels="shuffled"))["datasets"]["mine"]
    assert found == {**plain["mine"], "labels": "shuffled"}


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"classes": ["disk"]}, r"classes: found \['disk'\], expected at least two"),
        ({"classes": []}, "at least two"),
        (
            {"classes": ["disk", "rin"]},
            "datasets.mine.classes: no class 'rin'; did you mean 'ring'",
        ),
        ({"classes": ["disk", "zz"]}, "no class 'zz'; known: bars, crescent, cross, disk"),
        ({"classes": ["disk", "ring", "disk"]}, "'disk' is listed twice"),
        ({"classes": [3, "3"]}, "'3' is listed twice"),
        ({"classes": ["disk", False]}, "YAML reads a name as False; quote it"),
        ({"classes": ["disk", 1.5]}, "YAML reads a name as 1.5; quote it"),
        ({"classes": "disk"}, "classes: found 'disk', expected a list"),
        ({"labels": False}, "labels: unknown value False; known: shuffled, true"),
        ({"labels": "shufled"}, "labels: unknown value 'shufled'; did you mean 'shuffled'"),
    ],
)
def test_what_is_refused(keys, error):
    with pytest.raises(InputError, match=error):
        resolve(dataset(source="embedded", **keys))


def test_a_class_that_the_source_lacks_is_refused_with_those_that_it_has(birds, tmp_path):
    with pytest.raises(InputError, match="classes: no class 'emu'; known: crow, jay, owl"):
        prepared(tmp_path / "i.h5", **birds, classes=["owl", "emu"])


def test_a_class_that_a_folder_lacks_is_refused_while_planning(archive, tmp_path):
    with tarfile.open(archive["path"]) as tar:
        tar.extractall(tmp_path / "birds", filter="data")
    source = {"source": "imagefolder", "path": str(tmp_path / "birds"), "test_share": None}
    check_layout({**source, "classes": ["owl", "jay"]})
    with pytest.raises(InputError, match=r"birds: classes: no class 'emu'; known: crow, jay, owl"):
        check_layout({**source, "classes": ["owl", "emu"]})


def test_names_that_are_numbers():
    keys = {"source": "torchvision", "name": "SVHN", "classes": [7, "03", 1]}
    assert resolve(dataset(**keys))["datasets"]["mine"]["classes"] == ["7", "03", "1"]


def test_the_number_of_classes_is_known_while_planning(archive, tmp_path):
    def known(**keys):
        settings = resolve({**dataset(**keys), "results": str(tmp_path / "results")})
        return Known(settings), datasets.image_shape(settings["datasets"]["mine"])

    names = list(embedded.SHAPES)
    plan, (shape, classes) = known(source="embedded", classes=names[2:9], labels="shuffled")
    assert (shape, classes) == ((3, 32, 32), 7)
    assert plan.images("mine").samples == {"train": 5600, "test": 1400}
    assert plan.shapes("mine", "mlp").network.classes == 7
    plan, (_, classes) = known(source="embedded", classes=names[5:], train_samples=70)
    assert (plan.images("mine").samples, classes) == ({"train": 70, "test": 1000}, 5)
    plan, found = known(source="torchvision", name="CIFAR100", classes=["apple", "bear", "bee"])
    assert found == ((3, 32, 32), 3)
    assert plan.images("mine").samples == {"train": 1500, "test": 300}
    plan, found = known(**archive, classes=["owl", "crow"])
    assert found is None
    assert plan.images("mine").samples == {"train": 25, "test": 25}
    assert plan.shapes("mine", "mlp").network.classes == plan.images("mine").classes == 2


def test_networks_have_an_output_for_each_class():
    names = list(embedded.SHAPES)[:5]
    settings = resolve(dataset(source="embedded", classes=names))
    shape, classes = datasets.image_shape(settings["datasets"]["mine"])
    found = families.described(settings["networks"]["mlp"], image_shape=shape, classes=classes)
    assert found.site("classifier").channels == 5
