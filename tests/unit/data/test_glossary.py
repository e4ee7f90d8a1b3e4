"""The slang glossary: complete entries, inflected forms, where terms are found and where they aren't, and the page."""

import csv
import time
import unicodedata
from collections import defaultdict
from itertools import pairwise

import pytest

from engine.data.polish.glossary import GLOSSARY, LANGUAGES, PARTS, REGISTERS, TONES, Glossary
from engine.data.polish.inflection import PARADIGMS, inflect
from engine.data.sources import SAMPLES_DIR, TaskData
from gradio_app.handlers.glossary import find_terms
from gradio_app.languages import get_language
from gradio_app.views.glossary import SHOWN, render_terms

ENGLISH = get_language("en")

FORMS = """
sztosu sztos|sztosem sztos|sztosy sztos|kozaka kozak|kozacy kozak|kozakiem kozak|krindżu cringe|cringe'u cringe
cringem cringe|krindżowe cringe|żenady żenada|żenadzie żenada|essę essa|odklejkę odklejka|odklejony odklejka
dzbany dzban|dzbanem dzban|boomerów boomer|boomerze boomer|domówce domówka|domówek domówka|ziomka ziomek
ziomkiem ziomek|ziomki ziomek|mordeczko mordo|ekipą ekipa|typiarę typiara|melanżu melanż|imprezowaliśmy impra
heheszków heheszki|heheszkach heheszki|ciarek ciary|propsami propsy|bagiet bagiety|laczkach laczki|ćwikach ćwiki
ogarniam ogarniać|ogarnęła ogarniać|ogarnij ogarniać|ogarniając ogarniać|wbijasz wbijać|wbijaliśmy wbijać
wbiłem wbijać|wbijaj wbijać|czaisz czaić|kminię kminić|rozkminiłam kminić|kminiąc kminić|chilluję chillować
chillowali chillować|chilluj chillować|chillowego chillowy|olał olać|olejemy olać|oleli olać|kuję wkuwać
zakuwałam wkuwać|hejtujesz hejt|scrollowałbym scrollować|simpując simp|zghostowała ghosting|epickiego epicki
zarąbistą zarąbisty|zarąbiści zarąbisty|wypasionych wypasiony|leniwca leniwiec|kotełka koteł|psorce sor
wuefistą wf|kebsem kebs|vibem vibe|vibe'u vibe|ace'a ace|gówniarze gówniak|uwaliłem uwalić|łba łeb|wyrku wyrko
ciachem ciacho|stówek stówa|dychę dycha|fuksem fuks|bossami boss|lagów lag|questów quest|expiłem expić
""".replace("\n", "|")
"""Form and term: nouns of three genders and of the plural alone, adjectives, and all classes of verbs."""


@pytest.fixture(scope="module")
def glossary() -> Glossary:
    return Glossary.load()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with GLOSSARY.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def terms(glossary: Glossary, text: str) -> list[str]:
    return [one.entry.term for one in glossary.find(text)]


# The file


def test_there_are_hundreds_of_entries_and_each_is_complete(rows: list[dict[str, str]]) -> None:
    assert len(rows) >= 300
    for row in rows:
        assert row["part"] in PARTS, row
        assert row["tone"] in TONES, row
        assert row["register"] in REGISTERS, row
        for value in (row["term"], *(row[code] for code in LANGUAGES)):
            assert value, row
            assert value == " ".join(value.split()), row
            assert unicodedata.is_normalized("NFC", value), row
        for code in LANGUAGES:
            assert 2 <= len(row[code]) <= 90, row


def test_no_term_stands_twice(rows: list[dict[str, str]]) -> None:
    seen = [row["term"].lower() for row in rows]
    assert sorted(seen) == sorted(set(seen))


