# What people read: tables, figures, claims and the report; what spans experiments; published results.
# Targets have the names `tables`, `figures`, `claims` and `report`.
#
# What rules share, such as `made` and `result`, is in common.smk.


rule write_tables:
    "Write the tables. Costs of runs are in the manifests of networks and evaluations."
    input:
        metrics=made("analyse", "analysis.npz"),
        networks=made("train", "run.json"),
        fitted=made("fit", "run.json"),
        evaluations=made("evaluate", "*.npz"),
    output:
        tables=result("tables", *GRAPH.job("tables").files),
        manifest=result("tables", NAME),
    log:
        LOGS + "/tables/{fingerprint}.log",
    resources:
        **request(),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


rule write_figures:
    "Draw the figures. Methods that learn perturbation levels have them beside their history."
    input:
        metrics=made("analyse", "analysis.npz"),
        histories=made("train", "history.csv"),
    output:
        figures=result("figures", *GRAPH.job("figures").files),
        manifest=result("figures", NAME),
    log:
        LOGS + "/figures/{fingerprint}.log",
    resources:
        **request(),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


rule gallery:
    "Predict a few images of each test set with all methods, and draw them."
    input:
        metrics=made("analyse", "analysis.npz"),
        networks=made("train", "*.safetensors"),
        fitted=made("fit", "run.json"),
        images=made("store", "images.npy"),
        truth=made("store", "truth.npy"),
    output:
        figures=result("gallery", *GRAPH.job("gallery").files),
        manifest=result("gallery", NAME),
    log:
        LOGS + "/gallery/{fingerprint}.log",
    threads: CORES
    resources:
        **request(gpu=GPUS),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


rule write_claims:
    "Judge the paper's claims. Methods that learn perturbation levels have them beside their history."
    input:
        metrics=made("analyse", "analysis.npz"),
        histories=made("train", "history.csv"),
    output:
        claims=result("claims", "claims.json", "claims.md"),
        manifest=result("claims", NAME),
    log:
        LOGS + "/claims/{fingerprint}.log",
    resources:
        **request(),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


rule write_report:
    "Write the report, an HTML page. It states the provenance of all results."
    input:
        metrics=made("analyse", "analysis.npz"),
        figures=made("figures", "*.svg", "*.csv"),
        gallery=made("gallery", "*.svg", "*.csv"),
        claims=made("claims", "claims.json"),
        splits=made("store", "index.csv"),
        networks=made("train", "run.json"),
        fitted=made("fit", "run.json"),
        evaluations=made("evaluate", "*.npz"),
    output:
        page=result("report", "report.html"),
        manifest=result("report", NAME),
    log:
        LOGS + "/report/{fingerprint}.log",
    resources:
        **request(),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


if "overview" in sys.argv:
    # Tables and a claim that span experiments, from results/.
    OVERVIEW = result_or_stop(lambda: overview_job(read()))

    rule overview:
        "Write tables and a claim that span experiments."
        output:
            str(OVERVIEW.folder / NAME),
        log:
            "results/overview/overview.log",
        localrule: True
        message:
            "The overview of all experiments"
        shell:
            "python -m pipeline_src run-job overview --log {log}"


rule published:
    "Rebuild published results from their counts, and compare. Without an output, the rule always runs."
    log:
        "results/published-rebuilt/rebuild.log",
    localrule: True
    threads: lambda wildcards: workflow.cores
    message:
        "Rebuild published results"
    shell:
        "python -m pipeline_src rebuild --cores {threads} --log {log}"
