"""The methods, one file each: `name.py` with one class derived from `Method` is the method `name` of params.yaml."""
