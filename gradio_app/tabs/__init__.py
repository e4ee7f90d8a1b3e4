"""The tabs: what is laid out, and what is wired to which handler."""
