"""Benchmarks measure answers, training, searches and the page against what else one would use."""
