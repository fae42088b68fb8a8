"""The counts of one streaming pass over the pixels of images: integers that add up in any order.

`MapCounts` holds the counts of a set of maps, a `Counts` for each protocol or class: pixels by
level of a score, predicted class and label, with one row per image. Every binned metric of an image
or a resample is a sum of counts. `score_histogram` has bins; `whole_maps` has S and E, for which
counts do not suffice. Metrics are functions of counts in `metrics`, which training and evaluation
never import.
"""
