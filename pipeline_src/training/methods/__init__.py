"""The methods, one file each. A file `name.py` with one class derived from `Method` is the method `name` of
params.yaml."""
