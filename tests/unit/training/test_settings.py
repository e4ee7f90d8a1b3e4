"""Settings by name."""

import pytest

from engine.errors import RecipeError
from engine.pretraining.loop import PretrainConfig
from engine.training.recipes import RECIPES, settings
from engine.training.settings import change_settings, flatten


def test_every_plain_setting_has_a_name_and_its_present_value() -> None:
    flat = flatten(PretrainConfig())
    assert flat["lr"] == PretrainConfig().lr
    assert flat["shape.hidden_size"] == 128
    assert flat["minutes"] is None


def test_changes_that_only_fit_together_are_made_together() -> None:
    config = change_settings(PretrainConfig(), ["shape.hidden_size=96", "shape.num_attention_heads=3", "lr=1e-3"])
    assert (config.shape.hidden_size, config.shape.num_attention_heads, config.lr) == (96, 3, 1e-3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("lr", "--set takes FIELD=VALUE with a field of: "),
        ("speed=9", "--set takes FIELD=VALUE with a field of: "),
        ("lr=fast", "--set lr: 'fast' is no float."),
        ("shape.hidden_size=1.5", "--set shape.hidden_size: '1.5' is no int."),
        ("lowercase=maybe", "--set lowercase: 'maybe' is no bool."),
        ("passes=-1", "Pretraining: passes can't be -1.0."),
        ("shape.num_attention_heads=7", "7 heads don't divide a width of 128."),
    ],
)
def test_a_change_that_wont_do_is_one_line(change: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        change_settings(PretrainConfig(), [change])
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "has", "lacks"),
    [
        ("scratch", "decoder.hidden_size", "method.rank"),
        ("mini-lora", "method.rank", "decoder.hidden_size"),
        ("mini-lora", "head.pooling", "name"),
        ("tfidf", "seed", "method.rank"),
    ],
)
def test_a_recipe_offers_what_it_has(recipe: str, has: str, lacks: str) -> None:
    offered = settings(RECIPES[recipe])
    assert has in offered
    assert lacks not in offered
