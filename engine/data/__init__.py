"""From a task and a source to cleaned, split, fingerprinted rows, and from rows to batches."""
