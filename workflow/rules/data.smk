# The data: datasets are checked and listed, and the images of each split are preprocessed.
#
# `made`, `result`, `request`, `JOB`, `RUN_JOB` and `NAME`, the name of a job's provenance record, are in common.smk.


rule prepare:
    "Check every file of a dataset, and list the samples with their SHA-256."
    output:
        samples=result("prepare", "manifest.csv"),
        problems=result("prepare", "problems.csv"),
        summary=result("prepare", "summary.json"),
        manifest=result("prepare", NAME),
    log:
        LOGS + "/prepare/{fingerprint}.log",
    resources:
        **request(mem_mb=2000),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB


rule store:
    "Decode and resize the images and masks of a split."
    input:
        samples=made("prepare", "manifest.csv"),
    output:
        images=result("store", "images.npy"),
        masks=result("store", "masks.npy"),
        truth=result("store", "truth.npy"),
        grey=result("store", "grey.npy"),
        index=result("store", "index.csv"),
        facts=result("store", "store.json"),
        manifest=result("store", NAME),
    log:
        LOGS + "/store/{fingerprint}.log",
    resources:
        **request(mem_mb=2000),
    params:
        **JOB,
    message:
        "{params.name}"
    shell:
        RUN_JOB
