"""Trained models answering: every model side by side."""
