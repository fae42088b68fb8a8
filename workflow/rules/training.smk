rule train:
    input:
        ancient(inputs_of("train/{method}/seed{seed}")),
        # A training run says which of its images are test images too, so it begins when all sets are listed.
        ancient(flags("prepare")),
    output:
        touch(f"{FLAGS}/train/{{method}}/seed{{seed}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/train/{{method}}-seed{{seed}}.{{contract}}.log",
    threads: TRAINING.threads
    resources:
        gpu=TRAINING.gpus,
        mem_mb=4000,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Train {wildcards.method}, seed {wildcards.seed}"
    shell:
        call("train", "--method {wildcards.method} --seed {wildcards.seed} --contract {wildcards.contract}")
