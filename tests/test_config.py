"""The configuration: defaults, numbers, and clear refusals."""

import math
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from latentdims.configuration.config import PROJECT, SCHEMA, resolve
from latentdims.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATIONS = [
    "config.yaml",
    *(str(path.relative_to(ROOT)) for path in ROOT.glob("configs/**/*.yaml")),
]


RESNET = {"architecture": "resnet", "depth": 8}


def config(**changes: Any) -> dict[str, Any]:
    return {
        "datasets": {"shapes": {"source": "embedded"}},
        "networks": {"mlp": {"architecture": "mlp", "widths": [8]}},
        "seeds": 2,
        **changes,
    }


def dataset(**keys: Any) -> dict[str, Any]:
    return config(datasets={"mine": keys})


def cnn(**keys: Any) -> dict[str, Any]:
    return config(networks={"net": {"architecture": "cnn", "channels": [4], **keys}})


def recipe(**keys: Any) -> dict[str, Any]:
    return cnn(training=keys)


@pytest.mark.parametrize("path", CONFIGURATIONS)
def test_shipped_configurations_are_valid(path):
    resolve(yaml.safe_load((ROOT / path).read_text()))


def test_defaults_are_filled_in():
    resolved = resolve(config())
    assert resolved["training"]["learning_rate"] == 0.01
    assert resolved["datasets"]["shapes"]["preprocessing"]["steps"] == ["normalize"]
    assert resolved["together"] is False
    published = {"classifiers": [], "covariances": "own", "draws": 10, "layers": "all"}
    published |= {"rank": "all", "width": 1.0, "images": None}
    white = {**published, "covariances": "white", "draws": 3}
    assert resolved["generation"] == {"published": published, "white": white}


@pytest.mark.parametrize("name", ["download", "figures", "logs", "resources"])
def test_a_data_set_cannot_bear_the_name_of_a_folder_of_results(name):
    with pytest.raises(InputError, match=f"datasets.{name}: this name is reserved; choose another"):
        resolve(config(datasets={name: {"source": "embedded"}}))


def test_a_list_of_ranks_is_a_variant_of_each():
    variants = {"few": {"rank": [1, 3]}, "wide": {"width": 2, "draws": 4}}
    resolved = resolve(config(generation={"draws": 6, "variants": variants}))["generation"]
    assert {name: (each["rank"], each["draws"]) for name, each in resolved.items()} == {
        "published": ("all", 6),
        "white": ("all", 3),
        "few_1": (1, 6),
        "few_3": (3, 6),
        "wide": ("all", 4),
    }


def test_the_null_of_generation_is_drawn_as_published_and_has_the_same_classifiers():
    given = {"draws": 6, "classifiers": ["retrained", "flattened"], "variants": {"v": {"width": 2}}}
    null, published = (
        resolve(config(generation={**given, "white_draws": 4}))["generation"][name]
        for name in ("white", "published")
    )
    assert null == {**published, "covariances": "white", "draws": 4}
    without = resolve(config(generation={**given, "white_draws": 0}))["generation"]
    assert list(without) == ["published", "v"]


@pytest.mark.parametrize(
    ("given", "published", "others"),
    [
        ({}, None, None),
        ({"alignment_images": 700}, 700, 700),
        ({"variant_images": 90}, None, 90),
        ({"variant_images": "all"}, None, None),
        ({"alignment_images": 700, "variant_images": "all"}, 700, 700),
    ],
)
def test_white_draws_and_variants_see_the_same_images_and_no_more_than_others(
    given, published, others
):
    variants = {"rank": {"rank": [1, 2]}, "wide": {"width": 2}}
    resolved = resolve(config(generation={**given, "variants": variants}))["generation"]
    expected = dict.fromkeys(("white", "rank_1", "rank_2", "wide"), others)
    found = {name: each["images"] for name, each in resolved.items()}
    assert found == {"published": published, **expected}


def test_a_variant_may_be_white_too():
    variants = {"v": {"covariances": "white", "width": 2}}
    resolved = resolve(config(generation={"variants": variants}))["generation"]
    assert resolved["v"] == {**resolved["white"], "width": 2, "draws": 10}


def test_text_that_is_a_number_is_taken_for_it():
    training = yaml.safe_load("{learning_rate: 1e-3, epochs: 1e1, momentum: 0}")
    assert training["learning_rate"] == "1e-3"
    resolved = resolve(config(training=training))["training"]
    assert (resolved["learning_rate"], resolved["epochs"]) == (0.001, 10)
    assert isinstance(resolved["epochs"], int)
    assert isinstance(resolved["momentum"], float)


