"""`import engine.auto` lets `transformers` open what `odzera push` has put on the Hub.

It registers Odzera's architectures with the Auto classes, so that no code from a repository is run:

    import engine.auto
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained("owner/name")
"""

from engine.models import decoder
from engine.sharing import hf_baselines, hf_models

__all__ = ["decoder", "hf_baselines", "hf_models"]
