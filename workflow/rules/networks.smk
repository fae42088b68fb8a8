# The networks: methods are trained, and post-hoc methods are fitted to trained networks.
#
# What rules share, such as `made` and `result`, is in common.smk.


rule train:
    "Train the network of a method and a seed on the split `train`. It is validated on `val`."
    input:
        images=made("store", "images.npy"),
        masks=made("store", "masks.npy"),
        references=made("train", "history.csv"),
    output:
        network=result("train", "model.safetensors"),
        averaged=result("train", "averaged.safetensors"),
        history=result("train", "history.csv"),
        facts=result("train", "run.json"),
        manifest=result("train", NAME),
    log:
        LOGS + "/train/{fingerprint}.log",
    threads: CORES
    priority: 1  # trainings start first, because they take longest
    resources:
        **request(gpu=GPUS, mem_mb=4000 + 1000 * TRAINING.workers, runtime=24 * 60),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


rule fit:
    "Fit a post-hoc method to trained networks on the split `val`."
    input:
        networks=made("train", "*.safetensors"),
        images=made("store", "images.npy"),
    output:
        fitted=result("fit", "run.json"),
        manifest=result("fit", NAME),
    log:
        LOGS + "/fit/{fingerprint}.log",
    threads: CORES
    resources:
        **request(gpu=GPUS),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB
