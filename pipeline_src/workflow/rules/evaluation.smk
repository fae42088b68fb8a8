rule evaluate:
    input:
        ancient(inputs_of(f"evaluate/{{method}}/seed{{seed}}/{next(iter(GRAPH.facts.parts))}")),
    output:
        touch(f"{FLAGS}/evaluate/{{method}}/seed{{seed}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/evaluate/{{method}}-seed{{seed}}.{{contract}}.log",
    threads: TRAINING.threads + TRAINING.workers
    resources:
        gpu=min(1, GPUS),
        mem_mb=memory(4000),
        runtime=240,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Evaluate {wildcards.method}, seed {wildcards.seed}"
    shell:
        call("evaluate", "--method {wildcards.method} --seed {wildcards.seed} --contract {wildcards.contract}")


rule analyse:
    input:
        ancient(inputs_of("analyse/{part}")),
    output:
        touch(f"{FLAGS}/analyse/{{part}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/analyse/{{part}}.{{contract}}.log",
    resources:
        mem_mb=memory(4000),
        runtime=120,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Analyse all runs on {wildcards.part}"
    shell:
        call("analyse", "--part {wildcards.part} --contract {wildcards.contract}")
