# One rule per kind of job. Snakemake reads `shell:` after the loop, so it takes all values from `params:`.

for kind in REQUESTS:

    rule:
        name:
            f"write_{kind}" if kind in TARGETS else kind
        input:
            ancient(inputs_of(kind)),
        output:
            f"{STORE}/{kind}/{{fingerprint}}/{NAME}",
        threads: (DEFAULT | REQUESTS[kind])["threads"]
        # Training runs, which take longest, begin first: evaluations fill the cores beside the last of them.
        priority: int(kind == "train")
        resources:
            gpu=resource(kind, "gpu"),
            nodes=1,
            mem_mb=resource(kind, "mem_mb"),
            runtime=resource(kind, "runtime"),
        params:
            key=key_of(kind),
            name=name_of(kind),
            experiment=EXPERIMENT,
        log:
            f"results/{EXPERIMENT}/logs/{kind}-{{fingerprint}}.log",
        message:
            "{params.name}"
        shell:
            "python -m pipeline_src run-job {params.key} --experiment {params.experiment} --log {log}"


if "overview" in sys.argv:
    # Tables and a claim that span experiments, from results/.
    OVERVIEW = refused(lambda: overview_job(read()))

    rule overview:
        output:
            str(OVERVIEW.folder / NAME),
        log:
            "results/overview/overview.log",
        localrule: True
        message:
            "The overview of all experiments"
        shell:
            "python -m pipeline_src run-job overview --log {log}"


# Published results, rebuilt from their counts and compared. The rule has no output, so it always runs.
rule published:
    log:
        "results/published-rebuilt/rebuild.log",
    localrule: True
    threads: lambda wildcards: workflow.cores
    message:
        "Rebuild published results"
    shell:
        "python -m pipeline_src rebuild --cores {threads} --log {log}"