def test_a_network_overrides_keys_of_the_recipe():
    given = recipe(epochs="2", schedule="steps", milestones=[1], learning_rate="1e-2")
    given["networks"]["other"] = {"architecture": "mlp", "widths": [3]}
    resolved = resolve({**given, "training": {"momentum": 0.5}})
    own, other = (resolved["recipes"][name] for name in ("net", "other"))
    assert (own["epochs"], own["learning_rate"], own["milestones"]) == (2, 0.01, [1])
    assert (other["epochs"], other["milestones"], other["factor"]) == (5, [], None)
    assert own["momentum"] == other["momentum"] == 0.5
    assert "training" not in resolved["networks"]["net"]


def test_training_together_is_no_part_of_what_a_network_depends_on():
    alone, together = (resolve(config(training={"together": word})) for word in ("false", "true"))
    assert together == {**alone, "together": True}


def test_what_the_command_line_hands_on_as_text_is_what_it_means():
    def as_text(value):
        if isinstance(value, dict):
            return {key: as_text(part) for key, part in value.items()}
        if isinstance(value, list):
            return [as_text(part) for part in value]
        return "null" if value is None else str(value).lower()

    given = dataset(source="imagefolder", path="photos.tar", size=None) | {
        "networks": {
            "a": {"architecture": "mlp", "widths": [8, 4]},
            "b": {"architecture": "cnn", "channels": [4], "kernel_size": 3},
        },
        "training": {"epochs": 3, "learning_rate": 0.1, "keep_epochs": [2]},
        "clipping": {"ranks": [1, 3]},
        "generation": {
            "draws": 2,
            "white_draws": 1,
            "classifiers": ["retrained"],
            "variants": {"v": {"rank": [1, 2], "width": 2}, "w": {"layers": ["layer1"], "rank": 3}},
        },
    }
    assert repr(resolve(as_text(given))) == repr(resolve(given))


def test_names_that_yaml_reads_as_numbers_are_text():
    given = yaml.safe_load(
        "{datasets: {2024: {source: embedded}, 1e3: {source: embedded}}, seeds: 2,"
        " networks: {64: {architecture: mlp, widths: [8]}},"
        " published: {2024: {64: {chance_accuracy: [1]}}}}"
    )
    resolved = resolve(given)
    assert list(resolved["datasets"]) == ["1e3", "2024"]
    assert list(resolved["networks"]) == ["64"]
    (entry,) = resolved["published"]["2024"]["64"]
    assert (entry["quantity"], entry["values"]) == ("chance_accuracy", [1.0])


@pytest.mark.parametrize("nothing", [None, "null"])
def test_null_takes_out_what_a_file_gives(nothing):
    networks = {
        "mlp": nothing,
        "cnn": {"architecture": "mlp", "widths": [5], "channels": nothing},
    }
    datasets = {"shapes": nothing, "other": {"source": "embedded", "test_samples": 30}}
    variants = {"wide": nothing, "narrow": {"width": 0.5}}
    given = config(networks=networks, datasets=datasets, generation={"variants": variants})
    resolved = resolve(given)
    assert resolved["networks"] == {"cnn": {"architecture": "mlp", "widths": [5]}}
    assert list(resolved["datasets"]) == ["other"]
    assert list(resolved["generation"]) == ["published", "white", "narrow"]


def test_home_and_variables_are_put_into_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch/of me")
    given = dataset(source="imagefolder", path="$SCRATCH/photos")
    resolved = resolve({**given, "results": "~/runs//first/"})
    assert resolved["results"] == "/home/me/runs/first"
    assert resolved["datasets"]["mine"]["path"] == "/scratch/of me/photos"
    relative = resolve({**given, "results": "./runs"})
    assert relative["results"] == "runs"
    monkeypatch.delenv("SCRATCH")
    assert resolve(given)["datasets"]["mine"]["path"] == "$SCRATCH/photos"


def test_folders_of_the_project_are_not_for_results():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    assert {name.partition("/")[0] for name in listed.splitlines() if "/" in name} <= PROJECT


