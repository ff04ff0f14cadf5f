"""What is written of drawn networks: the published way, its null, other classifiers, variants."""

import json

import h5py
import numpy as np
import pytest
import torch

from latentdims.configuration import config
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.interventions.sampling import Procedure, Reference, Sampler
from latentdims.models import networks
from latentdims.statistics import folds
from latentdims.steps import generation, training

SEED, OTHER = 1, 0  # of the network that is drawn from, and of one it is averaged with
VARIANTS = {
    "layer1": {"layers": ["layer1"]},
    "averaged": {"covariances": "averaged", "draws": 1},
    "double": {"width": 2, "classifiers": ["retrained"]},
    "rank": {"rank": [1, 3]},
    "null": {"width": 2, "covariances": "white"},
}


def procedures(**changes):
    resolved = config.resolve(
        {
            "datasets": {"d": {"source": "imagefolder", "path": "x"}},
            "networks": {"n": {"architecture": "mlp", "widths": [2]}},
            "seeds": 2,
            "generation": {"draws": 2, "classifiers": ["flattened", "retrained"], **changes},
        }
    )
    return resolved["generation"]


@pytest.fixture(params=["mlp", "cnn"])
def trained(request, images, tmp_path, settings):
    """Files of two trained networks, and the settings of the first."""
    paths = [tmp_path / f"network{seed}.h5" for seed in (SEED, OTHER)]
    for seed, path in zip((SEED, OTHER), paths, strict=True):
        made = settings(request.param, seed=seed)
        training.train(images=images, output=path, settings=made, device="cpu")
    return request.param, paths, settings(request.param, seed=SEED)


def generate(images, trained, tmp_path, **changes):
    _, (network, other), settings = trained
    generation.generate(
        images=images,
        network=network,
        others={OTHER: other},
        output=tmp_path / "generation.h5",
        procedures=procedures(**changes),
        settings=settings,
        device="cpu",
    )
    return tmp_path / "generation.h5"


def reference_of(images, trained):
    """The images, the trained network that is drawn from, and the reference that it is."""
    _, (path, other), settings = trained
    loaded = data.load(images, preprocessing=settings["preprocessing"], device="cpu")
    own, average = (
        networks.load(each, settings={**settings, "seed": seed}, sha256=loaded.sha256).at(
            -1, device="cpu"
        )
        for each, seed in ((path, SEED), (other, OTHER))
    )
    return loaded, own, Reference.of(own, loaded.train.images, others=[average])


def by_fold(network, split):
    """Accuracy and loss of a network on each fold of a split, image by image."""
    probabilities = network.logits(split.images).double().softmax(1).numpy()
    fold, labels = folds.of(len(split.labels)), split.labels.numpy()
    right = [np.argmax(p) == label for p, label in zip(probabilities, labels, strict=True)]
    loss = [-np.log(p[label]) for p, label in zip(probabilities, labels, strict=True)]
    return tuple(
        [np.mean([x for x, f in zip(values, fold, strict=True) if f == each]) for each in range(8)]
        for values in (100 * np.array(right), loss)
    )


def named(values):
    """Names of the axes of a dataset, each with a scale of its length."""
    assert [len(axis[0]) for axis in values.dims] == list(values.shape)
    return [axis[0].name.split("/")[-1] for axis in values.dims]