def test_meanings_are_in_the_script_of_their_language(rows: list[dict[str, str]]) -> None:
    for row in rows:
        russian = sum("CYRILLIC" in unicodedata.name(char, "") for char in row["ru"])
        latin = sum("LATIN" in unicodedata.name(char, "") for char in row["ru"])
        assert russian > latin, row
        for code in ("en", "pl"):
            assert not any("CYRILLIC" in unicodedata.name(char, "") for char in row[code]), row
    polish = {row["term"]: row["pl"] for row in rows}
    english = {row["term"]: row["en"] for row in rows}
    assert all(polish[term] != english[term] or len(english[term]) < 12 for term in polish)


def test_the_mark_of_slang_and_of_vulgarity_is_said_in_all_three_languages_or_in_none(
    rows: list[dict[str, str]],
) -> None:
    for row in rows:
        marked = [row["pl"].startswith("w slangu: "), row["en"].startswith("in slang: ")]
        marked.append(row["ru"].startswith("в сленге: "))
        assert len(set(marked)) == 1, row
    swearing = ("kurw", "jeb", "pierdol", "chuj", "gówn")
    for row in rows:
        # A mild term may have no vulgar variant either, for the mark stands by the term.
        if any(root in f"{row['term']} {row['inflection']}" for root in swearing):
            assert row["register"] == "vulgar", row


def test_an_inflection_names_known_paradigms_and_never_the_same_variant_twice(rows: list[dict[str, str]]) -> None:
    for row in rows:
        variants = [part.strip() for part in row["inflection"].split(";") if part.strip()]
        assert len(variants) == len(set(variants)), row
        for word in " ".join(variants).split():
            if ":" in word:
                assert word.partition(":")[2].partition("/")[0] in PARADIGMS, row


def test_few_forms_belong_to_two_terms(glossary: Glossary) -> None:
    owners = defaultdict(set)
    for form, entry in glossary.forms():
        owners[form].add(entry.term)
    shared = {form: names for form, names in owners.items() if len(names) > 1}
    assert len(shared) < 0.02 * len(owners), shared
    # Whatever is shared, a term itself is found as that term.
    for entry in glossary.entries:
        found = glossary.find(entry.term)
        if len(found) == 1 and found[0].form == entry.term and entry.term in owners:
            assert found[0].entry.term == entry.term


# Forms


@pytest.mark.parametrize(
    "pair", [pair for pair in FORMS.split("|") if pair.strip()], ids=lambda pair: str(pair).split()[0]
)
def test_an_inflected_form_is_found(glossary: Glossary, pair: str) -> None:
    form, term = pair.split()
    first = glossary.find(f"no i {form}, serio")[0]
    assert (first.form, first.entry.term) == (form, term)


def test_the_table_of_forms_is_long_enough() -> None:
    assert len([pair for pair in FORMS.split("|") if pair.strip()]) >= 60


def test_paradigms_make_the_forms_of_a_grammar() -> None:
    assert {"ziomek", "ziomka", "ziomkowi", "ziomkiem", "ziomku", "ziomki", "ziomków", "ziomkach"} <= set(
        inflect("ziomek", "m")
    )
    assert {"domówki", "domówce", "domówkę", "domówką", "domówko", "domówek", "domówkom"} <= set(
        inflect("domówka", "f")
    )
    assert {"sieci", "siecią"} <= set(inflect("sieć", "f"))
    assert {"cisnę", "ciśnie", "cisnął", "cisnęła", "cisnęli", "ciśnij", "ciśnięty"} <= set(inflect("cisnąć", "v"))
    assert {"koszę", "kosisz", "koszą", "kosił", "kosiliby", "koś", "koszony", "kosząc"} <= set(inflect("kosić", "v"))
    assert {"lecę", "lecisz", "leciał", "lecieli", "leć"} <= set(inflect("lecieć", "v"))
    assert {"daję", "dajesz", "dawał", "dawali", "dawaj"} <= set(inflect("dawać", "v"))
    assert {"wbiję", "wbijesz", "wbił", "wbij", "wbity", "wbicie"} <= set(inflect("wbić", "vj"))
    with pytest.raises(KeyError):
        inflect("ziomek", "x")


