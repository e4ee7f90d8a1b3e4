"""Conjugation of Polish verbs by pattern, with their participles and verbal nouns."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from engine.data.polish.declension import ADJECTIVE, change, join, neuter

_FIRST_PERSON = (
    *(("ści", "szcz"), ("ździ", "żdż"), ("ci", "c"), ("dzi", "dz"), ("si", "sz"), ("zi", "ż"), ("li", "l")),
)
_PAST = (
    *("ł", "łem", "łeś", "łby", "łbym", "łbyś", "ła", "łam", "łaś", "łaby", "łabym", "łabyś", "ło", "łoby"),
    *("ły", "łyśmy", "łyście", "łyby", "łybyśmy"),
)
_IMPERATIVE = (("ści", "ść"), ("dzi", "dź"), ("ci", "ć"), ("si", "ś"), ("zi", "ź"), ("ni", "ń"), ("i", ""))
_VIRILE_PAST = ("li", "liśmy", "liście", "liby", "libyśmy")


def _participle(stem: str) -> Iterator[str]:
    """`wkręcon`: wkręcony, wkręcona…, wkręceni, wkręcono."""
    yield from join(stem, *ADJECTIVE, "o", "i")
    if stem.endswith("on"):
        yield stem[:-2] + "eni"


def _conjugate(first: str, second: str, vowel: str) -> Iterator[str]:
    """Present tense and what is made of it: `robi`, `rob`, `i` → robię, robisz, robią, robiąc, robiący…"""
    yield first + "ę"
    yield from join(second, vowel, *(vowel + ending for ending in ("sz", "my", "cie")))
    yield first + "ą"
    yield first + "ąc"
    yield from join(first + "ąc", *ADJECTIVE)


def _order(stem: str) -> Iterator[str]:
    """`rób`: rób, róbmy, róbcie."""
    yield from join(stem, "", "my", "cie")


def _verb_in_owac(word: str, stem: str) -> Iterator[str]:
    base = stem or word[:-4] + "uj"
    yield from _conjugate(base, base, "e")
    yield from _order(base)
    yield from _of_infinitive(word, word[:-2] + "an", word[:-1] + "nie")


def _verb_in_ac(word: str, stem: str) -> Iterator[str]:
    if stem:
        # `olej`: oleję, olejesz; `trzepi`: trzepię, trzepiesz; the imperative drops a mute i.
        yield from _conjugate(stem, stem, "e")
        yield from _order(stem.removesuffix("i") if stem.endswith("i") else stem)
    else:
        base = word[:-2]
        yield from join(base, "am", "asz", "a", "amy", "acie", "ają", "ając")
        yield from join(base + "ając", *ADJECTIVE)
        yield from _order(base + "aj")
        if word.endswith(("ywać", "iwać")):
            yield from _conjugate(word[:-4] + "uj", word[:-4] + "uj", "e")
    yield from _of_infinitive(word, word[:-2] + "an", word[:-1] + "nie")
    if stem:
        yield from join(word[:-2] + "e", *_VIRILE_PAST)


def _verb_in_nac(word: str, stem: str) -> Iterator[str]:
    base = stem or word[:-2]
    # cisnąć: cisnę, but ciśnie.
    soft = change(base, (("sn", "śni"), ("zn", "źni")), "i")
    yield from _conjugate(base, soft, "e")
    yield from _order(soft + "j")
    yield from _order(base + "ij")
    yield from join(base[:-1], *(("ń", "ńmy", "ńcie") if len(base) > 1 else ()))
    yield word
    # nął, but nęła and nęli.
    yield from (
        base + ("ą" if ending in ("ł", "łem", "łeś", "łby", "łbym", "łbyś") else "ę") + ending for ending in _PAST
    )
    yield from join(base + "ę", *_VIRILE_PAST)
    yield base + "ąwszy"
    yield from _participle(soft + "ęt")
    yield from neuter(soft + "ęcie", soft + "ęci")


def _verb_in_ic(word: str, stem: str) -> Iterator[str]:
    """`robić`, `tworzyć`, and those in `-eć` that go the same way (`lecieć`)."""
    past = word[:-1]
    if word.endswith("ieć") or word.endswith("eć"):
        base, past, fronted = word[:-2], word[:-2] + "a", word[:-1]
    else:
        base, fronted = past, past
    vowel = "" if base.endswith("i") else "y"
    base = base if vowel == "" else base.removesuffix("y")
    changed = change(base, _FIRST_PERSON, "")
    yield from _conjugate(changed, base, vowel)
    short = stem or (change(base, _IMPERATIVE, "") if not vowel else base)
    yield from _order(short)
    if len(short) > 1 and short[-2] == "o":
        yield from _order(f"{short[:-2]}ó{short[-1]}")
    yield from _order((base if not vowel else base + "y") + "j")
    yield word
    yield from join(past, *_PAST)
    yield from join(fronted, *_VIRILE_PAST)
    yield past + "wszy"
    yield from _participle(changed + "on")
    yield from neuter(changed + "enie", changed + "eni")


def verb_with_j(word: str, stem: str) -> Iterator[str]:
    """`wbić`: wbiję, wbijesz, wbity; `kuć`: kuję."""
    base = (stem or word[:-1]) + "j"
    yield from _conjugate(base, base, "e")
    yield from _order(base)
    yield from join(word[:-1], "ł", *_PAST, *_VIRILE_PAST, "wszy")
    yield word
    yield from _participle(word[:-1] + "t")
    yield from neuter(word[:-1] + "cie", word[:-1] + "ci")


def _of_infinitive(word: str, passive: str, noun: str) -> Iterator[str]:
    """Past tense, passive participle and verbal noun of verbs in `-ać`."""
    yield word
    yield from join(word[:-1], *_PAST, *_VIRILE_PAST, "wszy")
    yield from _participle(passive)
    yield from neuter(noun, noun[:-1])


def _irregular(word: str) -> Iterator[str]:
    present, past, virile = IRREGULAR[word]
    yield word
    yield from present.split()
    yield from join(past, *_PAST)
    yield from join(virile, *_VIRILE_PAST)


def verb(word: str, stem: str = "") -> Iterator[str]:
    """All forms of a verb, by the end of its infinitive; a few everyday ones that follow none stand in a table."""
    if word in IRREGULAR:
        yield from _irregular(word)
    elif word.endswith("ować"):
        yield from _verb_in_owac(word, stem)
    elif word.endswith("nąć"):
        yield from _verb_in_nac(word, stem)
    elif word.endswith("awać") and not stem:
        yield from _verb_in_ac(word, word[:-4] + "aj")
        yield from _verb_in_ac(word, "")
    elif word.endswith("ać"):
        yield from _verb_in_ac(word, stem)
    else:
        yield from _verb_in_ic(word, stem)


IRREGULAR: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "mieć": ("mam masz ma mamy macie mają miej miejmy miejcie mając mający", "mia", "mie"),
        "być": (
            "jestem jesteś jest jesteśmy jesteście są będę będziesz będzie będziemy będziecie będą bądź",
            "by",
            "by",
        ),
        "dać": ("dam dasz da damy dacie dadzą daj dajmy dajcie", "da", "da"),
        "iść": ("idę idziesz idzie idziemy idziecie idą idź idźmy idźcie idąc szedł szedłem szedłeś", "sz", "sz"),
        "pójść": ("pójdę pójdziesz pójdzie pójdziemy pójdziecie pójdą poszedł poszedłem poszedłeś", "posz", "posz"),
        "wyjść": ("wyjdę wyjdziesz wyjdzie wyjdziemy wyjdziecie wyjdą wyszedł wyszedłem", "wysz", "wysz"),
        "jechać": ("jadę jedziesz jedzie jedziemy jedziecie jadą jedź jedźmy jedźcie jadąc", "jecha", "jecha"),
        "pojechać": ("pojadę pojedziesz pojedzie pojedziemy pojedziecie pojadą pojedź", "pojecha", "pojecha"),
        "spiąć": ("zepnę zepniesz zepnie zepniemy zepniecie zepną zepnij spięty spięta", "spię", "spię"),
        "przegiąć": ("przegnę przegniesz przegnie przegną przegiął przegiąłem przegiąłeś", "przegię", "przegię"),
        "dostać": ("dostanę dostaniesz dostanie dostaniemy dostaniecie dostaną dostań", "dosta", "dosta"),
    }
)
"""Infinitive → present tense and imperative, and the stems of the past."""
