# What people open. Of each kind one rule makes the result; the other makes its files targets by themselves, as in
# `snakemake --cores all results/demo/tables/main.csv`, and has nothing else to do. `overview` spans experiments and is a
# target by itself: `snakemake --cores all overview`.

for job in SHOWN:  # what stands behind `shell:` is read when the loop is over, so it takes all from `params:`

    rule:
        name:
            job.kind
        input:
            ancient(needed(job)),
        output:
            touch(flag(job)),
        threads: 4 if job.kind == "figures" else 1
        resources:
            mem_mb=memory(4000),
            runtime=240,
        params:
            command=command_of(job),
        log:
            f"results/{EXPERIMENT}/logs/{job.kind}.log",
        conda:
            "../envs/pipeline.yaml"
        message:
            f"Make the {job.kind} of {'all experiments' if job is OVERVIEW else EXPERIMENT}"
        shell:
            "python -m pipeline_src {params.command} --log {log}"

    rule:
        name:
            f"{job.kind}_files"
        input:
            ancient(flag(job)),
            outdated(job),
        output:
            update(shown(job)),
        log:
            f"results/{EXPERIMENT}/logs/{job.kind}_files.log",
        localrule: True
        conda:
            "../envs/pipeline.yaml"
        message:
            f"The files of {job.kind} are in {job.folder}/"
        shell:
            "touch {log}"


# Results in the repository, made again from their statistics and compared; it has no output, so it always does.
rule published:
    log:
        "results/published-rebuilt/rebuild.log",
    localrule: True
    threads: lambda wildcards: workflow.cores
    conda:
        "../envs/pipeline.yaml"
    message:
        "Make published results again"
    shell:
        "python -m pipeline_src rebuild --cores {threads} --log {log}"
