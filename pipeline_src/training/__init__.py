"""Training: draws and augmentation -> targets of a method -> mmengine Runner -> checkpoints, exported model, alphas."""
