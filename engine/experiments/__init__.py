"""Experiments: a model is trained, chosen on validation, tested once and kept; curves and ablations are many."""
