"""The page: every model side by side. It knows the engine's serving floor and nothing of what lies under it."""
