"""The models that have a name: one mmsegmentation config file each."""
