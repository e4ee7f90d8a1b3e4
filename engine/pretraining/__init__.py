"""Pretraining of a backbone of our own: its corpus, its loop, its run, its card, and forgetting in fine-tuning."""
