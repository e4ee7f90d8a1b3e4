"""Decision thresholds: weights of the classes, tuned on validation, for the decision rather than for training."""

import numpy as np

from engine.evaluation.metrics import Floats, Ints, headline

GRID = np.exp(np.linspace(-2.0, 2.0, 41))
"""Weights tried for each class, against one for the others."""
ROUNDS = 4


def tune_weights(labels: Ints, probabilities: Floats) -> Floats:
    """Weights of the classes, shape (classes,), with which the validation split's macro F1 is highest.

    Coordinate ascent over a grid; of equals the nearest to one wins, so classes that gain nothing keep theirs.

    Args:
        labels: Class numbers of the validation split, shape (n,).
        probabilities: Shape (n, classes).
    """
    weights = np.ones(probabilities.shape[1])
    best = headline(labels, probabilities)["macro_f1"]
    order = GRID[np.argsort(np.abs(np.log(GRID)), kind="stable")]
    for _ in range(ROUNDS):
        before = weights.copy()
        for place in range(len(weights)):
            for candidate in order:
                tried = weights.copy()
                tried[place] = candidate
                figure = headline(labels, weigh(probabilities, tried))["macro_f1"]
                if figure > best + 1e-12:
                    best, weights = figure, tried
        if np.array_equal(before, weights):
            break
    return weights / weights.mean()


def weigh(probabilities: Floats, weights: Floats) -> Floats:
    """Probabilities times the classes' weights, as shares again, shape (n, classes)."""
    weighed = probabilities * weights
    return weighed / weighed.sum(axis=1, keepdims=True)
