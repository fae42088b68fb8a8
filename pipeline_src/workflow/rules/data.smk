rule prepare:
    output:
        touch(f"{FLAGS}/prepare/{{set}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/prepare/{{set}}.{{contract}}.log",
    resources:
        mem_mb=memory(2000),
        runtime=240,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Check the files of {wildcards.set}"
    shell:
        call("prepare", "--set {wildcards.set} --contract {wildcards.contract}")


rule store:
    input:
        ancient(inputs_of("store/{part}")),
    output:
        touch(f"{FLAGS}/store/{{part}}.{{contract}}"),
    log:
        f"results/{EXPERIMENT}/logs/store/{{part}}.{{contract}}.log",
    resources:
        mem_mb=memory(2000),
        runtime=240,
    conda:
        "../envs/pipeline.yaml"
    message:
        "Decode and resize the images of {wildcards.part}"
    shell:
        call("store", "--part {wildcards.part} --contract {wildcards.contract}")
