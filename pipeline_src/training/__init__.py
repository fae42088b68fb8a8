"""Training: augmentation -> targets of a method -> loop -> model.safetensors, checkpoints."""
