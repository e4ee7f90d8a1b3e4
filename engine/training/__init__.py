"""Training: recipes, the one loop for every model, and checkpoints."""
