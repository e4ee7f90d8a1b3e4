"""All forms of a Polish word, from its dictionary form and the name of a pattern."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

from engine.data.polish.conjugation import IRREGULAR, verb, verb_with_j
from engine.data.polish.declension import adjective, feminine, masculine, neuter, plural

_PARADIGMS: Mapping[str, Callable[[str, str], Iterator[str]]] = MappingProxyType(
    {
        "m": masculine,
        "f": feminine,
        "n": neuter,
        "pl": plural,
        "adj": adjective,
        "v": verb,
        "vj": verb_with_j,
    }
)
PARADIGMS = frozenset(_PARADIGMS)
"""Names of the patterns: masculine, feminine, neuter and plural nouns, adjectives, verbs, and verbs such as `wbić`."""


def inflect(word: str, paradigm: str, stem: str = "") -> tuple[str, ...]:
    """All forms of a word, itself included.

    Args:
        word: Its dictionary form, in lower case.
        paradigm: One of `PARADIGMS`.
        stem: What the endings are added to, where it isn't seen in the word: `dół`, `doł`; `olać`, `olej`.

    Raises:
        KeyError: There is no such paradigm.
    """
    if stem or word in IRREGULAR:
        return tuple(dict.fromkeys(_PARADIGMS[paradigm](word, stem)))
    # No rule looks further back than five letters, so words with the same end are worked out once.
    cut = max(len(word) - (4 if word.endswith("ować") else 5), 0)
    head = word[:cut]
    return tuple([head + form for form in _forms_of_end(word[cut:], paradigm)])


@cache
def _forms_of_end(end: str, paradigm: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_PARADIGMS[paradigm](end, "")))
