# What people open. Of each kind one rule makes the result; the other makes its files targets by themselves, as in
# `snakemake --cores all results/demo/tables/main.csv`, and calls the same verb, which has nothing to do then.

for kind, job in RESULTS.items():  # what stands behind `shell:` is read when the loop is over, so it takes all from `params:`

    rule:
        name:
            kind
        input:
            ancient([str(needed.stamp) for needed in job.inputs.values()]),
            outdated(job),
        output:
            str(job.stamp),
        params:
            contract=job.contract,
        log:
            f"results/{EXPERIMENT}/logs/{kind}.log",
        conda:
            "../envs/pipeline.yaml"
        message:
            f"Make the {kind} of {EXPERIMENT}"
        shell:
            call("{rule}", "--contract {params.contract}")

    rule:
        name:
            f"{kind}_files"
        input:
            ancient(str(job.stamp)),
            outdated(job),
        output:
            update(shown(job)),
        localrule: True
        params:
            verb=kind,
        log:
            f"results/{EXPERIMENT}/logs/{kind}_files.log",
        conda:
            "../envs/pipeline.yaml"
        message:
            f"The {kind} of {EXPERIMENT} are in results/"
        shell:
            call("{params.verb}", "")


# Of all experiments, from what lies in results/; by itself: `snakemake --cores all overview`.
rule overview:
    input:
        lambda wildcards: outdated(OVERVIEW),
    output:
        update([str(path) for path in OVERVIEW.paths]),
    log:
        "results/overview/logs/overview.log",
    conda:
        "../envs/pipeline.yaml"
    message:
        "Make the overview of all experiments"
    shell:
        "python -m pipeline_src overview --log {log}"
