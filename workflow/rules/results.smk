# Each kind of result has two rules: the first makes files and stamp; the second makes the files themselves targets, as in
# `snakemake --cores all results/demo/tables/main.csv`. It calls the same verb, which has nothing to do unless somebody
# removed a file.

localrules:
    tables_files,
    figures_files,
    claims_files,
    report_files,


rule tables:
    input:
        ancient(stamps_read("tables")),
    output:
        str(GRAPH.job("tables").stamp),
    log:
        f"results/{EXPERIMENT}/logs/tables.log",
    benchmark:
        f"results/{EXPERIMENT}/benchmarks/tables.tsv"
    conda:
        "../envs/pipeline.yaml"
    message:
        "Write the tables"
    shell:
        call("tables", f"--contract {CONTRACTS['tables']}")


rule tables_files:
    input:
        ancient(str(GRAPH.job("tables").stamp)),
        outdated("tables"),
    output:
        update(shown_tables()),
    log:
        f"results/{EXPERIMENT}/logs/tables_files.log",
    conda:
        "../envs/pipeline.yaml"
    message:
        "The tables are in results/"
    shell:
        call("tables")


rule figures:
    input:
        ancient(stamps_read("figures")),
    output:
        str(GRAPH.job("figures").stamp),
    log:
        f"results/{EXPERIMENT}/logs/figures.log",
    benchmark:
        f"results/{EXPERIMENT}/benchmarks/figures.tsv"
    conda:
        "../envs/pipeline.yaml"
    message:
        "Draw the figures"
    shell:
        call("figures", f"--contract {CONTRACTS['figures']}")


rule figures_files:
    input:
        ancient(str(GRAPH.job("figures").stamp)),
        outdated("figures"),
    output:
        update(shown_figures()),
    log:
        f"results/{EXPERIMENT}/logs/figures_files.log",
    conda:
        "../envs/pipeline.yaml"
    message:
        "The figures are in results/"
    shell:
        call("figures")


rule claims:
    input:
        ancient(stamps_read("claims")),
    output:
        str(GRAPH.job("claims").stamp),
    log:
        f"results/{EXPERIMENT}/logs/claims.log",
    benchmark:
        f"results/{EXPERIMENT}/benchmarks/claims.tsv"
    conda:
        "../envs/pipeline.yaml"
    message:
        "Judge the claims"
    shell:
        call("claims", f"--contract {CONTRACTS['claims']}")


rule claims_files:
    input:
        ancient(str(GRAPH.job("claims").stamp)),
        outdated("claims"),
    output:
        update([shown(path, "claims", "Claims", format=Path(path).suffix[1:]) for path in CLAIMS]),
    log:
        f"results/{EXPERIMENT}/logs/claims_files.log",
    conda:
        "../envs/pipeline.yaml"
    message:
        "The verdicts are in results/"
    shell:
        call("claims")


rule report:
    input:
        ancient(stamps_read("report")),
    output:
        str(GRAPH.job("report").stamp),
    log:
        f"results/{EXPERIMENT}/logs/report.log",
    benchmark:
        f"results/{EXPERIMENT}/benchmarks/report.tsv"
    conda:
        "../envs/pipeline.yaml"
    message:
        "Write the report"
    shell:
        call("report", f"--contract {CONTRACTS['report']}")


rule report_files:
    input:
        ancient(str(GRAPH.job("report").stamp)),
        outdated("report"),
    output:
        update(shown(REPORT, "report", "Report", page=EXPERIMENT)),
    log:
        f"results/{EXPERIMENT}/logs/report_files.log",
    conda:
        "../envs/pipeline.yaml"
    message:
        "The report is in results/"
    shell:
        call("report")
