"""What stands around the page, and leans on Gradio's insides: test it first after an upgrade."""
