"""Values of other software for the measures, on inputs that the test makes in the same way.

Made once, with numpy 2.4.6, repsim 0.1.5, rsatoolbox 0.3.2, scikit-learn 1.9.1, statsmodels 0.15.0:
`python tests/references/measures.py`, in an environment that has them. It writes `measures.json`.
"""

import json
from pathlib import Path

import numpy as np

RIDGE = 0.07  # of the mean variance of a channel
NEIGHBOURS = 6
CASES = {  # images, channels, mean, noise
    "alike": (96, (5, 8), (3.0, -40.0), 0.4),
    "wide": (64, (11, 4), (25.0, 0.5), 2.0),
    "unrelated": (80, (7, 6), (-6.0, 9.0), np.inf),
}


def inputs(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, C), (n, D): rows that share some directions, with large means and unequal scales."""
    images, (width, other), means, noise = CASES[name]
    random = np.random.default_rng([ord(letter) for letter in name])
    x, y = (random.standard_normal((images, each)) for each in (width, other))
    if np.isfinite(noise):
        y = x @ random.standard_normal((width, other)) + noise * y
    x, y = (each * np.linspace(0.5, 2, each.shape[1]) for each in (x, y))
    return x + means[0], y + means[1]


def with_ridge(rows: np.ndarray, *, before: int, after: int) -> np.ndarray:
    """Rows, centred, and below them such that their covariance grows by a ridge, times n."""
    rows = rows - rows.mean(0)
    size = RIDGE * (rows**2).sum() / rows.shape[1]
    block = np.sqrt(size / 2) * np.eye(rows.shape[1])
    empty = [np.zeros((2 * each, rows.shape[1])) for each in (before, after)]
    return np.concatenate([rows, empty[0], block, -block, empty[1]])


def unbiased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """By equation 5 of Song et al. (2012), of all images at once. repsim centres rows before it,
    with the mean of these very rows, and is then not unbiased."""
    grams = [each @ each.T for each in (x, y)]
    for gram in grams:
        np.fill_diagonal(gram, 0)

    def criterion(k: np.ndarray, other: np.ndarray) -> float:
        n = len(k)
        sums = k.sum() * other.sum() / (n - 1) / (n - 2) - 2 * (k @ other).sum() / (n - 2)
        return float((k * other).sum() + sums) / n / (n - 3)

    own = [criterion(gram, gram) for gram in grams]
    return criterion(*grams) / float(np.sqrt(own[0] * own[1]))


def values(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """What other software says of them."""
    import repsim
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm, compare
    from sklearn.neighbors import NearestNeighbors
    from statsmodels.multivariate.cancorr import CanCorr

    distances = [calc_rdm(Dataset(each), method="euclidean") for each in (x, y)]
    ridged = [
        with_ridge(x, before=0, after=y.shape[1]),
        with_ridge(y, before=x.shape[1], after=0),
    ]
    near = [
        NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(each).kneighbors()[1]
        for each in (x, y)
    ]
    return {
        "cka": float(repsim.cka([x, y], "linear", "gretton")[0, 1]),
        "unbiased_cka": unbiased_cka(x, y),
        "whitened_cosine_of_distances": float(compare(*distances, "cosine_cov")[0, 0]),
        "cca": float((CanCorr(x, y).cancorr ** 2).mean()),
        "cca_with_ridge": float((CanCorr(*ridged).cancorr ** 2).mean()),
        "neighbours": float(
            np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(*near, strict=True)])
        ),
    }


if __name__ == "__main__":
    found = {name: values(*inputs(name)) for name in CASES}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=2) + "\n")
