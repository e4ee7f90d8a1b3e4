"""The two tasks: what goes in, what comes out, and how their columns are called in the wild."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from engine.errors import DataError
from engine.messages import message

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class HubDataset:
    """A data set on the Hugging Face Hub."""

    repo_id: str
    revision: str
    """Branch, tag or commit. It is resolved to a commit before anything is loaded, and that commit is recorded."""
    subset: str | None = None


@dataclass(frozen=True)
class Task:
    """A frozen description of one classification task."""

    name: str
    title: str
    text_columns: tuple[str, ...]
    labels: tuple[str, ...]
    """Names of the classes; a label's number is its place here."""
    languages: tuple[str, ...]
    hub: HubDataset
    select_on: str
    """The validation metric on which the best epoch is chosen, a key of `engine.evaluation.metrics.BETTER`."""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Canonical column → names it goes by, compared without case."""
    label_aliases: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_pair(self) -> bool:
        """Whether the input is a pair of texts."""
        return len(self.text_columns) == 2

    def __reduce__(self) -> tuple[Callable[[str], "Task"], tuple[str]]:
        """Travel to other processes by name."""
        return get_task, (self.name,)

    def describe_labels(self) -> str:
        """`0 negative, 1 neutral, 2 positive`, for messages."""
        return ", ".join(f"{index} {name}" for index, name in enumerate(self.labels))


_COMMON: dict[str, tuple[str, ...]] = {
    "id": ("id", "guid", "pairid", "pair_id", "uid", "idx"),
    "split": ("split", "semeval_set"),
    "label": (
        *("label", "labels", "sentyment", "sentiment", "class", "gold_label", "target", "etykieta"),
        *("entailment_judgment", "entailment_judgement", "entailment_label", "label_text", "label_name", "klasa"),
        *("sentiment_label", "etykiety", "wydźwięk", "gold"),
    ),
    "lang_abv": ("lang_abv", "lang", "language_code"),
    "language": ("language", "język"),
    "premise_group": ("premise_group", "group"),
}

_SENTIMENT = (
    "negative, neg, negatyw, negatywny, negatywna, negatywne, negatywnie, ujemny, minus, "
    "meta_minus_m, meta_minus_s, z_minus_m, z_minus_s, minus_m, minus_s",
    "neutral, neu, neut, neutralny, neutralna, neutralne, neutralnie, zero, meta_zero, z_zero, "
    "neutral or ambiguous, neutralny lub niejednoznaczny, neutralne lub niejednoznaczne, "
    "ambiguous, amb, meta_amb, z_amb, niejednoznaczny, niejednoznaczna, niejednoznaczne, "
    "ambivalent, ambiwalentny, ambiwalentna, ambiwalentne, mixed, mieszany, mieszana, mieszane",
    "positive, pos, pozytyw, pozytywny, pozytywna, pozytywne, pozytywnie, dodatni, plus, "
    "meta_plus_m, meta_plus_s, z_plus_m, z_plus_s, plus_m, plus_s",
)
"""Spellings of each class, those of PolEmo and KLEJ among them."""
_INFERENCE = (
    "entailment, entails, entailed, entail, e, a_entails_b, wynikanie, wynika",
    "neutral, n, a_neutral_b, neutralny, neutralna, neutralne, neutralność",
    "contradiction, contradictory, contradicts, contradict, contradicted, c, a_contradicts_b, "
    "sprzeczność, sprzeczny, sprzeczna, sprzeczne, zaprzeczenie",
)
"""Spellings of each class, those of SNLI, MNLI, XNLI, ANLI, SICK and CDSC-E among them."""

SLANG = Task(
    name="slang",
    title=message("Sentiment of Polish youth slang"),
    text_columns=("text",),
    labels=("negative", "neutral or ambiguous", "positive"),
    languages=("pl",),
    hub=HubDataset("jziebura/polish_youth_slang_classification", "main"),
    select_on="macro_f1",
    aliases=MappingProxyType(
        _COMMON
        | {
            "text": (
                *("text", "tekst", "sentence", "message", "comment", "content", "treść", "zdanie", "wiadomość"),
                *("komentarz", "wypowiedź", "review", "opinia", "recenzja", "tweet", "wpis", "utterance"),
            ),
            "term": ("term", "słowo slangowe", "slang", "slang_word", "termin", "słowo"),
            "meaning": ("meaning", "znaczenie wyrazów slangowych", "znaczenie"),
            "domain": ("domain",),
        }
    ),
    label_aliases=MappingProxyType(
        {name: label for label, names in enumerate(_SENTIMENT) for name in names.split(", ")}
    ),
)

NLI = Task(
    name="nli",
    title=message("Natural language inference in 15 languages"),
    text_columns=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    languages=("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    hub=HubDataset("facebook/xnli", "main", "en"),
    select_on="accuracy",
    aliases=MappingProxyType(
        _COMMON
        | {
            "premise": (
                *("premise", "sentence1", "text_a", "przesłanka", "sentence_a", "context", "sentence_1", "text1"),
                *("zdanie_a", "zdanie1"),
            ),
            "hypothesis": (
                *("hypothesis", "sentence2", "text_b", "hipoteza", "sentence_b", "sentence_2", "text2"),
                *("zdanie_b", "zdanie2"),
            ),
        }
    ),
    label_aliases=MappingProxyType(
        {name: label for label, names in enumerate(_INFERENCE) for name in names.split(", ")}
    ),
)

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in (SLANG, NLI)})


def get_task(name: str) -> Task:
    """Return the task called `name`.

    Raises:
        DataError: There is no such task.
    """
    try:
        return TASKS[name]
    except KeyError:
        raise DataError(f"There is no task '{name}'. Tasks: {', '.join(TASKS)}.") from None
