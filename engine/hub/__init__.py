"""The Hugging Face Hub: asked, cached, uploaded to, and every refusal one line."""
