"""`odzera bench`: a group of commands, each of which measures one thing."""

from engine.cli.bench import classify, growth, page, search, train

__all__ = ["classify", "growth", "page", "search", "train"]
