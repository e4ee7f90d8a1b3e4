"""What a model that isn't trained is told of a task: a prompt, words for its classes, descriptions, hypotheses."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Wording:
    """A task in words; everything but the template has one entry a class, in the classes' order."""

    template: str
    """A prompt with the task's text columns in braces; a decoder goes on with one of `words`."""
    words: tuple[str, ...]
    descriptions: tuple[tuple[str, ...], ...]
    """Texts that a text of the class resembles, for encoders."""
    hypotheses: tuple[str, ...]
    """What follows from a text of the class, for an NLI model; empty where the task is NLI itself."""


WORDINGS: Mapping[str, Wording] = MappingProxyType(
    {
        "slang": Wording(
            template="wiadomość:{text}\nwydźwięk:",
            words=("negatywny", "neutralny", "pozytywny"),
            descriptions=(
                (
                    "Jestem zły, to było okropne, żałuję i nie polecam.",
                    "Ktoś narzeka, krytykuje albo obraża.",
                    "A negative message: anger, complaint or contempt.",
                ),
                (
                    "Po prostu informacja, bez oceny.",
                    "Ktoś stwierdza fakt albo pyta, nie wiadomo, czy jest zadowolony.",
                    "A neutral message: a fact, a question or mixed feelings.",
                ),
                (
                    "Jestem zachwycony, było świetnie, gorąco polecam.",
                    "Ktoś chwali, cieszy się albo dziękuje.",
                    "A positive message: joy, praise or thanks.",
                ),
            ),
            hypotheses=("This message is negative.", "This message is neutral.", "This message is positive."),
        ),
        "nli": Wording(
            template="{premise}\nQuestion:{hypothesis} True, neither or false?\nAnswer:",
            words=("true", "neither", "false"),
            descriptions=(
                ("The second sentence follows from the first.", "Both sentences say the same."),
                ("The second sentence may be true or not.", "The sentences are about different things."),
                ("The second sentence contradicts the first.", "The sentences can't both be true."),
            ),
            hypotheses=(),
        ),
    }
)
