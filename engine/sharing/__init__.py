"""Sharing turns models and the whole page into repositories of the Hugging Face Hub."""
