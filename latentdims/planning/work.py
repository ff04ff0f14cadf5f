"""How long a job takes, from its operations and the speed of this machine."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from latentdims.planning import costs, disk, pace
from latentdims.planning.costs import Network
from latentdims.planning.jobs import Job
from latentdims.planning.known import Known
from latentdims.recipes import recipe

# Operations that others are worth, as in `costs`: a job begins in a fork, or in a process of its
# own; a figure is drawn; an image is decoded, or made, and each pixel; a byte is written.
FORK, PROCESS, FIGURE = 40e9, 80e9, 120e9
ONE_IMAGE, PIXEL = 1e7, 4e3
BYTE = 300
RATE = 10e6  # bytes a second of a download


class Work:
    """Seconds of each job on one thread."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._networks: dict[tuple[str, str], Network | None] = {}

    def seconds(self, job: Job) -> float | None:
        """None where it is not known what the job computes."""
        try:
            written = len(job.outputs) * (disk.size(job, self._known) or 0)
            return RULES[job.rule](self, job) + costs.took(BYTE * written)
        except KeyError:  # of another workflow, or of a network that is not known
            return None

    def network(self, dataset: str, name: str) -> Network:
        """Raises KeyError where it is not known."""
        if (dataset, name) not in self._networks:
            shapes, found = self._known.shapes(dataset, name), None
            if shapes:
                asked = self._known.settings["networks"][name]
                found = Network(shapes, pace.of(asked, shapes.network))
            self._networks[dataset, name] = found
        known = self._networks[dataset, name]
        if known is None:
            raise KeyError(name)
        return known

    def own(self, job: Job) -> Network:
        """The network of a job."""
        return self.network(job.wildcards["dataset"], job.wildcards["network"])

    def members(self, job: Job) -> tuple[Network, list[tuple[Network, Mapping[str, Any]]]]:
        """Of a comparison: the own network, and its partners with the sites that are compared."""
        members = self._known.settings["comparisons"][job.wildcards["comparison"]]["members"]

        def of(name: str) -> Network:
            return self.network(members[name]["dataset"], members[name]["network"])

        partners = [
            (of(each["place"].rpartition("/seed")[0]), each["matches"])
            for each in job.params["partners"]
        ]
        return of(job.wildcards["member"]), partners

    def epochs(self, job: Job) -> int:
        """At how many a network is measured."""
        return self._known.measured(job.wildcards["dataset"], job.wildcards["network"])

    def along(self, job: Job) -> int:
        """1 where it is also compared with itself at its last epoch, else 0."""
        return int(self._known.settings["alignment"]["epochs"] == "kept")

    def prepare(self, job: Job) -> float:
        images = self._known.images(job.wildcards["dataset"])
        if images is None:
            raise KeyError(job.wildcards["dataset"])
        number = sum(images.samples.values())
        return costs.took(PROCESS) + costs.took(
            number * (ONE_IMAGE + PIXEL * math.prod(images.shape[1:]))
        )

    def download(self, job: Job) -> float:
        return costs.took(PROCESS) + (disk.size(job, self._known) or 0) / RATE

    def describe(self, job: Job) -> float:
        network = self.own(job)
        return 2 * costs.took(FORK) + 20 * network.pace.step

    def train(self, job: Job) -> float:
        """Steps, and an evaluation of both splits before the first epoch and after each."""
        network, training = self.own(job), job.params["settings"]["training"]
        images, epochs = network.shapes.samples["train"], training["epochs"]
        steps = epochs * recipe.steps_per_epoch(training, images=images)
        weights = network.shapes.weights * 1e6 / 4
        one = epochs * images * network.pace.step + costs.took(steps * costs.WEIGHT * weights)
        one += (epochs + 1) * network.samples * network.pace.forward
        return costs.took(FORK) + len(job.outputs) * one

    def adopt(self, job: Job) -> float:
        network, epochs = self.own(job), self._known.kept(**_place(job))
        return costs.took(FORK) + epochs * network.samples * network.pace.forward

    def covariance(self, job: Job) -> float:
        """Of one of the parts of the images; products with each partner, and with itself."""
        network, partners = self.own(job), len(job.params["partners"]) + self.along(job)
        _, parts = job.params["part"] or (0, 1)
        sites = network.described.sites
        one = (1 + partners) * (
            network.pace.forward + costs.took(costs.products(sites) + costs.moved(sites))
        )
        return costs.took(FORK) + self.epochs(job) * network.samples * one / parts

    def merge(self, job: Job) -> float:
        return costs.took(FORK)

    def align(self, job: Job) -> float:
        network, partners = self.own(job), len(job.params["partners"]) + self.along(job)
        sites = network.described.sites
        pairs = [(site, site) for site in sites]
        one = costs.pair(network, network, pairs, options=job.params["options"])
        one += costs.took(costs.of_weights(network.described, job.params["options"]["pairings"]))
        return costs.took(FORK) + self.epochs(job) * (costs.spectra(sites) + partners * one)

    def compare_covariance(self, job: Job) -> float:
        own, partners = self.members(job)
        sites = own.described.sites
        one = own.pace.forward + costs.took(costs.products(sites) + costs.moved(sites))
        for partner, matches in partners:
            theirs = partner.described
            products = sum(costs.product(*pair) for pair in costs.matched(partner, own, matches))
            one += partner.pace.forward + costs.took(products + costs.moved(theirs.sites))
        return costs.took(FORK) + self._stages(job) * own.samples * one

    def compare_align(self, job: Job) -> float:
        own, partners = self.members(job)
        options = job.params["options"]
        seconds = costs.spectra(own.described.sites)
        for partner, matches in partners:
            seconds += costs.pair(
                partner, own, costs.matched(partner, own, matches), options=options
            )
        return costs.took(FORK) + self._stages(job) * seconds

    def _stages(self, job: Job) -> int:
        return 1 if job.params["settings"].get("epoch") is not None else 2

    def consensus(self, job: Job) -> float:
        network, seeds = self.own(job), self._known.settings["seeds_of"][job.wildcards["network"]]
        sweeps = costs.SWEEPS if seeds > 2 else 1
        one = sum(
            costs.DECOMPOSITION * costs.cubed(site.channels) for site in network.described.sites
        )
        return costs.took(PROCESS) + costs.took(self.epochs(job) * sweeps * seeds * one)

    def clip(self, job: Job) -> float:
        network, options = self.own(job), job.params["options"]
        images = network.shapes.samples["test"]
        bases = [name for name in options["bases"] if name != "weight"]
        weights = network.described.weights if "weight" in options["bases"] else ()
        if network.described.is_chain:
            sizes = [
                costs.ranks_of(site.channels, options["ranks"], None)
                for site in network.described.hidden
            ]
            one = len(bases) * costs.clipped(network, sizes, first=1)
            if weights:
                of_weights = [costs.ranks_of(each.rank, options["ranks"], None) for each in weights]
                one += costs.clipped(network, of_weights, first=0)
            return (
                costs.took(FORK)
                + images * (network.pace.forward + one)
                + self._bases(network, bases)
            )
        images = min(images, options["rerun_images"] or images)
        most = options["rerun_ranks"]
        curves = [
            costs.ranks_of(site.channels, options["ranks"], most)
            for site in network.described.hidden
        ]
        passes = len(bases) * sum(curves) / 2  # what follows a site alone: half of the network
        passes += sum(costs.ranks_of(each.rank, options["ranks"], most) for each in weights) / 2
        seconds = images * (1 + passes) * network.pace.forward
        return costs.took(FORK) + seconds + self._bases(network, bases)

    def _bases(self, network: Network, bases: Sequence[str]) -> float:
        """Eigenvectors of representations and of weights."""
        took = len(bases) * sum(costs.cubed(site.channels) for site in network.described.hidden)
        took += sum(costs.thin(weight.shape) for weight in network.described.weights)
        return costs.took(costs.DECOMPOSITION * took)

    def generate(self, job: Job) -> float:
        network = self.own(job)
        samples = network.shapes.samples
        test = samples["test"] * network.pace.forward
        if network.described.undrawn:
            return costs.took(FORK) + test
        most = samples["train"]
        networks: dict[int, int] = {}  # that see so many images
        for options in job.params["procedures"].values():
            shown = min(most, options["images"] or most)
            number = 1 + len(job.params["others"]) * (options["covariances"] == "averaged")
            networks[shown] = max(number, networks.get(shown, 0))
        passed = sum(images * number for images, number in networks.items())
        seconds = test + passed * network.pace.forward
        for options in job.params["procedures"].values():
            shown = min(most, options["images"] or most)
            one = costs.drawn(network, shown) * max(1, options["width"]) + test
            one += costs.took(costs.classifiers(network, shown, options["classifiers"]))
            if "retrained" in options["classifiers"]:
                training = job.params["retraining"] or job.params["settings"]["training"]
                one += training["epochs"] * most * network.pace.step / 4
                one += most * network.pace.forward * (shown < most)
            seconds += options["draws"] * one
        return costs.took(FORK) + seconds

    def figure(self, job: Job) -> float:
        return costs.took(FORK + FIGURE)


def _place(job: Job) -> dict[str, str]:
    return {name: job.wildcards[name] for name in ("dataset", "network")}


Seconds = Callable[[Work, Job], float]
RULES: Mapping[str, Seconds] = {
    **{
        name: getattr(Work, name)
        for name in ("prepare", "download", "describe", "train", "adopt", "covariance", "merge")
    },
    **{name: getattr(Work, name) for name in ("align", "compare_covariance", "compare_align")},
    **{name: getattr(Work, name) for name in ("consensus", "clip", "generate")},
    **dict.fromkeys(
        ("figure", "samples", "comparison_figure", "reproduction", "summary"), Work.figure
    ),
}