def test_file(images, trained, tmp_path):
    name, (network, _), _ = trained
    with (
        h5py.File(generate(images, trained, tmp_path, variants=VARIANTS)) as file,
        h5py.File(network) as own,
    ):
        assert file["accuracy"].shape == file["similarity/layer1"].shape == (2,)
        assert file["reference_accuracy"][()] == own["history/test_accuracy"][-1]
        assert len(set(file["similarity/layer2"][()])) == 2
        expected = {"retrained", "white", "white_retrained", "layer1", "averaged", "double"}
        expected |= {"double_retrained", "rank_1", "rank_3", "null"}
        expected |= {"flattened", "white_flattened"} if name == "cnn" else set()
        assert set(file["variants"]) == expected
        made = procedures(variants=VARIANTS)
        assert json.loads(file.attrs["procedure"]) == made.pop("published")
        told = {way: group.attrs.get("procedure") for way, group in file["variants"].items()}
        assert {way: json.loads(text) for way, text in told.items() if text} == made
        for group, draws in (
            (file, 2),
            (file["variants/averaged"], 1),
            (file["variants/white"], 3),
        ):
            for measure in ("accuracy", "loss"):
                assert group[measure].shape == (draws,)
                assert group[f"{measure}_folds"].shape == (draws, 8)
                assert named(group[measure]) == ["draw"]
                assert named(group[f"{measure}_folds"]) == ["draw", "fold"]
            assert named(group["similarity/layer2"]) == ["draw"]
        assert named(file["reference_loss_folds"]) == ["fold"]
        assert named(file["reference_loss"]) == []
        first = file["similarity/layer1"][()]
        # The first layer is drawn alike where later ones are kept, and otherwise where not.
        np.testing.assert_array_equal(file["variants/layer1/similarity/layer1"][()], first)
        for other in ("averaged", "double", "rank_1", "white"):
            assert not np.isin(file[f"variants/{other}/similarity/layer1"][()], first).any()


PROCEDURES = {
    "": Procedure(),
    "variants/white/": Procedure(covariances="white"),
    "variants/averaged/": Procedure(covariances="averaged"),
    "variants/null/": Procedure(covariances="white", width=2),
}


def test_draws_are_those_of_the_procedure_the_seed_and_the_number(images, trained, tmp_path):
    """All scores, image by image, of the networks that the sampler gives."""
    loaded, own, reference = reference_of(images, trained)
    with h5py.File(generate(images, trained, tmp_path, variants=VARIANTS)) as file:
        found = [file[f"reference_{measure}_folds"][()] for measure in ("accuracy", "loss")]
        np.testing.assert_allclose(found, by_fold(own, loaded.test), rtol=1e-6)
        for folder, procedure in PROCEDURES.items():
            sampler = Sampler.of(reference, procedure)
            for number, accuracy in enumerate(file[f"{folder}accuracy"][()]):
                drawn = sampler.draw(seed=SEED, number=number)
                correct, loss = by_fold(drawn.network, loaded.test)
                sizes = np.bincount(folds.of(len(loaded.test.labels)))
                # Probabilities are of float32 logits, which the size of batches changes a little.
                np.testing.assert_allclose(file[f"{folder}accuracy_folds"][number], correct)
                np.testing.assert_allclose(
                    file[f"{folder}loss_folds"][number], loss, rtol=1e-5, atol=1e-6
                )
                assert accuracy == pytest.approx(np.average(correct, weights=sizes))
                assert file[f"{folder}loss"][number] == pytest.approx(
                    np.average(loss, weights=sizes), rel=1e-5
                )
                for layer, similarity in drawn.similarity.items():
                    assert file[f"{folder}similarity/{layer}"][number] == similarity


def test_classifiers_are_those_of_the_features_of_each_draw(images, trained, tmp_path):
    loaded, _, reference = reference_of(images, trained)
    settings = trained[2]
    with h5py.File(generate(images, trained, tmp_path)) as file:
        for way, procedure in (("", Procedure()), ("white_", Procedure(covariances="white"))):
            sampler = Sampler.of(reference, procedure)
            drawn = sampler.draw(seed=SEED, number=1)
            for name, classifier in generation.CLASSIFIERS.items():
                weight = classifier(sampler, drawn, loaded.train, settings)
                if weight is not None:
                    expected = generation.measures(drawn.network, {"": weight}, loaded.test)[""]
                    for measure, score in expected.items():
                        found = file[f"variants/{way}{name}/{measure}"][1]
                        np.testing.assert_allclose(found, score, rtol=1e-6)


@pytest.mark.parametrize("trained", ["cnn"], indirect=True)
def test_the_flattened_classifier_reads_features_in_the_order_of_its_weights(images, trained):
    loaded, own, reference = reference_of(images, trained)
    sampler = Sampler.of(reference, Procedure(width=1.5))
    drawn = sampler.draw(seed=SEED, number=0)
    weight = generation.flattened(sampler, drawn, loaded.train, trained[2])
    assert weight is not None
    *_, kept = reference.representations.values()
    x, y = (each.flatten(1).double().numpy() for each in (kept, drawn.features))
    left, _, right = np.linalg.svd(x.T @ y, full_matrices=False)
    smaller = np.sqrt(x.shape[1] / y.shape[1])  # wider draws have more features of the same power
    expected = own.weights["classifier"].double().numpy() @ left @ right * smaller
    # Outputs: where features have no power, no rotation is told from another.
    difference = np.abs((weight.double().numpy() - expected) @ y.T).max()
    assert difference < 1e-3 * np.abs(expected @ y.T).max()  # float32 moments


