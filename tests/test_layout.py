import pytest

from latentdims.errors import InputError
from latentdims.images.sources.layout import arrange

TWO = ["train/a/0.png", "train/b/1.png", "test/a/2.png", "test/b/3.png"]


def arranged(places, odd=None, **options):
    return arrange(places, odd or {}, path="photos", **options)


def refused(places, *words, **options):
    with pytest.raises(InputError) as error:
        arranged(places, **options)
    for word in ("photos: ", *words):
        assert word in str(error.value)


@pytest.mark.parametrize("top", ["", "deep/photos/", "/", "../", "train/"])
def test_images_of_each_split_and_class_below_any_folder(top):
    layout = arranged([top + place for place in TWO])
    assert layout.images == {
        top + place: (place.split("/")[0], place.split("/")[1]) for place in TWO
    }
    assert layout.classes == ["a", "b"] and not layout.passed


def test_what_is_passed_over_is_said_with_the_reason():
    others = {
        "train/a/.hidden.png": "hidden",
        ".git/train/a/x.png": "hidden",
        "__MACOSX/train/a/x.png": "hidden",
        "train/a/notes.txt": "not an image by its extension",
        "train/loose.png": "in train/, but in no class",
        "test/loose.JPG": "in test/, but in no class",
        "train/a/more/x.png": "in a folder below its class",
        "valid/a/x.png": "outside train/ and test/",
        "x.png": "outside train/ and test/",
    }
    layout = arranged([*TWO, *others], {"train/pipe": "not a regular file"})
    assert set(layout.images) == set(TWO)
    expected = {"not a regular file": ["train/pipe"]}
    for place, reason in others.items():
        expected.setdefault(reason, []).append(place)
    assert layout.passed == expected
    assert sorted(layout.report())[0] == (
        "passed over, hidden: 3 (train/a/.hidden.png, .git/train/a/x.png, __MACOSX/train/a/x.png)"
    )


def test_only_the_first_of_many_are_named():
    (line,) = arranged([*TWO, *(f"{i}.txt" for i in range(2000))]).report()
    assert line == "passed over, not an image by its extension: 2000 (0.txt, 1.txt, 2.txt, …)"


def test_extensions_count_in_any_case_and_none_may_be_an_image():
    assert len(arranged([*TWO, "train/a/X.JPEG", "train/a/4f5e"]).images) == 6


def test_one_class_is_refused():
    refused(["train/a/0.png", "test/a/1.png"], "all images are of one class, a")
    refused(["a/0.png", "a/1.png", "a/2.png"], "found no", test_share=0.2)


def test_other_places_are_part_of_the_refusal():
    refused(["train/a/x/0.png", "test/a/y/1.png"], "in a folder below its class: 2 (train/a/x/0")
    refused(["a/0.png", "b/0.png"], "found no train/ or test/", "datasets.<name>.test_share")
    refused([*TWO, "more/train/a/0.png"], "in several places: train/a/0.png and more/train/a/0.png")
    refused([*TWO, "train/c/0.png"], "class c is in train/ but not in test/")
    refused(TWO[:2], "no images in test/")


def flat(counts, top=""):
    return [f"{top}{name}/{i}.png" for name, count in counts.items() for i in range(count)]


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_a_share_of_each_class_is_drawn_for_testing(share):
    counts = {"a": 10, "b": 31, "c": 2}
    layout = arranged(flat(counts), test_share=share)
    assert layout.classes == ["a", "b", "c"]
    for name, count in counts.items():
        tests = [split for split, label in layout.images.values() if label == name].count("test")
        assert tests == min(max(round(share * count), 1), count - 1)


def test_the_draw_depends_on_names_and_seed_alone():
    places = flat({"a": 40, "b": 30})
    drawn = arranged(places, test_share=0.3, split_seed=4).images
    assert arranged(places[::-1], test_share=0.3, split_seed=4).images == drawn
    below = arranged([f"top/{place}" for place in places], test_share=0.3, split_seed=4).images
    assert {place.removeprefix("top/"): found for place, found in below.items()} == drawn
    assert arranged(places, test_share=0.3, split_seed=5).images != drawn
    assert arranged(places, test_share=0.3).images != drawn
    numbers = [int(place[2:-4]) for place, found in drawn.items() if found == ("test", "a")]
    assert numbers != list(range(min(numbers), max(numbers) + 1))  # not the first, nor the last


def test_a_flat_folder_passes_over_what_lies_elsewhere():
    layout = arranged([*flat({"a": 3, "b": 2}), "x.png", "a/more/x.png"], test_share=0.5)
    assert layout.passed == {
        "in no class": ["x.png"],
        "in a folder below its class": ["a/more/x.png"],
    }
    assert len(layout.images) == 5


def test_a_flat_folder_that_cannot_be_split_is_refused():
    refused(flat({"a": 3, "b": 1}), "class b has a single image", test_share=0.5)
    refused(TWO, "holds train/ or test/", "remove datasets.<name>.test_share", test_share=0.5)
    only_train = flat({"a": 3, "b": 2}, top="train/")
    assert len(arranged(only_train, test_share=0.5).images) == 5
