"""Experiments: train, choose on validation, test once, keep; and curves and ablations made of many."""