def test_a_retrained_classifier_descends_on_the_features_of_the_draw(images, trained):
    """Two epochs of two steps along the gradient with momentum, written out; the start and the
    order of the images are those of the seed."""
    loaded, own, reference = reference_of(images, trained)
    sampler = Sampler.of(reference, Procedure())
    drawn = sampler.draw(seed=SEED, number=0)
    settings = trained[2]
    settings["training"] |= {"epochs": 2, "batch_size": 40, "learning_rate": 0.3, "momentum": 0.6}
    found = generation.retrained(sampler, drawn, loaded.train, settings)
    assert found is not None
    weight = torch.empty_like(own.weights["classifier"])
    bound = weight.shape[1] ** -0.5
    weight.uniform_(-bound, bound, generator=networks.torch_generator(SEED, stream=0))
    x, wanted = drawn.features.flatten(1), torch.nn.functional.one_hot(loaded.train.labels, 4)
    order, momentum = networks.torch_generator(SEED, stream=1), torch.zeros_like(weight)
    for _ in range(2):
        for batch in torch.randperm(60, generator=order).split(40):
            wrong = (x[batch] @ weight.T).softmax(1) - wanted[batch]
            momentum = 0.6 * momentum + wrong.T @ x[batch] / len(batch)
            weight = weight - 0.3 * momentum
    assert (found - weight).abs().max() < 1e-5  # float32


def test_scores_of_outputs_that_are_not_finite_are_undefined():
    logits, labels = torch.ones(30, 4), torch.zeros(30, dtype=torch.int64)
    assert all(np.isfinite(score).all() for score in generation.scores(logits, labels).values())
    logits[7, 2] = np.inf
    assert all(np.isnan(score).all() for score in generation.scores(logits, labels).values())


def test_no_null_where_none_is_asked_for(images, trained, tmp_path):
    with h5py.File(generate(images, trained, tmp_path, white_draws=0, classifiers=[])) as file:
        assert "variants" not in file


def test_a_layer_that_is_not_there_is_named(images, trained, tmp_path):
    with pytest.raises(InputError, match=r"variants\.v\.layers: no hidden layer 'layer3'"):
        generate(images, trained, tmp_path, variants={"v": {"layers": ["layer3"]}})


@pytest.mark.parametrize(
    ("asked", "published", "others"),
    [(23, 23, 23), (60, 60, 41), (1000, 60, 41), ("all", 60, 41)],
)
def test_draws_are_aligned_on_so_many_images_and_classifiers_trained_on_all(
    asked, published, others, images, trained, tmp_path, monkeypatch
):
    seen, features = {}, []
    original, descent = generation.Sampler.of, generation.Descent.steps

    def recorded(reference, procedure):
        seen[procedure] = reference.images
        return original(reference, procedure)

    def descended(self, split, **options):
        features.append(split)
        return descent(self, split, **options)

    monkeypatch.setattr(generation.Sampler, "of", recorded)
    monkeypatch.setattr(generation.Descent, "steps", descended)
    numbers = {"alignment_images": asked, "variant_images": 41}
    generate(images, trained, tmp_path, variants={"rank": {"rank": 2}}, **numbers)
    loaded, *_ = reference_of(images, trained)
    known = {image.numpy().tobytes() for image in loaded.train.images}
    ways = {(each.covariances, each.rank): shown for each, shown in seen.items()}
    assert ways.keys() == {("own", None), ("white", None), ("own", 2)}
    for way, shown in ways.items():
        number = published if way == ("own", None) else others
        assert {image.numpy().tobytes() for image in shown} <= known
        assert len(shown) == len({x.numpy().tobytes() for x in shown}) == number
    for split in features:
        assert len(split.images) == len(split.labels) == 60
        assert torch.equal(split.labels, loaded.train.labels)
