"""Training: draws and augmentation -> targets of a method -> mmengine Runner -> model.safetensors, checkpoints."""