def test_words_with_the_same_end_are_inflected_alike() -> None:
    # The end alone is worked out and kept; a word that is no longer than its end must come out the same.
    assert set(inflect("bluzgować", "v")) == {"bluzg" + form for form in inflect("ować", "v")}
    assert {form.removeprefix("sp") for form in inflect("spiżarka", "f")} == set(inflect("iżarka", "f"))


# Finding


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("ZENADA", "żenada"),
        ("zenada", "żenada"),
        ("spiulkolot", "śpiulkolot"),
        ("sciemnial", "ściema"),
        ("essaaa", "essa"),
        ("EEEESSSSAAAA", "essa"),
        ("sztoooos", "sztos"),
        ("sztossss", "sztos"),
        ("spokoo", "spoko"),
        ("XDDDDDD", "XD"),
        ("xddd", "XD"),
        ("żeeenada", "żenada"),
        ("zeeeenadaaa", "żenada"),
        ("#essa", "essa"),
        ("#essa_moment", "essa"),
        ("@ziomek", "ziomek"),
        ("„kozak”!", "kozak"),
        ("(sztos)...", "sztos"),
        ("vibe’u", "vibe"),
        ("spoko-loko", "spoko"),
    ],
)
def test_case_stretching_missing_diacritics_and_punctuation_do_not_matter(
    glossary: Glossary, written: str, term: str
) -> None:
    assert terms(glossary, f"no {written}") == [term]


@pytest.mark.parametrize(
    "text",
    [
        "midnight maraton w kinie",
        "relacja z wyjazdu i relaks",
        "gitarzysta gra na cytrze",
        "łaska pańska na pstrym koniu jeździ",
        "susza trwa od maja",
        "koza zjadła kapustę",
        "podbazowy przekaźnik",
        "gotuje się woda, dodaj wody",
        "dodaj trochę wodę i sól",
        "za kim głosować?",
        "walka o tytuł trwała dwanaście rund",
        "zobacz https://baza.pl/git oraz www.sztos.pl",
        "napisz na sztos@baza.pl",
        "Boot i foot to dwa słowa",
        "stary rower i stara szopa",
        "Polak mieszka w Niemczech",
        "on się śmieje",
        "",
        "   ",
        "123 456",
        "!!! ??? 🎉",
    ],
)
def test_what_is_no_slang_is_not_taken_for_it(glossary: Glossary, text: str) -> None:
    assert terms(glossary, text) == []


PLAIN = """Wczoraj o północy skończyłem czytać książkę o historii Polski.
Moja siostra mieszka niedaleko szkoły i codziennie chodzi pieszo do pracy.
Proszę położyć dokumenty koło drukarki, zaraz po nie przyjdę.
W sobotę pojedziemy nad morze, jeśli tylko będzie ładna pogoda.
W kuchni pachnie świeżym chlebem i woda w czajniku już się gotuje.
Deszcz padał całą noc, dlatego rzeka wystąpiła z brzegów.
Tego typu maszyny produkuje się dzisiaj tylko w Niemczech.
Ojciec naprawił rower, bo przednie koło było krzywe.
Pracownicy domagają się wyższych płac i krótszego tygodnia pracy.
Bank otworzył nowy oddział przy głównej ulicy.
Robotnicy kują asfalt pod oknem.
Proszę dać mi znać, czy dotarła paczka.
wczoraj bylam u lekarza i czekalam dwie godziny w kolejce
dodaj troche wody do zupy i zamknij drzwi
Drużyna przegrała mecz, chociaż prowadziła do przerwy.
Muszę odrobić lekcje z matematyki i geografii."""


@pytest.mark.parametrize("text", PLAIN.splitlines())
def test_ordinary_sentences_hold_no_slang(glossary: Glossary, text: str) -> None:
    assert terms(glossary, text) == []


