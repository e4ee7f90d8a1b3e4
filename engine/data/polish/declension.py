"""Declension of Polish nouns and adjectives by pattern, for words that no dictionary has.

Forms are made freely: where a word could take either of two endings (`hajsa`, `hajsu`), both are made. That costs
nothing where forms are looked up in a text, and slang has no norm that would choose between them.
"""

from collections.abc import Iterator

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
ADJECTIVE = ("y", "a", "e", "ego", "ej", "emu", "ą", "ym", "ymi", "ych")


def change(stem: str, rules: tuple[tuple[str, str], ...], otherwise: str) -> str:
    """The stem with its end changed by the first rule that fits, or with `otherwise` added."""
    for end, changed in rules:
        if stem.endswith(end):
            return stem[: -len(end)] + changed
    return stem + otherwise


def join(stem: str, *endings: str) -> Iterator[str]:
    """The stem with each ending in turn."""
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
        yield from join(word, "a", "u", "m", "em", "owi", "y", "s", "ów", "om", "ami", "ach")
    if not stem:
        if len(word) > 3 and word.endswith("ek"):
            stem = word[:-2] + "k"
        elif word.endswith("iec"):
            stem = word[:-3] + "c"
        else:
            stem = word[:-1] if word[-1] in "aeou" else word
    stem = stem[:-1] + _SOFT[stem[-1]] if stem[-1] in _SOFT else stem
    yield from join(stem, "a", "owi", "ów", "om", "ami", "ach", "u")
    if stem.endswith(("k", "g")):
        yield from join(stem, "iem", "i")
    elif stem.endswith("i"):
        yield from join(stem, "em", "e", "")
    elif stem.endswith(_HUSHING):
        yield from join(stem, "em", "e", "owie", "y")
        yield (stem[:-1] if stem.endswith("j") else stem) + "i"
    else:
        yield from join(stem, "em", "y", "owie")
        if not stem.endswith(("ch", "h")):
            yield change(stem, _LOCATIVE, "ie")
    if stem.endswith(("t", "d", "ł", "r", "k", "g")):
        yield change(stem, _VIRILE, "i")


def feminine(word: str, stem: str = "") -> Iterator[str]:
    """`domówka`: domówki, domówce, domówkę… A word in a consonant is declined as `żenadność`."""
    yield word
    if word[-1] != "a":
        stem = stem or (word[:-1] + _SOFT[word[-1]] if word[-1] in _SOFT else word)
        yield from join(stem, "" if stem.endswith("i") else "y", "ą", "om", "ami", "ach")
        return
    stem = stem or word[:-1]
    yield from join(stem, "ę", "ą", "o", "om", "ami", "ach")
    if stem.endswith("i"):
        soft = {soft: letter for letter, soft in _SOFT.items()}
        yield from join(stem, "", "e", "i", "u")
        yield stem[:-2] + soft.get(stem[-2:], stem[-2])
        return
    yield from _bare(stem)
    if stem.endswith(("k", "g")):
        yield stem + "i"
    elif stem.endswith(("l", "j")):
        yield from join(stem, "i", "e")
        yield stem[:-1] + "i"
    else:
        yield from join(stem, "y", "e") if stem.endswith(_HUSHING) else join(stem, "y")
    if not stem.endswith(_HUSHING):
        yield change(stem, _LOCATIVE, "ie")


def neuter(word: str, stem: str = "") -> Iterator[str]:
    """`ciacho`: ciacha, ciachu, ciachem…"""
    yield word
    stem = stem or word[:-1]
    yield from join(stem, "a", "u", "om", "ami", "ach", "iem" if stem.endswith(("k", "g")) else "em")
    yield from _bare(stem)
    if word[-1] == "o" and not stem.endswith(("k", "g", "h", "i", *_HUSHING)):
        yield change(stem, _LOCATIVE, "ie")


def plural(word: str, stem: str = "") -> Iterator[str]:
    """`heheszki`: heheszków, heheszkom…; `bagiety`: bagiet, bagietom…"""
    yield word
    stem = stem or (word[:-1] if word[-1] != "i" or word[-2] in "kglj" else word)
    yield from join(stem, "ów", "om", "ami", "ach")
    yield from _bare(stem)


def adjective(word: str, stem: str = "") -> Iterator[str]:
    """`chillowy`: chillowa, chillowego…, and the adverbs in `-o` and `-e`."""
    stem = stem or word[:-1]
    hard = stem.endswith(("k", "g"))
    if word[-1] == "i":
        yield from join(stem, "i", *("i" + ending for ending in ("e", "ego", "ej", "emu")), "im", "imi", "ich")
        yield from join(stem if hard else stem + "i", "a", "ą", "o")
    else:
        yield from join(stem, *ADJECTIVE, "o")
        yield change(stem, _LOCATIVE, "ie")
    yield change(stem, _VIRILE, "i")
