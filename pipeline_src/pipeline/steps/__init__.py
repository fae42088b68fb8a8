"""The steps of an experiment: the jobs of each kind and the functions that do their work.

A function sees its job only. It counts in the fingerprints of its jobs with the definitions of
these modules that it uses (`fingerprint`). Libraries are imported inside, because a plan needs
neither torch nor matplotlib.
"""
