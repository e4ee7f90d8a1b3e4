"""Why a model answers as it does: every word of a text, and what it did to the verdict."""
