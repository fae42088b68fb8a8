rule train:
    input:
        ancient(inputs_of("train/{method}/seed{seed}")),
        # A training run says which of its images are test images too, so it begins when all sets are listed.
        ancient(flags("prepare") if PLANS else []),
    output:
        touch(f"{FLAGS}/train/{{method}}/seed{{seed}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/train/{{method}}-seed{{seed}}.{{contract}}.log",
    threads: RANKS * (TRAINING.threads + TRAINING.workers)
    resources:
        gpu=GPUS,
        nodes=1,
        mem_mb=memory(RANKS * (4000 + 1000 * TRAINING.workers)),
        runtime=DAY,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Train {wildcards.method}, seed {wildcards.seed}"
    shell:
        call("train", "--method {wildcards.method} --seed {wildcards.seed} --contract {wildcards.contract}")


# Files of a run are targets by themselves, as those of tables are (rules/results.smk):
# `snakemake --cores all results/demo/runs/slp/seed0/model.safetensors`.
rule train_files:
    input:
        ancient(lambda wildcards: flag(run_of(wildcards))),
        lambda wildcards: outdated(run_of(wildcards)),
    output:
        update(f"results/{EXPERIMENT}/runs/{{method}}/seed{{seed}}/{{file}}"),
    log:
        f"results/{EXPERIMENT}/logs/train/{{method}}-seed{{seed}}-{{file}}.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    message:
        f"{{wildcards.file}} is in results/{EXPERIMENT}/runs/{{wildcards.method}}/seed{{wildcards.seed}}/"
    shell:
        "touch {log}"
