"""One streaming pass over the pixels of images into a statistic: counts, rows per image, and their storage.

Metrics are functions of it in `metrics`, which training and evaluation never reach. What they need is here: bins and
their errors (`score_histogram`), and S and E, for which counts do not suffice (`whole_maps`).
"""
