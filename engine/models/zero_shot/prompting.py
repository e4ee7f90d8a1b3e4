"""Decoders that classify without training: how likely is each class's word after a prompt."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.reading import Readings
from engine.data.tasks import Task
from engine.data.tokens import unknown_token
from engine.errors import RecipeError
from engine.evaluation.metrics import Floats, softmax
from engine.models.methods import ParameterCount, count_parameters
from engine.models.networks import Network, NextToken, TorchNetwork
from engine.models.pretrained import Opened
from engine.models.zero_shot.task_prompts import WORDINGS, Wording

Example = tuple[tuple[str, ...], int]
"""A text or a pair, and its class."""

MOST_POSITIONS = 2048
"""Tokens of a prompt, however many the model could read."""
BATCH_TOKENS = 4096
LEAST_EXAMPLE = 16
"""Tokens of an example below which it says nothing any more."""
FOR_THE_TEXT = 0.4
"""Share of the prompt kept for the text itself where there are examples."""


@dataclass(frozen=True)
class Prompts:
    """Builds prompts in tokens, cutting texts rather than the words around them."""

    tokenizer: Any
    wording: Wording
    columns: tuple[str, ...]
    positions: int
    start: tuple[int, ...]

    def words(self) -> list[tuple[int, ...]]:
        """Tokens of each class's word."""
        return [tuple(self._tokens(f" {word}")) for word in self.wording.words]

    def build(self, texts: tuple[str, ...], examples: Sequence[Example] = ()) -> list[int]:
        """The examples with their classes, then the text without."""
        return self.build_and_count(texts, examples)[0]

    def build_and_count(
        self, texts: tuple[str, ...], examples: Sequence[Example] = ()
    ) -> tuple[list[int], list[int], int]:
        """The same, with the text's own tokens that are in the prompt, and how many the text has."""
        words = self.words()
        room = self.positions - len(self.start) - max(map(len, words))
        own = int(room * FOR_THE_TEXT) if examples else room
        ids = list(self.start)
        if examples:
            each = (room - own) // len(examples) - max(map(len, words)) - len(self._tokens("\n"))
            for example, label in examples:
                ids += [*self._fill(example, each)[0], *words[label], *self._tokens("\n")]
        filled, read, given = self._fill(texts, own)
        return ids + filled, read, given

    def fits(self, examples: int) -> bool:
        """Whether so many examples leave each enough tokens to say something."""
        around = len(self._fill(("",) * len(self.columns), self.positions)[0])
        words = max(map(len, self.words()))
        room = self.positions - len(self.start) - words
        own = int(room * FOR_THE_TEXT) if examples else room
        if own < around + LEAST_EXAMPLE:
            return False
        return not examples or (room - own) // examples >= around + words + LEAST_EXAMPLE

    def _fill(self, texts: tuple[str, ...], room: int) -> tuple[list[int], list[int], int]:
        """The template with the texts in it, cut so that all of it has `room` tokens at most.

        Returns:
            All of it, the texts' tokens that are in it, and how many the texts have.
        """
        parts = re.split(r"\{(\w+)\}", self.wording.template)
        around = [self._tokens(part) for part in parts[::2]]
        inside = [self._tokens(f" {text}") if text else [] for text in texts]
        given = sum(map(len, inside))
        spare = max(0, room - sum(map(len, around)))
        # The longer of two texts is cut first.
        while sum(map(len, inside)) > spare:
            longest = max(inside, key=len)
            others = sum(map(len, inside)) - len(longest)
            second = max((len(one) for one in inside if one is not longest), default=0)
            del longest[max(spare - others, min(second, len(longest) - 1)) :]
        ids = list(around[0])
        for text, after in zip(inside, around[1:], strict=True):
            ids += text + after
        return ids, [token for text in inside for token in text], given

    def _tokens(self, text: str) -> list[int]:
        if not text:
            return []
        # A text that spells "</s>" is a text, not the end of one.
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


