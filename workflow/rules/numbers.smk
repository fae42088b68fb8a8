# The numbers: the pixels of all predictions are counted, and metrics are computed from the counts.
#
# What rules share, such as `made` and `result`, is in common.smk.


rule evaluate:
    "Predict every image of all splits with the networks of one run, and count the pixels."
    input:
        networks=made("train", "*.safetensors"),
        fitted=made("fit", "run.json"),
        images=made("store", "images.npy"),
        truth=made("store", "truth.npy"),
    output:
        counts=result("evaluate", *[f"{split}.npz" for split in SPLITS]),
        manifest=result("evaluate", NAME),
    log:
        LOGS + "/evaluate/{fingerprint}.log",
    threads: CORES
    resources:
        **request(gpu=GPUS),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


rule analyse:
    "Compute the metrics of all runs on a split, and resample its images."
    input:
        counts=made("evaluate", "{split}.npz"),
    output:
        metrics=result("analyse", "analysis.npz"),
        manifest=result("analyse", NAME),
    log:
        LOGS + "/analyse/{fingerprint}.log",
    resources:
        **request(),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB
