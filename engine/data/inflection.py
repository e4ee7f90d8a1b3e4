"""Polish inflection by pattern, for words that no dictionary has.

Forms are made freely: where a word could take either of two endings (`hajsa`, `hajsu`), both are made. That costs
nothing where forms are looked up in a text, and slang has no norm that would choose between them. Sound changes at
the end of a stem are those of any grammar of Polish, such as Tokarski, *Fleksja polska* (1973).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

_VOWELS = "aąeęioóuy"
_HUSHING = ("dz", "cz", "sz", "rz", "dż", "c", "ż", "j", "l", "sh")
"""Ends of stems that decline as soft ones and write no `i`."""
_SOFT = {"ń": "ni", "ś": "si", "ź": "zi", "ć": "ci"}
_LOCATIVE = (
    *(("st", "ście"), ("zd", "ździe"), ("sł", "śle"), ("ch", "sze"), ("t", "cie"), ("d", "dzie"), ("ł", "le")),
    *(("r", "rze"), ("k", "ce"), ("g", "dze"), ("h", "że")),
)
_VIRILE = (
    *(("st", "ści"), ("ch", "si"), ("sz", "si"), ("t", "ci"), ("d", "dzi"), ("ł", "li"), ("r", "rzy"), ("k", "cy")),
    *(("g", "dzy"), ("rz", "rzy"), ("cz", "czy"), ("c", "cy"), ("ż", "ży"), ("l", "li")),
)
_FIRST_PERSON = (
    *(("ści", "szcz"), ("ździ", "żdż"), ("ci", "c"), ("dzi", "dz"), ("si", "sz"), ("zi", "ż"), ("li", "l")),
)
_IMPERATIVE = (("ści", "ść"), ("dzi", "dź"), ("ci", "ć"), ("si", "ś"), ("zi", "ź"), ("ni", "ń"), ("i", ""))
_PAST = (
    *("ł", "łem", "łeś", "łby", "łbym", "łbyś", "ła", "łam", "łaś", "łaby", "łabym", "łabyś", "ło", "łoby"),
    *("ły", "łyśmy", "łyście", "łyby", "łybyśmy"),
)
_VIRILE_PAST = ("li", "liśmy", "liście", "liby", "libyśmy")
_ADJECTIVE = ("y", "a", "e", "ego", "ej", "emu", "ą", "ym", "ymi", "ych")


def _change(stem: str, rules: tuple[tuple[str, str], ...], otherwise: str) -> str:
    """The stem with its end changed by the first rule that fits, or with `otherwise` added."""
    for end, changed in rules:
        if stem.endswith(end):
            return stem[: -len(end)] + changed
    return stem + otherwise


def _join(stem: str, *endings: str) -> Iterator[str]:
    yield from (stem + ending for ending in endings)


def _bare(stem: str) -> Iterator[str]:
    """A stem without an ending: `domówk` → `domówek`, `mord` → `mórd`."""
    yield stem
    if len(stem) > 1 and stem[-1] not in _VOWELS and stem[-2] not in _VOWELS:
        yield f"{stem[:-1]}e{stem[-1]}"
    elif len(stem) > 1 and stem[-2] == "o":
        yield f"{stem[:-2]}ó{stem[-1]}"


def masculine(word: str, stem: str = "") -> Iterator[str]:
    """`ziomek`: ziomka, ziomkowi, ziomkiem… A final `e` that isn't heard may stay or go: `vibe'u`, `vibu`."""
    yield word
    if not stem and word[-1] == "e":
        yield from _join(word, "a", "u", "m", "em", "owi", "y", "s", "ów", "om", "ami", "ach")
    if not stem:
        if len(word) > 3 and word.endswith("ek"):
            stem = word[:-2] + "k"
        elif word.endswith("iec"):
            stem = word[:-3] + "c"
        else:
            stem = word[:-1] if word[-1] in "aeou" else word
    stem = stem[:-1] + _SOFT[stem[-1]] if stem[-1] in _SOFT else stem
    yield from _join(stem, "a", "owi", "ów", "om", "ami", "ach", "u")
    if stem.endswith(("k", "g")):
        yield from _join(stem, "iem", "i")
    elif stem.endswith("i"):
        yield from _join(stem, "em", "e", "")
    elif stem.endswith(_HUSHING):
        yield from _join(stem, "em", "e", "owie", "y")
        yield (stem[:-1] if stem.endswith("j") else stem) + "i"
    else:
        yield from _join(stem, "em", "y", "owie")
        if not stem.endswith(("ch", "h")):
            yield _change(stem, _LOCATIVE, "ie")
    if stem.endswith(("t", "d", "ł", "r", "k", "g")):
        yield _change(stem, _VIRILE, "i")


def feminine(word: str, stem: str = "") -> Iterator[str]:
    """`domówka`: domówki, domówce, domówkę… A word in a consonant is declined as `żenadność`."""
    yield word
    if word[-1] != "a":
        stem = stem or (word[:-1] + _SOFT[word[-1]] if word[-1] in _SOFT else word)
        yield from _join(stem, "" if stem.endswith("i") else "y", "ą", "om", "ami", "ach")
        return
    stem = stem or word[:-1]
    yield from _join(stem, "ę", "ą", "o", "om", "ami", "ach")
    if stem.endswith("i"):
        soft = {soft: letter for letter, soft in _SOFT.items()}
        yield from _join(stem, "", "e", "i", "u")
        yield stem[:-2] + soft.get(stem[-2:], stem[-2])
        return
    yield from _bare(stem)
    if stem.endswith(("k", "g")):
        yield stem + "i"
    elif stem.endswith(("l", "j")):
        yield from _join(stem, "i", "e")
        yield stem[:-1] + "i"
    else:
        yield from _join(stem, "y", "e") if stem.endswith(_HUSHING) else _join(stem, "y")
    if not stem.endswith(_HUSHING):
        yield _change(stem, _LOCATIVE, "ie")


def neuter(word: str, stem: str = "") -> Iterator[str]:
    """`ciacho`: ciacha, ciachu, ciachem…"""
    yield word
    stem = stem or word[:-1]
    yield from _join(stem, "a", "u", "om", "ami", "ach", "iem" if stem.endswith(("k", "g")) else "em")
    yield from _bare(stem)
    if word[-1] == "o" and not stem.endswith(("k", "g", "h", "i", *_HUSHING)):
        yield _change(stem, _LOCATIVE, "ie")


def plural(word: str, stem: str = "") -> Iterator[str]:
    """`heheszki`: heheszków, heheszkom…; `bagiety`: bagiet, bagietom…"""
    yield word
    stem = stem or (word[:-1] if word[-1] != "i" or word[-2] in "kglj" else word)
    yield from _join(stem, "ów", "om", "ami", "ach")
    yield from _bare(stem)


def adjective(word: str, stem: str = "") -> Iterator[str]:
    """`chillowy`: chillowa, chillowego…, and the adverbs in `-o` and `-e`."""
    stem = stem or word[:-1]
    hard = stem.endswith(("k", "g"))
    if word[-1] == "i":
        yield from _join(stem, "i", *("i" + ending for ending in ("e", "ego", "ej", "emu")), "im", "imi", "ich")
        yield from _join(stem if hard else stem + "i", "a", "ą", "o")
    else:
        yield from _join(stem, *_ADJECTIVE, "o")
        yield _change(stem, _LOCATIVE, "ie")
    yield _change(stem, _VIRILE, "i")


def _participle(stem: str) -> Iterator[str]:
    """`wkręcon`: wkręcony, wkręcona…, wkręceni, wkręcono."""
    yield from _join(stem, *_ADJECTIVE, "o", "i")
    if stem.endswith("on"):
        yield stem[:-2] + "eni"


def _conjugate(first: str, second: str, vowel: str) -> Iterator[str]:
    """Present tense and what is made of it: `robi`, `rob`, `i` → robię, robisz, robią, robiąc, robiący…"""
    yield first + "ę"
    yield from _join(second, vowel, *(vowel + ending for ending in ("sz", "my", "cie")))
    yield first + "ą"
    yield first + "ąc"
    yield from _join(first + "ąc", *_ADJECTIVE)


def _order(stem: str) -> Iterator[str]:
    """`rób`: rób, róbmy, róbcie."""
    yield from _join(stem, "", "my", "cie")


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
        yield from _join(base, "am", "asz", "a", "amy", "acie", "ają", "ając")
        yield from _join(base + "ając", *_ADJECTIVE)
        yield from _order(base + "aj")
        if word.endswith(("ywać", "iwać")):
            yield from _conjugate(word[:-4] + "uj", word[:-4] + "uj", "e")
    yield from _of_infinitive(word, word[:-2] + "an", word[:-1] + "nie")
    if stem:
        yield from _join(word[:-2] + "e", *_VIRILE_PAST)


def _verb_in_nac(word: str, stem: str) -> Iterator[str]:
    base = stem or word[:-2]
    # cisnąć: cisnę, but ciśnie.
    soft = _change(base, (("sn", "śni"), ("zn", "źni")), "i")
    yield from _conjugate(base, soft, "e")
    yield from _order(soft + "j")
    yield from _order(base + "ij")
    yield from _join(base[:-1], *(("ń", "ńmy", "ńcie") if len(base) > 1 else ()))
    yield word
    # nął, but nęła and nęli.
    yield from (base + ("ą" if ending in ("ł", "łem", "łeś", "łby", "łbym", "łbyś") else "ę") + ending for ending in _PAST)
    yield from _join(base + "ę", *_VIRILE_PAST)
    yield base + "ąwszy"
    yield from _participle(soft + "ęt")
    yield from neuter(soft + "ęcie", soft + "ęci")


def _verb_in_ic(word: str, stem: str) -> Iterator[str]:
    """`robić`, `tworzyć`, and those in `-eć` that go the same way (`lecieć`)."""
    past = word[:-1]
    if word.endswith("ieć"):
        base, past, fronted = word[:-2], word[:-2] + "a", word[:-1]
    elif word.endswith("eć"):
        base, past, fronted = word[:-2], word[:-2] + "a", word[:-1]
    else:
        base, fronted = past, past
    vowel = "" if base.endswith("i") else "y"
    base = base if vowel == "" else base.removesuffix("y")
    changed = _change(base, _FIRST_PERSON, "")
    yield from _conjugate(changed, base, vowel)
    short = stem or (_change(base, _IMPERATIVE, "") if not vowel else base)
    yield from _order(short)
    if len(short) > 1 and short[-2] == "o":
        yield from _order(f"{short[:-2]}ó{short[-1]}")
    yield from _order((base if not vowel else base + "y") + "j")
    yield word
    yield from _join(past, *_PAST)
    yield from _join(fronted, *_VIRILE_PAST)
    yield past + "wszy"
    yield from _participle(changed + "on")
    yield from neuter(changed + "enie", changed + "eni")


def _verb_with_j(word: str, stem: str) -> Iterator[str]:
    """`wbić`: wbiję, wbijesz, wbity; `kuć`: kuję."""
    base = (stem or word[:-1]) + "j"
    yield from _conjugate(base, base, "e")
    yield from _order(base)
    yield from _join(word[:-1], "ł", *_PAST, *_VIRILE_PAST, "wszy")
    yield word
    yield from _participle(word[:-1] + "t")
    yield from neuter(word[:-1] + "cie", word[:-1] + "ci")


def _of_infinitive(word: str, passive: str, noun: str) -> Iterator[str]:
    """Past tense, passive participle and verbal noun of verbs in `-ać`."""
    yield word
    yield from _join(word[:-1], *_PAST, *_VIRILE_PAST, "wszy")
    yield from _participle(passive)
    yield from neuter(noun, noun[:-1])


def _irregular(word: str) -> Iterator[str]:
    present, past, virile = IRREGULAR[word]
    yield word
    yield from present.split()
    yield from _join(past, *_PAST)
    yield from _join(virile, *_VIRILE_PAST)


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
        "być": ("jestem jesteś jest jesteśmy jesteście są będę będziesz będzie będziemy będziecie będą bądź", "by", "by"),
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

_PARADIGMS: Mapping[str, Callable[[str, str], Iterator[str]]] = MappingProxyType(
    {
        "m": masculine,
        "f": feminine,
        "n": neuter,
        "pl": plural,
        "adj": adjective,
        "v": verb,
        "vj": _verb_with_j,
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


@lru_cache(maxsize=None)
def _forms_of_end(end: str, paradigm: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_PARADIGMS[paradigm](end, "")))
