"""Counts of pixels: whole numbers that add up in any order.

`sample.checked` checks an image, `accumulate.Accumulator` counts its pixels in one pass, and
`counts.Counts` holds the result: the pixels of all images by level of a score, predicted class and
label, and a row per image. `storage` saves counts, `bins` joins their levels to bins, and
`whole_maps` has the measures for which counts do not suffice. Metrics are functions of counts in
`metrics`, which training and evaluation never import.
"""
