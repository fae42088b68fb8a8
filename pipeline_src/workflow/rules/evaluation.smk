rule evaluate:
    input:
        ancient(inputs_of("evaluate/{method}/seed{seed}/{part}")),
    output:
        touch(f"{FLAGS}/evaluate/{{method}}/seed{{seed}}/{{part}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/evaluate/{{method}}-seed{{seed}}-{{part}}.{{contract}}.log",
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


rule analyse:
    input:
        ancient(inputs_of("analyse/{part}")),
    output:
        touch(f"{FLAGS}/analyse/{{part}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/analyse/{{part}}.{{contract}}.log",
    resources:
        mem_mb=4000,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Analyse all runs on {wildcards.part}"
    shell:
        call("analyse", "--part {wildcards.part} --contract {wildcards.contract}")
