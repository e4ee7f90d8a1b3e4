"""What several tests need: models, servers, a hub on loopback. The environment is set before a library reads it."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that wait asleep: spinning ones take the cores that other tests and programs need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
