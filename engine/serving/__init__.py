"""Serving opens trained models on their fastest runtime and lets all of them answer."""