@pytest.mark.parametrize(
    ("text", "form", "term"),
    [
        ("mam bekę z typa", "mam bekę", "mieć bekę"),
        ("mamy z tego niezłą bekę", "mamy z tego niezłą bekę", ""),
        ("robią sobie bekę", "robią sobie bekę", "robić bekę"),
        ("wciskał mi kit", "wciskał mi kit", "wciskać kit"),
        ("kit mi wciskają", "kit mi wciskają", "wciskać kit"),
        ("ale red flag", "red flag", "red flag"),
        ("na maksa", "na maksa", "max"),
        ("zrobili mnie w konia", "zrobili mnie w konia", "robić w konia"),
        ("kto ma wiedzieć, ten wie", "kto ma wiedzieć, ten wie", "kto ma wiedzieć, ten wie"),
        ("jaram się tym", "jaram się", "jarać się"),
        ("bardzo się jaram", "się jaram", "jarać się"),
        ("tak się tym jaram", "jaram", "jarać się"),
        ("jara fajki", "jara", "jarać"),
        ("mój stary pojechał", "mój stary", "stary"),
        ("co za ból dupy", "ból dupy", "ból dupy"),
    ],
)
def test_terms_of_several_words_are_found_whole_and_the_longest_wins(
    glossary: Glossary, text: str, form: str, term: str
) -> None:
    found = [(one.form, one.entry.term) for one in glossary.find(text)]
    if term:
        assert (form, term) in found
        assert not any(other != form and other in form for other, _ in found)
    else:
        # Too far apart for the phrase, so the word alone is found.
        assert ("bekę", "beka") in found


def test_a_phrase_does_not_reach_over_the_end_of_a_sentence(glossary: Glossary) -> None:
    assert terms(glossary, "Zielone mam. Bekę zrobimy.") == ["beka"]
    assert terms(glossary, "To jest red. Flag nie ma.") == []
    assert terms(glossary, "Jaram. Się zobaczy.") == ["jarać"]


def test_spans_index_the_text_as_it_stands_and_do_not_overlap(glossary: Glossary, slang: TaskData) -> None:
    texts = [*slang.split("test")["text"], "İİİ sztosu 🎉🎉 z̈e\u0301 Z\u0307ENADA #ESSAAA…", "z\u0307enada no"]
    for text in texts:
        found = glossary.find(text)
        for one in found:
            assert text[one.start : one.end] == one.form
            assert one.form.strip() == one.form != ""
        for before, after in pairwise(found):
            assert before.end <= after.start


def test_decomposed_letters_are_read_as_composed_ones(glossary: Glossary) -> None:
    text = unicodedata.normalize("NFD", "ale żenada")
    assert [one.entry.term for one in glossary.find(text)] == ["żenada"]
    assert glossary.find(text)[0].form == unicodedata.normalize("NFD", "żenada")


def test_most_messages_of_the_sample_hold_a_term(glossary: Glossary, slang: TaskData) -> None:
    with_terms = sum(bool(glossary.find(text)) for text in slang.frame["text"])
    assert with_terms / len(slang.frame) > 0.85


def test_terms_of_the_sample_that_the_glossary_has_are_found_in_their_own_messages(
    glossary: Glossary, slang: TaskData
) -> None:
    known = {entry.term.lower() for entry in glossary.entries}
    rows = slang.frame[slang.frame["term"].str.lower().isin(known)]
    found = [
        term.lower() in {one.entry.term.lower() for one in glossary.find(text)}
        for text, term in zip(rows["text"], rows["term"], strict=True)
    ]
    assert len(rows) > 1500
    assert sum(found) / len(found) > 0.93


def test_thousands_of_messages_are_read_in_a_second(glossary: Glossary, slang: TaskData) -> None:
    texts = list(slang.frame["text"])
    start = time.process_time()
    for text in texts:
        glossary.find(text)
    # About 20,000 a second on an idle core; a tenth of that leaves room for a busy machine.
    assert len(texts) / (time.process_time() - start) > 2000


