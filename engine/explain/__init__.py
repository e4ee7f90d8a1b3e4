"""Explanations say what each word of a text did to a model's verdict."""
