# %% [markdown]
# # From a results folder to figures of your own
#
# Make results that suit this notebook first, in a few minutes on two cores:
#
#     make run CONFIG=configs/explore.yaml
#
# Two data sets, `colour` and `gray`, hold the same images. Three networks are trained on each, and
# their weights are kept after steps 1, 2, 4, 8 and so on.
#
# Spyder, PyCharm and VS Code run this file cell by cell, and so does Jupyter with jupytext. In a
# terminal, `PYTHONPATH=. .venv/bin/python docs/explore.py` runs all of it.

# %%
import json
import os

import matplotlib.pyplot as plt
import numpy as np

import latentdims

RESULTS = os.environ.get("RESULTS", "results/explore")
NETWORK = "mlp"  # its name in the configuration
LAYER = "layer2"  # of the first and the last figure
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## What is there
#
# `results.members` lists the networks, and `results.files` the files. `results[path]` opens a file
# as a tree of named arrays, and reads only what you use.

# %%
results = latentdims.open_results(RESULTS)
members = [member for member in results.members if member.network == NETWORK]
datasets = sorted({member.dataset for member in members})
palette = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]
colours = dict(zip(datasets, palette, strict=False))
networks = {member: results[f"{member}/network.h5"] for member in members}
alignments = {member: results[f"{member}/alignment.h5"] for member in members}
print(results)

# %% [markdown]
# `results.table` is a pandas data frame with a row for every number. `seed` is missing in means
# over networks, and `at` is missing where a number is not a point of a curve.

# %%
means = results.table.query("seed.isna() and at.isna() and network == @NETWORK")
accuracy = means.query("quantity == 'accuracy' and split == 'test' and null == ''")
print(accuracy[["dataset", "value", "low", "high", "n", "unit"]].to_string(index=False))

# %% [markdown]
# ## When do networks become alike?
#
# The file `alignment.h5` of a network has a group for each earlier seed. There, `similarity` is the
# cosine between two representations after the best rotation. Its square is the variance that one
# explains of the other. `similarity_null` is the same on unrelated images.
#
# The curves have two points where only the ends were measured (`alignment.epochs: ends`).


# %%
def variance_explained(member, score="similarity"):
    """s² of a network with each earlier seed at every kept epoch, on test images, centred."""
    for partner in alignments[member].children:
        if partner.startswith("seed"):
            found = alignments[member][f"{partner}/{LAYER}/{score}"]
            yield found.sel(split="test", centring="centred") ** 2


# %%
figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 5.5), sharex=True, layout="constrained")
for member in members:
    colour = colours[member.dataset]
    for curve in variance_explained(member):
        top.plot(curve["epoch"], curve, color=colour, marker=".")
    for null in variance_explained(member, "similarity_null"):
        top.plot(null["epoch"], null.mean("pairing"), color=colour, linestyle=":")
    history = networks[member]["history/test_accuracy"]
    bottom.plot(history["epoch_history"], history, color=colour, marker=".")

kept = alignments[members[0]]["epoch"].values
if len(kept) > 2:  # the first steps are small: spread them out
    top.set_xscale("symlog", linthresh=kept[1], linscale=0.5)
    top.set_xticks(kept, [f"{epoch:.2g}" for epoch in kept])
    top.minorticks_off()
for dataset, colour in colours.items():
    top.plot([], [], color=colour, label=dataset)
top.plot([], [], color="black", linestyle=":", label="unrelated images")
top.set(ylim=(-0.02, 1), ylabel="variance explained s²", title=f"{LAYER} of pairs of networks")
top.legend(frameon=False)
bottom.set(xlabel="epoch", ylabel="test accuracy (%)")
plt.show()

# %% [markdown]
# ## What does the first layer look for?
#
# Its weights read pixels, so the eigenvectors of their covariance WᵀW / n are images: gray ones
# where the network sees gray images. Two networks need no rotation here, since both see the same
# pixels. If they look for the same things, the two rows of a data set show the same images.
#
# Eigenvectors have no sign, and those with nearly the same share of the trace swap their ranks. So
# below each of seed 0 stands the one of seed 1 that is most like it, turned to the same sign.
#
# In these results, some look like noise, and still both networks have them. Untrained networks
# share none (|cosine| below 0.1), so both learned them from the same few training images.


# %%
def eigenvectors(member, number):
    """The leading ones of the first weights (number, C, H, W), and their shares of the trace."""
    weights = networks[member]["weights/layer1"].isel(epoch=-1).values  # (neurons, C · H · W)
    singular, vectors = np.linalg.svd(weights, full_matrices=False)[1:]
    shape = json.loads(networks[member].attrs["architecture"])["image_shape"]
    shares = singular**2 / (singular**2).sum()
    return vectors[:number].reshape(-1, *shape), shares[:number]


def picture(vector):
    """An eigenvector (C, H, W) as an image (H, W, 3), with middle gray for 0."""
    image = 0.5 + 0.5 * vector / abs(vector).max()
    return np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0)


# %%
rows = [member for member in members if member.seed < 2]
figure, axes = plt.subplots(
    len(rows), 8, figsize=(8, 1.3 * len(rows)), squeeze=False, layout="constrained"
)
for row, member in zip(axes, rows, strict=True):
    vectors, shares = eigenvectors(member, 2 * len(row))
    if member.seed == 0:
        first = vectors[: len(row)]
    cosines = np.einsum("nchw,mchw->nm", first, vectors)
    for axis, cosine, share in zip(row, cosines, shares, strict=False):
        match = abs(cosine).argmax()
        axis.imshow(picture(vectors[match] * np.sign(cosine[match])))
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_title(f"{share:.1%}" if member.seed == 0 else f"{abs(cosine[match]):.2f}", size=8)
    row[0].set_ylabel(f"{member.dataset}\nseed {member.seed}", size=8)
figure.suptitle("Seed 0: share of the trace. Seed 1: |cosine| with seed 0", size=9)
plt.show()

# %% [markdown]
# ## Two data sets compared
#
# Left: how the variance of a layer spreads over its dimensions, network by network. Right: how much
# of each layer two networks share. These means are in the table, with 95 % intervals from three
# seeds on. Compare trained networks with the same networks before training.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for member in members:
    spectrum = alignments[member][f"spectra/{LAYER}/covariance"]
    for epoch, linestyle in ((-1, "-"), (0, ":")):
        values = spectrum.isel(epoch=epoch)
        shares = (values / values.sum()).where(values > 0)
        left.plot(shares["rank"], shares, color=colours[member.dataset], linestyle=linestyle)
left.set(xscale="log", yscale="log", xlabel="rank", ylabel="share of the variance")
left.set_title(f"{LAYER} (dotted: untrained)")

scores = means.query("quantity == 'variance_explained' and split == 'test'")
scores = scores.query("centring == 'centred' and layer != 'classifier'").set_index("layer")
layers = list(dict.fromkeys(scores.index))
for number, dataset in enumerate(datasets):
    for null, style in (("", "full"), ("untrained", "none")):
        found = scores.query("dataset == @dataset and null == @null").loc[layers]
        right.errorbar(
            np.arange(len(layers)) + 0.15 * number,
            found.value,
            yerr=[found.value - found.low, found.high - found.value],
            color=colours[dataset],
            marker="o",
            fillstyle=style,
            linestyle="",
            label=f"{dataset}, {null or 'trained'}",
        )
right.set(xticks=range(len(layers)), xticklabels=layers, xlim=(-0.5, len(layers) - 0.5))
right.set(ylim=(0, 1), ylabel="variance explained s²", title="pairs of networks")
right.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