def test_the_order_of_keys_is_forgotten():
    def shuffled(value):
        if isinstance(value, dict):
            return {key: shuffled(part) for key, part in reversed(value.items())}
        return value

    given = config(training={"epochs": 3, "batch_size": 7})
    assert repr(resolve(shuffled(given))) == repr(resolve(given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (config(seeds=1e9), "seeds: 1000000000 is greater than the maximum of 10000"),
        (config(results=str(ROOT / "latentdims")), "is a folder of the project; choose another"),
        (config(results=str(ROOT)), "is a folder of the project; choose another"),
        (config(results=str(ROOT / ".git/mine")), "is a folder of the project; choose another"),
        (config(results="."), "results: '.' is the working folder itself; name a folder in it"),
        (config(results="a{b}"), "results: 'a{b}' contains '{'; name a folder without it"),
        (config(results="a<b"), "results: 'a<b' contains '<'"),
        (config(results="a\nb"), "results: .* contains .*n'; name a folder without it"),
        (config(results=" a"), "results: ' a' contains ' '"),
        (config(results="$NOWHERE/a"), r"results: \$NOWHERE in '\$NOWHERE/a' is not defined here"),
        (config(results="~nobody-here/a"), "results: ~nobody-here in .* is not defined here"),
        (config(results=2024), "results: found 2024, expected text"),
        (config(networks={False: {}}), "networks.False: YAML reads this name as False; quote it"),
        (config(networks={1.5: {}}), "networks.1.5: YAML reads this name as 1.5; quote it"),
        (config(networks={64: {}, "64": {}}), "networks.64: this name is given twice"),
        (config(networks={"mlp": None}), "networks: "),
        (config(sedes=3), "sedes: unknown key; did you mean 'seeds'"),
        (
            config(training={"learning_rat": 0.1}),
            "training.learning_rat: unknown key; did you mean 'learning_rate'",
        ),
        (dataset(source="embeded"), "datasets.mine.source: .*'embeded'; did you mean 'embedded'"),
        (dataset(source="torchvision", name="CIFAR"), "did you mean 'CIFAR10'"),
        (dataset(source="torchvision"), "source 'torchvision' needs the key 'name'"),
        (dataset(source="imagefolder"), "source 'imagefolder' needs the key 'path'"),
        (
            dataset(source="imagefolder", path="x", range=[255, 0]),
            r"datasets.mine.range: \[255.0, 0.0\] is not \[black, white\]",
        ),
        (dataset(source="imagefolder", path="x", test_share=1), "datasets.mine.test_share"),
        (dataset(path="x"), "datasets.mine: missing key 'source'"),
        (dataset(source="embedded", size=[1, 2, 3]), "datasets.mine.size"),
        (config(datasets={"a/b": {"source": "embedded"}}), "datasets.a/b: names may contain only"),
        (config(datasets={}), "datasets: "),
        (config(seeds=0), "seeds: 0 is less than the minimum of 1"),
        (config(seeds="three"), "seeds: found 'three', expected a whole number"),
        (config(seeds=2.5), "seeds: found 2.5, expected a whole number"),
        (config(seeds=None), "seeds: found None, expected a whole number"),
        (config(training={"learning_rate": "fast"}), "expected a number"),
        (config(training={"epochs": 2, "keep_epochs": [3]}), "3 is beyond the last epoch, 2"),
        (config(training={"epochs": 2, "keep_epochs": [2.1]}), r"2\.1 is beyond the last epoch, 2"),
        (recipe(keep_steps="powers"), "found 'powers', expected 'powers_of_two' or a list"),
        (
            recipe(epochs=2, batch_size=64, keep_steps=[3, 251]),
            r"networks\.net\.training\.keep_steps: 251 is beyond the last step, 250",
        ),
        (
            config(generation={"alignment_images": "most"}),
            "generation.alignment_images: found 'most'",
        ),
        (config(generation={"alignment_images": 0}), "generation.alignment_images: 0 is less than"),
        (config(generation={"variant_images": "some"}), "generation.variant_images: found 'some'"),
        (config(generation={"variant_images": 0}), "generation.variant_images: 0 is less than"),
        (recipe(epoch=3), r"networks\.net\.training\.epoch: unknown key; .*'epochs'"),
        (recipe(optimiser="adam"), r"networks\.net\.training\.optimiser: .*'adamw'"),
        (recipe(schedule="cosin"), r"networks\.net\.training\.schedule: .*'cosine'"),
        (recipe(together=True), r"networks\.net\.training\.together: unknown key"),
        (recipe(keep_epochs=[9]), r"networks\.net\.training\.keep_epochs: 9 is beyond .*, 5"),
        (recipe(schedule="steps", milestones=[7]), r"net\.training\.milestones: 7 is not before"),
        (config(training={"warm_up": 6}), r"^training\.warm_up: 6 epochs are longer"),
        (config(training={"augmentation": ["flop"]}), r"training\.augmentation\.0: .*'flip'"),
        (config(alignment={"pairs": "al"}), "alignment.pairs: .*did you mean 'all'"),
        (config(clipping={"ranks": "every"}), "clipping.ranks: found 'every', expected 'all' or a"),
        (config(clipping={"ranks": [0]}), "clipping.ranks.0"),
        (config(clipping={"ranks": [2, 9]}), "9 is beyond the dimension of every layer, at most 8"),
        (config(clipping={"rerun_images": 7}), "clipping.rerun_images: 7 is less than"),
        (config(clipping={"rerun_ranks": "most"}), "clipping.rerun_ranks: found 'most'"),
        (
            config(networks={"r": RESNET}, generation={"variants": {"half": {"width": 0.5}}}),
            "generation.variants: no networks .* from r: its blocks add .*no chain; leave",
        ),
        (
            config(
                networks={"r": RESNET}, published={"shapes": {"r": {"generated_accuracy": [9]}}}
            ),
            r"published.shapes.r.generated_accuracy: no networks can be drawn from it: its",
        ),
        (config(networks={"r": {**RESNET, "depth": 9}}), "networks.r.depth: 9 is not 6 n"),
        (
            config(generation={"variants": {"v": {"layers": ["layer2"]}}}),
            "generation.variants.v.layers: no hidden layer 'layer2'; .*'layer1'",
        ),
        (
            config(generation={"variants": {"v": {"rank": [2, 9]}}}),
            "generation.variants.v_9.rank: 9 is beyond the dimension of every layer, at most 8",
        ),
        (
            config(seeds=1, generation={"variants": {"v": {"covariances": "averaged"}}}),
            "generation.variants.v.covariances: an average needs two networks",
        ),
        *(
            (config(generation={"variants": {name: {}}}), f"{name}: this name is reserved; choose")
            for name in ("published", "flattened", "retrained", "deviation_over_draws")
        ),
        *(
            (
                config(generation={"variants": {name: {}}, "white_draws": 0}),
                f"generation.variants.{name}: names that begin with '{start}' are reserved",
            )
            for start, name in (
                ("white", "white"),
                ("white", "white_flattened"),
                ("white", "whitened"),
                ("above_white", "above_white_flattened"),
            )
        ),
        (
            config(generation={"variants": {"v": {"covariances": "white", "rank": [2, 3]}}}),
            r"v.rank: found \[2, 3\], but white covariances .* components; remove rank",
        ),
        (config(generation={"white_draws": -1}), "generation.white_draws: -1 is less than"),
        (
            config(generation={"variants": {"v": {"rank": [2, 3]}, "v_2": {"width": 2}}}),
            "generation.variants.v_2: another variant has results of the same name, v_2",
        ),
        (
            config(
                generation={"variants": {"v": {"classifiers": ["retrained"]}, "v_retrained": {}}}
            ),
            "generation.variants.v_retrained: another variant has results of the same name",
        ),
        (
            config(training={"learning_rate": math.nan}),
            "training.learning_rate: found nan, expected a finite number",
        ),
        (config(training={"weight_decay": "inf"}), "training.weight_decay: found inf"),
        (
            dataset(source="imagefolder", path="x", range=[0, math.inf]),
            "datasets.mine.range.1: found inf",
        ),
        (config(clipping={"ranks": [2, 2]}), r"clipping.ranks: \[2, 2\] has non-unique elements"),
        (config(generation={"variants": {"v": {"rnk": 1}}}), "did you mean 'rank'"),
        (
            config(networks={"big": {"architecture": "resmet"}}),
            "networks.big.architecture: unknown 'resmet'; did you mean 'resnet'",
        ),
        (
            config(networks={"big": {"architectur": "resnet"}}),
            "networks.big.architectur: unknown key; did you mean 'architecture'",
        ),
        (cnn(kernel_size=33), "networks.net.kernel_size: 33 is larger than the 32 x 32"),
        (cnn(kernels=3), "networks.net.kernels: unknown key .*did you mean 'kernel_size'"),
    ],
)
def test_mistakes_name_the_key_and_what_to_do(given, message):
    with pytest.raises(InputError, match=message):
        resolve(given)


def test_every_key_of_the_schema_has_a_description():
    def undescribed(schema, path):
        for key, part in schema.get("properties", {}).items():
            if part.get("type") == "object":
                yield from undescribed(part, f"{path}{key}.")
            elif "description" not in part:
                yield f"{path}{key}"
        for part in schema.get("patternProperties", {}).values():
            yield from undescribed(part, f"{path}*.")

    assert list(undescribed(yaml.safe_load(SCHEMA.read_text()), "")) == []
