"""Untrained models: what a backbone answers without a step of training, or from a few examples."""