def test_a_hostile_text_takes_no_longer_than_its_length_asks_for(glossary: Glossary) -> None:
    for piece in (
        "mam ",
        "się ",
        "sztos ",
        "jara się ",
        "a",
        "aabbcc",
        "żż",
        "aaabbb",
        "www.",
        "@.",
        ".",
        "'",
        "a'",
        "#",
    ):
        text = (piece * 5000)[:5000]
        start = time.process_time()
        glossary.find(text)
        assert time.process_time() - start < 1


def test_a_meaning_comes_in_the_language_of_the_page_and_in_english_for_any_other(glossary: Glossary) -> None:
    (found,) = glossary.find("sztosu")
    assert found.entry.meaning("pl") != found.entry.meaning("en") != found.entry.meaning("ru")
    assert found.entry.meaning("de") == found.entry.meaning("en")


def test_the_datasheet_counts_the_entries(rows: list[dict[str, str]]) -> None:
    sheet = " ".join((SAMPLES_DIR / "DATASHEET.md").read_text(encoding="utf-8").split())
    assert f"{len(rows)} terms" in sheet
    assert f"{sum(row['register'] == 'vulgar' for row in rows)} are marked as vulgar" in sheet
    assert f"{sum(row['register'] == 'regional' for row in rows)} as regional" in sheet


# The page


def test_the_page_lists_each_term_once_with_its_forms_and_meaning() -> None:
    page = find_terms(ENGLISH, "sztos, naprawdę sztosu, ale żenada")
    assert page.count('class="oz-term"') == 2
    assert '<b lang="pl">sztos</b>, <b lang="pl">sztosu</b> <span class="oz-of" lang="pl">(sztos)</span>' in page
    assert "something excellent" in page
    assert "▲ mostly positive" in page
    assert "▼ mostly negative" in page


@pytest.mark.parametrize("code", ["en", "pl", "ru"])
def test_the_page_gives_the_meaning_in_its_own_language(glossary: Glossary, code: str) -> None:
    (found,) = glossary.find("sztos")
    page = render_terms(get_language(code), [found])
    assert f'<dd lang="{code}">{found.entry.meaning(code)}' in page


def test_a_form_that_is_the_term_is_not_said_twice() -> None:
    assert "oz-of" not in find_terms(ENGLISH, "SZTOS")


def test_vulgar_terms_are_marked() -> None:
    assert '<span class="oz-register">vulgar</span>' in find_terms(ENGLISH, "no kurwa")


def test_a_text_without_terms_gets_one_quiet_line() -> None:
    page = find_terms(ENGLISH, "Deszcz padał całą noc.")
    assert page.startswith("<p")
    assert page.count("<p") == 1


@pytest.mark.parametrize("text", ["", "  ", None, "a" * 5001, "sztos\0", "sztos \ud800", 7])
def test_a_message_that_will_not_do_gets_nothing_here(text: str | None) -> None:
    assert find_terms(ENGLISH, text) == ""


def test_what_was_typed_is_escaped() -> None:
    # A gap of a phrase takes any words of the visitor's along.
    page = find_terms(ENGLISH, "<b>sztos</b> <img src=x> mam b & b bekę <script>alert(1)</script>")
    assert "<script" not in page
    assert "<img" not in page
    odd = Glossary.load().find("sztos")[0]
    shown = render_terms(ENGLISH, [type(odd)(odd.entry, 0, 9, "<i>&sztos")])
    assert "&lt;i&gt;&amp;sztos" in shown
    assert "<i>" not in shown


def test_a_long_list_unfolds() -> None:
    words = "sztos kozak żenada essa beka ziomek mordo drama lipa masakra hajs fejm hajp flex rizz"
    page = find_terms(ENGLISH, words)
    assert page.count('class="oz-term"') == 15 > SHOWN
    assert f"<summary>{15 - SHOWN} more terms</summary>" in page
