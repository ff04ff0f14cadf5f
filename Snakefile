from snakemake.utils import min_version

min_version("9.27")

if not workflow.overwrite_configfiles:  # a file on the command line replaces the default

    configfile: "config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/paths.smk"
include: "rules/inputs.smk"
include: "rules/pairs.smk"
include: "rules/figure_inputs.smk"
include: "rules/sources.smk"
include: "rules/resources.smk"
include: "rules/run.smk"
include: "rules/data.smk"
include: "rules/describe.smk"
include: "rules/networks.smk"
include: "rules/covariances.smk"
include: "rules/alignments.smk"
include: "rules/interventions.smk"
include: "rules/members.smk"
include: "rules/summary.smk"
include: "rules/comparisons.smk"
include: "rules/reproduction.smk"
include: "rules/figures.smk"
include: "rules/reruns.smk"


rule all:
    default_target: True
    input:
        rules.summary.output,
        # Also the inputs of the summary: Snakemake would not miss them if the summary exists.
        collect([NETWORK, COVARIANCE, ALIGNMENT, CLIPPING, GENERATION], zip, **RUNS),
        [COMPARED_ALIGNMENT.format(**member) for member in MEMBERS],
        [
            path.format(comparison=name, figure=figure)
            for name, figures_of in FIGURES_OF_COMPARISONS.items()
            for figure in figures_of
            for path in COMPARISON_FIGURE
        ],
        collect(SAMPLES, dataset=SETTINGS["datasets"]),
        rules.reproduction.output if SETTINGS["published"] else [],
        [
            path.format(dataset=dataset, network=network, figure=figure)
            for dataset, network in SETTINGS["runs"]
            for figure in drawn_of(network)
            for path in FIGURE
        ],
    localrule: True
