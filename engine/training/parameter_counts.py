"""How many parameters a recipe's model has, counted without weights."""

from engine.models.backbones import get_backbone
from engine.models.methods import ParameterCount, adapt, count_parameters
from engine.models.pretrained import build_untouched, build_without_weights
from engine.training.recipe import Recipe


def count_untouched(recipe: Recipe, pair: bool = False, num_labels: int = 3) -> ParameterCount | None:
    """The backbone's parameters and a fitted head's; None where a trained NLI model stands in the backbone's place."""
    if recipe.asks_nli:
        return None
    backbone = build_untouched(get_backbone(recipe.backbone), recipe.frozen.way == "likelihood")
    size = count_parameters(backbone).total
    if recipe.frozen.way != "logistic":
        return ParameterCount(size, 0)
    # A pair is described by both embeddings, their distance and their product.
    head = num_labels * (backbone.config.hidden_size * (4 if pair else 1) + 1)
    return ParameterCount(size + head, head)


def count_recipe(recipe: Recipe, pair: bool = False, num_labels: int = 3) -> ParameterCount | None:
    """Count a recipe's model, for single texts or pairs, on the meta device.

    None for baselines and hybrids, which the data sizes.
    """
    import torch

    if recipe.kind == "baseline" or recipe.is_hybrid:
        return None
    if recipe.kind == "frozen":
        return count_untouched(recipe, pair, num_labels)
    if recipe.kind == "pretrained":
        backbone = get_backbone(recipe.backbone)
        return count_parameters(adapt(build_without_weights(backbone, recipe.head, pair, num_labels), recipe.method))
    from engine.models.decoder import make_decoder

    with torch.device("meta"):
        return count_parameters(make_decoder(recipe.decoder, num_labels))
