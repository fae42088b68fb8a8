"""The ways in which the known sets circulate: made-up stand-ins of each are found, paired and split."""

from __future__ import annotations

import numpy as np
import pytest
from made_sets import encoded, image, mask, write_files, write_tar

from pipeline_src.data import catalog
from pipeline_src.data.prepare import prepare

SETS = catalog.load()


def standins(images: str, masks: str = "", stems: tuple[str, ...] = ("a", "b")) -> dict[str, bytes]:
    """Files of a set; in the patterns `images` and `masks` the star is the stem."""
    files = {images.replace("*", stem): encoded(image(i), ".jpg") for i, stem in enumerate(stems)}
    return files | ({masks.replace("*", stem): encoded(mask(i)) for i, stem in enumerate(stems)} if masks else {})


# dataset, source that has to be found, images, masks
FOLDERS = """
DUTS-TR, folder, DUTS-TR/DUTS-TR-Image/*.jpg, DUTS-TR/DUTS-TR-Mask/*.png
DUTS-TR, folder, DUTS-TR/Image/*.jpg, DUTS-TR/Mask/*.png
DUTS-TE, folder, DUTS-TE/DUTS-TE-Image/*.jpg, DUTS-TE/DUTS-TE-Mask/*.png
DUT-OMRON, folder, DUT-OMRON/DUT-OMRON-image/*.jpg, DUT-OMRON/pixelwiseGT-new-PNG/*.png
DUT-OMRON, folder, DUT-OMRON/Imgs/*.jpg, DUT-OMRON/GT/*.png
PASCAL-S, folder, PASCAL-S/datasets/imgs/pascal/*.jpg, PASCAL-S/datasets/masks/pascal/*.png
SOD, folder, SOD/Imgs/*.jpg, SOD/GT/*.png
SOD, folder, SOD/Imgs/*.jpg, SOD/Imgs/*.png
ECSSD, folder, ECSSD/images/*.jpg, ECSSD/ground_truth_mask/*.png
HKU-IS, folder, HKU-IS/imgs/*.jpg, HKU-IS/gt/*.png
DTD, folder, dtd/images/banded/*.jpg
DTD, folder, dtd/dtd/images/banded/*.jpg
COD10K, shared, TestDataset/COD10K/Imgs/*.jpg, TestDataset/COD10K/GT/*.png
COD10K, official, COD10K-v3/Test/Image/COD10K-CAM-*.jpg, COD10K-v3/Test/GT_Object/COD10K-CAM-*.png
NC4K, folder, NC4K/Imgs/*.jpg, NC4K/GT/*.png
NC4K, shared, TestDataset/NC4K/Imgs/*.jpg, TestDataset/NC4K/GT/*.png
CHAMELEON, shared, TestDataset/CHAMELEON/Imgs/*.jpg, TestDataset/CHAMELEON/GT/*.png
CHAMELEON, folder, CHAMELEON/Image/*.jpg, CHAMELEON/GT/*.png
Kvasir-SEG, folder, Kvasir-SEG/images/*.jpg, Kvasir-SEG/masks/*.png
CVC-ClinicDB, folder, CVC-ClinicDB/Original/*.jpg, CVC-ClinicDB/Ground Truth/*.png
"""


def prepared(name: str, folder, count: int = 2) -> dict:
    """The set's summary, from whichever source lies in `folder`; a stand-in has `count` images."""
    entry = SETS[name]
    of_stand_in = {"count": count, "sha256": ()}
    few = {key: source.model_copy(update=of_stand_in) for key, source in entry.sources.items()}
    entry = entry.model_copy(update={"sources": few})
    return prepare(entry, folder, folder / "u", folder / "out")


@pytest.mark.parametrize("line", FOLDERS.strip().splitlines())
def test_folders(tmp_path, line):
    name, source, images, *masks = line.split(", ")
    write_files(tmp_path, standins(images, *masks))
    summary = prepared(name, tmp_path)
    assert (summary["source"], summary["samples"], summary["problems"]) == (source, 2, 0)


@pytest.mark.parametrize("folder", ["VOCdevkit/VOC2012", "VOC2012", "VOCtrainval_11-May-2012.tar"])
def test_voc_has_classes_for_some_of_its_images(tmp_path, folder):
    ids = np.zeros((30, 40), np.uint8)
    ids[:10], ids[10:12] = 20, 255
    stems = [f"2007_{i:06}" for i in range(12)]
    files = {f"JPEGImages/{stem}.jpg": encoded(image(i), ".jpg") for i, stem in enumerate(stems)}
    files |= {f"SegmentationClass/{stem}.png": encoded(ids) for stem in stems[:11]}
    files |= {"ImageSets/Segmentation/train.txt": "\n".join(stems[:10]).encode()}
    files |= {"ImageSets/Segmentation/val.txt": stems[10].encode()}
    if folder.endswith(".tar"):
        write_tar(tmp_path / folder, {f"VOCdevkit/VOC2012/{name}": data for name, data in files.items()})
    else:
        write_files(tmp_path / folder, files)
    summary = prepared("VOC2012", tmp_path, 11)
    assert summary["problems"] == 0
    assert summary["splits"] == {"all": 11, "val": 1, "train": 9, "train-all": 10, "test": 1}
    absent = [note for note in summary["notes"] if "no pixel" in note]
    assert len(absent) == 19 and not any("tvmonitor" in note for note in absent)
