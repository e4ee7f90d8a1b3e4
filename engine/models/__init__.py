"""The models: a decoder of our own, pretrained backbones with a method, and baselines."""
