rule evaluate:
    input:
        ancient(inputs_of("evaluate/{method}/seed{seed}/{part}")),
    output:
        f"results/{EXPERIMENT}/statistics/{{method}}/seed{{seed}}/{{part}}.{{contract}}",
    log:
        f"results/{EXPERIMENT}/logs/evaluate/{{method}}-seed{{seed}}-{{part}}.{{contract}}.log",
    benchmark:
        f"results/{EXPERIMENT}/benchmarks/evaluate/{{method}}-seed{{seed}}-{{part}}.{{contract}}.tsv"
    threads: TRAINING.threads
    resources:
        gpu=min(1, TRAINING.gpus),
        mem_mb=4000,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Evaluate {wildcards.method}, seed {wildcards.seed}, on {wildcards.part}"
    shell:
        call(
            "evaluate",
            "--method {wildcards.method} --seed {wildcards.seed} --part {wildcards.part} --contract {wildcards.contract}",
        )
