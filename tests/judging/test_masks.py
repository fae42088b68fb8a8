"""What the masks of a folder mean, of which only those that hold something new are looked at closely."""

import cv2
import numpy as np
import pytest

from pipeline_src.judging.arrays import mask_values
from pipeline_src.judging.files import pair_files
from pipeline_src.judging.masks import Meaning, Survey, truth_of


@pytest.mark.parametrize("ignore", [None, 7])
@pytest.mark.parametrize(
    "masks",
    [
        [[0, 255], [255, 0], [0, 90]],
        [[0, 90], [0, 255], [0, 1]],
        [[255, 255], [0, 1], [0, 255], [7, 0]],
        [[0, 0], [1, 1], [0, 1], [0, 200], [1, 255]],
        [[7, 0], [0, 7], [7, 255], [255, 3]],
    ],
)
@pytest.mark.parametrize("foreground", [1, 255])
def test_a_survey_names_the_first_mask_of_every_value(tmp_path, masks, foreground, ignore):
    for number, values in enumerate(masks):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.uint8([values] * 2))
    meaning = Meaning(ignore, foreground)
    pairs = pair_files(tmp_path, None)
    survey = Survey(pairs, meaning)
    for pair in pairs:
        content = mask_values(pair.map, ignore)
        survey.add(pair.map.name, *content, truth_of(*content, meaning)[1])
    there = {value for values in masks for value in values} - {ignore}
    assert survey.example == {value: f"{next(n for n, of in enumerate(masks) if value in of)}.png" for value in there}
    assert survey.any_ignored == any(ignore in values for values in masks)
