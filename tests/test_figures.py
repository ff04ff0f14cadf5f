"""Every figure is drawn, says what it must, and has the same bytes again."""

from importlib import import_module

import pytest
from conftest import CLASSES, write_images
from test_summary import files  # noqa: F401 (a fixture)

from latentdims.figures import catalogue, style

WORDS = {  # what must stand on each
    "training": [
        "epoch",
        "accuracy (%)",
        "cross-entropy (nats)",
        "train",
        "test images",
        "3 seeds",
    ],
    "spectra": ["rank", "eigenvalue", "layer 1, second moment", "layer 1, covariance", "3 seeds"],
    "clipping": ["rank kept", "test accuracy (%)", "random directions", "chance", "whole network"],
    "weights": ["Marchenko-Pastur edge", "untrained", "trained", "test accuracy (%)", "classifier"],
    "alignment": ["variance explained", "trained", "untrained", "unrelated images", "3 seeds"],
    "eigenvectors": ["eigenvector, seed 0", "eigenvector, seed 1", "|cosine|", "chance, k/d"],
    "weight_eigenvectors": ["eigenvector, seed 0", "eigenvector, seed 1", "classifier"],
    "generation": ["seed", "trained", "drawn", "similarity", "as published", "components drawn"],
}


@pytest.mark.parametrize("name", catalogue.SOURCES)
def test_figure(name, files, tmp_path):  # noqa: F811
    written = []
    for time in range(4):
        drawing = import_module(f"latentdims.figures.{name}").draw(
            {kind: files[kind] for kind in catalogue.SOURCES[name]}
        )
        svg, pdf = tmp_path / f"{time}.svg", tmp_path / f"{time}.pdf"
        style.save(drawing, svg=svg, pdf=pdf)
        written.append((svg.read_bytes(), pdf.read_bytes()))
    assert len(set(written)) == 1
    text = written[0][0].decode()
    assert [word for word in WORDS[name] if word not in text] == []


@pytest.mark.parametrize("channels", [1, 3])
def test_samples(channels, tmp_path):
    path = write_images(tmp_path / "images.h5", channels=channels)
    drawing = import_module("latentdims.figures.samples").draw({"images": str(path)})
    style.save(drawing, svg=tmp_path / "samples.svg", pdf=tmp_path / "samples.pdf")
    assert all(f">{name}<" in (tmp_path / "samples.svg").read_text() for name in CLASSES)