class LikelihoodModel:
    """A causal language model that says which class's word is likeliest after the prompt.

    A word that is likely after any prompt would always win, so its log-likelihood after the prompt with an empty text
    is taken off (contextual calibration, Zhao et al., 2021; domain-conditional PMI, Holtzman et al., 2021).
    """

    def __init__(self, opened: Opened, task: Task) -> None:
        """Keep the model.

        Args:
            opened: A causal language model with its tokenizer.
            task: What to ask.
        """
        self.network: Network = TorchNetwork(NextToken(opened.model))
        self.size = count_parameters(opened.model).total
        tokenizer, config = opened.tokenizer, opened.model.config
        start = tokenizer.bos_token_id
        if start is None:
            start = getattr(config, "bos_token_id", None)
        positions = min(getattr(config, "max_position_embeddings", MOST_POSITIONS), MOST_POSITIONS)
        self.prompts = Prompts(
            tokenizer, WORDINGS[task.name], task.text_columns, positions, () if start is None else (int(start),)
        )
        self.examples: tuple[Example, ...] = ()
        self.prior: Floats = np.zeros(len(task.labels))

    def fit(self, inputs: Sequence[tuple[str, ...]], labels: NDArray[np.int64], classes: int) -> None:
        """Take the examples into the prompt, in the order given, and measure the words after an empty text.

        Raises:
            RecipeError: So many don't fit.
        """
        if not self.prompts.fits(len(inputs)):
            raise RecipeError(f"{len(inputs)} examples don't fit into a prompt of {self.prompts.positions} tokens.")
        self.examples = tuple(zip(inputs, map(int, labels), strict=True))
        empty = ("",) * len(self.prompts.columns)
        self.prior = self._scores([empty])[0][0]

    def probabilities(
        self, inputs: Sequence[tuple[str, ...]], tick: Callable[[int, int], None] | None = None
    ) -> Floats:
        """Softmax over the classes of the words' calibrated log-likelihoods, shape (n, classes)."""
        return self.answer(inputs, tick)[0]

    def answer(
        self, inputs: Sequence[tuple[str, ...]], tick: Callable[[int, int], None] | None = None
    ) -> tuple[Floats, Readings]:
        """The same, and how much of each input stands in its prompt."""
        scores, read = self._scores(inputs, tick)
        return softmax(scores - self.prior), read

    def _scores(
        self, inputs: Sequence[tuple[str, ...]], tick: Callable[[int, int], None] | None = None
    ) -> tuple[Floats, Readings]:
        built = [self.prompts.build_and_count(texts, self.examples) for texts in inputs]
        scores = score_words(self.network, [ids for ids, _, _ in built], self.prompts.words(), tick)
        missing = unknown_token(self.prompts.tokenizer)
        counts = [(len(read), given, 0 if missing is None else read.count(missing)) for _, read, given in built]
        read, given, unknown = np.array(counts, dtype=np.int64).reshape(-1, 3).T
        return scores, Readings(read, given, unknown)

    def parameters(self) -> ParameterCount:
        """All of the model's; none is trained."""
        return ParameterCount(self.size, 0)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The words' likelihoods after an empty text, and the examples."""
        return {"prior": self.prior}, {"examples": [[list(texts), label] for texts, label in self.examples]}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take a state back."""
        self.prior = np.asarray(arrays["prior"], dtype=np.float64)
        self.examples = tuple((tuple(texts), int(label)) for texts, label in values["examples"])


def score_words(
    network: Network,
    prompts: Sequence[list[int]],
    words: Sequence[tuple[int, ...]],
    tick: Callable[[int, int], None] | None = None,
) -> Floats:
    """Log-likelihood of each word (a tuple of tokens) after each prompt, shape (prompts, words).

    Words that differ in their last token alone share one pass. `network` is what `NextToken` computes.
    """
    stems = list(dict.fromkeys(word[:-1] for word in words))
    rows = [(place, stem) for place in range(len(prompts)) for stem in stems]
    rows.sort(key=lambda row: len(prompts[row[0]]) + len(row[1]), reverse=True)
    scores = np.zeros((len(prompts), len(words)))
    done = 0
    while done < len(rows):
        longest = len(prompts[rows[done][0]]) + len(rows[done][1])
        batch = rows[done : done + max(1, BATCH_TOKENS // longest)]
        ids = np.zeros((len(batch), longest), np.int64)
        real = np.zeros_like(ids)
        at: list[tuple[int, int]] = []
        for index, (place, stem) in enumerate(batch):
            sequence = (*prompts[place], *stem)
            ids[index, : len(sequence)], real[index, : len(sequence)] = sequence, 1
            at += [(index, len(prompts[place]) - 1 + step) for step in range(len(stem) + 1)]
        read = np.array(at, np.int64)
        shares = iter(
            network({"input_ids": ids, "attention_mask": real, "rows": read[:, 0], "places": read[:, 1]}).astype(float)
        )
        for place, stem in batch:
            own = [next(shares) for _ in range(len(stem) + 1)]
            for number, word in enumerate(words):
                if word[:-1] == stem:
                    scores[place, number] = sum(own[step][token] for step, token in enumerate(word))
        done += len(batch)
        if tick:
            tick(done // len(stems), len(prompts))
    return scores
