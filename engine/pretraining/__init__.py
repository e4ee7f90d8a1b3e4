"""A backbone of our own: text, the loop over it, the run, its card, and what fine-tuning forgets."""
