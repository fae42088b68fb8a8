"""One streaming pass over the pixels of images, and what is counted in it: integers that add up in any order.

`MapCounts` holds the counts of a set of maps: by protocol, region and class, each a `Counts`: pixels by level of a
score, predicted class and label, with one row per image. Every binned metric of an image, a region or a resample is a
sum of them. `score_histogram` gives bins, `whole_maps` has S and E, for which counts do not suffice. Metrics are
functions of counts in `metrics`, which training and evaluation never reach.
"""
