# What people open: a rule for each, whose outputs are the stamp and all files. Files stay where they are until a whole new
# result takes their place (`update`).

for result, job in RESULTS.items():

    rule:
        name:
            result
        input:
            ancient([str(needed.stamp) for needed in job.inputs.values()]),
            outdated(job),
        output:
            str(job.stamp),
            update(shown(result)),
        log:
            f"results/{EXPERIMENT}/logs/{result}.log",
        conda:
            "../envs/pipeline.yaml"
        message:
            f"Make the {result} of {EXPERIMENT}"
        shell:
            call(result, f"--contract {job.contract}")


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
