"""Recipes, the one training loop, and checkpoints."""
