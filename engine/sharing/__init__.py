"""Models and the whole page, as repositories of the Hugging Face Hub."""
