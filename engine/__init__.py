"""Odzera's engine: data, models, training, measuring and serving; it knows nothing of any page."""

__version__ = "0.7.0"
