"""What leaves a finished experiment: published results, made again and compared, and its description as a crate."""
