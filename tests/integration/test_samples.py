"""The bundled samples: counts, balance, no repeats, terms in their sentences, languages, and no give-aways.

`python -m pytest tests/test_samples.py -s` prints the figures that the datasheet quotes.
"""

import re
import unicodedata
from collections import defaultdict
from math import ceil

import langdetect
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.preprocessing import OneHotEncoder

from engine.data.sources import SAMPLES_DIR, TaskData
from engine.data.tasks import NLI, SLANG, SPLITS
from engine.models.baselines import TfidfLogistic

NEAR_DUPLICATE = 0.8
Labels = NDArray[np.int64]


def read(name: str) -> pd.DataFrame:
    """A file as it stands, before any cleaning."""
    text = (SAMPLES_DIR / name).read_bytes().decode("utf-8")
    assert not text.startswith("\ufeff")
    frame = pd.read_csv(SAMPLES_DIR / name, dtype=str, keep_default_na=False)
    return frame.assign(label=frame["label"].astype(int))


@pytest.fixture(scope="module")
def messages() -> pd.DataFrame:
    return read("slang.csv")


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    return read("nli.csv")


@pytest.fixture(scope="module")
def datasheet() -> str:
    return (SAMPLES_DIR / "DATASHEET.md").read_text(encoding="utf-8")


# Form


def test_the_files_have_the_columns_they_promise(messages: pd.DataFrame, pairs: pd.DataFrame) -> None:
    assert list(messages) == ["text", "label", "term", "meaning", "split"]
    assert list(pairs) == ["premise", "hypothesis", "label", "lang_abv", "language", "split", "premise_group"]


def test_every_field_is_filled_stripped_and_nfc(messages: pd.DataFrame, pairs: pd.DataFrame) -> None:
    for frame in (messages, pairs):
        for value in frame.drop(columns="label").stack():
            assert value
            assert value == " ".join(value.split())
            assert unicodedata.is_normalized("NFC", value)
            assert not any(unicodedata.category(char) in ("Cc", "Co", "Cn") for char in value), value


def test_cleaning_finds_nothing_to_drop(slang: TaskData, nli: TaskData) -> None:
    for data in (slang, nli):
        assert data.report.read == data.report.kept == len(data.frame)
        assert data.report.notes == ()


# Counts and balance


def test_slang_is_large_enough_and_balanced_like_the_public_set(messages: pd.DataFrame) -> None:
    assert len(messages) >= 2400
    shares = messages["label"].value_counts(normalize=True).sort_index()
    assert np.abs(shares - [0.29, 0.51, 0.20]).max() < 0.02


def test_slang_has_many_terms_and_no_term_has_one_label_alone(messages: pd.DataFrame) -> None:
    by_term = messages.groupby("term")["label"]
    assert len(by_term) >= 600
    assert by_term.size().min() >= 3
    assert by_term.nunique().min() >= 2
    assert by_term.agg(lambda labels: labels.value_counts(normalize=True).iloc[0]).max() <= 0.75


def test_common_terms_have_many_sentences_and_most_of_them_all_labels(messages: pd.DataFrame) -> None:
    sizes = messages["term"].value_counts()
    common = messages[messages["term"].isin(sizes[sizes >= 5].index)].groupby("term")["label"].nunique()
    assert len(common) >= 50
    assert (common == 3).mean() > 0.9


def test_every_term_has_one_meaning(messages: pd.DataFrame) -> None:
    assert (messages.groupby("term")["meaning"].nunique() == 1).all()
    assert (messages["term"] != messages["meaning"]).all()


def test_slang_is_as_long_as_the_public_set(messages: pd.DataFrame) -> None:
    lengths = messages["text"].str.len()
    assert lengths.median() == pytest.approx(66, abs=8)
    assert 0.03 < (lengths > 200).mean() < 0.10
    assert 0.02 < (lengths < 30).mean() < 0.12
    assert lengths.max() <= 350


def test_slang_is_written_in_many_ways(messages: pd.DataFrame) -> None:
    text = messages["text"]
    assert 0.10 < (~text.str.contains("[ąćęłńóśźż]", case=False)).mean() < 0.25
    assert 0.25 < (text == text.str.lower()).mean() < 0.50
    emoji = text.str.contains("[\u2600-\u27bf\U0001f300-\U0001faff]")
    assert 0.10 < emoji.mean() < 0.25
    assert messages[emoji]["label"].value_counts(normalize=True).min() > 0.2


def test_nli_has_eighty_pairs_in_each_of_fifteen_languages(pairs: pd.DataFrame) -> None:
    assert pairs["lang_abv"].value_counts().to_dict() == dict.fromkeys(NLI.languages, 80)
    assert pairs.groupby("lang_abv")["language"].nunique().eq(1).all()
    assert pairs["language"].nunique() == 15


def test_nli_labels_are_thirds_of_every_language(pairs: pd.DataFrame) -> None:
    counts = pairs.groupby("lang_abv")["label"].value_counts().unstack()
    assert counts.min().min() >= 26
    assert counts.max().max() <= 27


def test_every_premise_has_hypotheses_of_different_labels(pairs: pd.DataFrame) -> None:
    assert pairs.groupby("lang_abv")["premise"].nunique().min() >= 25
    by_premise = pairs.groupby("premise")
    assert (by_premise["label"].nunique() == by_premise.size()).all()
    assert by_premise.size().min() >= 2


def test_every_hypothesis_has_each_label_at_most_once(pairs: pd.DataFrame) -> None:
    by_hypothesis = pairs.groupby(["lang_abv", "hypothesis"])
    assert (by_hypothesis["label"].nunique() == by_hypothesis.size()).all()
    assert by_hypothesis.size().min() >= 2


# Splits


@pytest.mark.parametrize("name", ["slang.csv", "nli.csv"])
def test_splits_are_80_10_10(name: str) -> None:
    shares = read(name)["split"].value_counts(normalize=True)
    assert np.abs(shares[list(SPLITS)].to_numpy() - [0.8, 0.1, 0.1]).max() < 0.02


def test_slang_is_split_by_term_with_the_same_balance(messages: pd.DataFrame) -> None:
    assert (messages.groupby("term")["split"].nunique() == 1).all()
    shares = messages.groupby("split")["label"].value_counts(normalize=True).unstack()
    assert np.abs(shares - [0.29, 0.51, 0.20]).to_numpy().max() < 0.025


def test_nli_is_split_by_premise_and_group_and_every_language_is_on_every_side(pairs: pd.DataFrame) -> None:
    for column in ("premise", "premise_group", "hypothesis"):
        assert (pairs.groupby(column)["split"].nunique() == 1).all(), column
    assert (pairs.groupby("split")["lang_abv"].nunique() == 15).all()


# Repeats


def trigrams(text: str) -> frozenset[str]:
    text = text.casefold()
    return frozenset(text[start : start + 3] for start in range(max(1, len(text) - 2)))


def near_duplicates(texts: list[str], threshold: float = NEAR_DUPLICATE) -> list[tuple[str, str]]:
    """Pairs of texts whose sets of character 3-grams have a Jaccard index above `threshold`.

    An inverted index over the rarest 3-grams of each text finds all candidates: two sets that overlap so much must
    share one of them (prefix filtering, Chaudhuri et al., 2006).
    """
    sets = [trigrams(text) for text in texts]
    frequency: dict[str, int] = defaultdict(int)
    for own in sets:
        for gram in own:
            frequency[gram] += 1
    index: dict[str, list[int]] = defaultdict(list)
    found = []
    for place, own in enumerate(sets):
        rarest = sorted(own, key=lambda gram: (frequency[gram], gram))
        prefix = rarest[: len(own) - ceil(threshold * len(own)) + 1]
        for other in {candidate for gram in prefix for candidate in index[gram]}:
            shared = len(own & sets[other])
            if shared > threshold * (len(own) + len(sets[other]) - shared):
                found.append((texts[other], texts[place]))
        for gram in prefix:
            index[gram].append(place)
    return found


def test_near_duplicates_would_be_found() -> None:
    texts = ["babcia robi najlepsze pierogi w gminie", "kto idzie na orlik", "babcia robi najlepsze pierogi w gminie!"]
    assert near_duplicates(texts) == [(texts[0], texts[2])]
    assert near_duplicates(["ab", "AB"]) == [("ab", "AB")]


def test_no_two_slang_texts_are_nearly_the_same(messages: pd.DataFrame) -> None:
    assert not messages["text"].str.casefold().duplicated().any()
    assert near_duplicates(messages["text"].tolist()) == []


def test_no_two_pairs_are_nearly_the_same(pairs: pd.DataFrame) -> None:
    assert not pairs.duplicated(["premise", "hypothesis"]).any()
    assert near_duplicates((pairs["premise"] + " " + pairs["hypothesis"]).tolist()) == []


@pytest.mark.parametrize("column", ["premise", "hypothesis"])
def test_no_two_premises_or_hypotheses_say_the_same_in_nearly_the_same_words(pairs: pd.DataFrame, column: str) -> None:
    assert near_duplicates(pairs[column].unique().tolist(), threshold=0.5) == []


def test_one_language_does_not_reuse_the_sentences_of_another(pairs: pd.DataFrame) -> None:
    assert (pairs.groupby("premise")["lang_abv"].nunique() == 1).all()
    assert (pairs.groupby("premise_group")["lang_abv"].nunique() == 1).all()


# Terms and languages


def plain(text: str) -> str:
    """Lower case without diacritics."""
    decomposed = unicodedata.normalize("NFD", text.casefold().replace("ł", "l"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def contains_term(text: str, term: str) -> bool:
    """Whether a word of `text` begins like a word of `term`, after a verb's prefix or none; endings don't count."""
    words = re.findall(r"\w+", plain(term))
    long = [word[:3] for word in words if len(word) >= 3]
    patterns = [rf"\b\w{{0,4}}{stem}" for stem in long] or [rf"\b{word}\w*" for word in words]
    return any(re.search(pattern, plain(text)) for pattern in patterns)


def test_terms_are_looked_for_whatever_their_ending_case_and_diacritics() -> None:
    assert contains_term("ALE KOZACKA koszulka", "kozak")
    assert contains_term("zaspoilerowal mi final", "spoilerować")
    assert contains_term("mam dzis dola", "mieć doła")
    assert not contains_term("zwykły dzień w szkole", "kozak")
    assert not contains_term("moje buty", "jo")


def test_every_term_stands_in_its_sentence(messages: pd.DataFrame) -> None:
    rows = messages[["term", "text"]].itertuples(index=False, name=None)
    assert [(term, text) for term, text in rows if not contains_term(text, term)] == []


@pytest.mark.parametrize("language", NLI.languages)
def test_premises_and_hypotheses_are_in_the_language_they_declare(pairs: pd.DataFrame, language: str) -> None:
    langdetect.DetectorFactory.seed = 0
    own = pairs[pairs["lang_abv"] == language]
    for column in ("premise", "hypothesis"):
        best = langdetect.detect_langs(" ".join(own[column].unique()))[0]
        assert best.lang.split("-")[0] == language
        assert best.prob > 0.99
    assert {langdetect.detect(premise).split("-")[0] for premise in own["premise"].unique()} == {language}


def test_slang_is_in_polish(messages: pd.DataFrame) -> None:
    langdetect.DetectorFactory.seed = 0
    for split in SPLITS:
        assert langdetect.detect(" ".join(messages[messages["split"] == split]["text"])) == "pl"


# Artefacts: what a model could learn without reading the whole input


def accuracy_on(data: TaskData, column: str, split: str, balanced: bool = True) -> float:
    """Accuracy of the engine's TF-IDF classifier that reads one column alone."""
    train, held_out = data.split("train"), data.split(split)
    predicted = fit_predict(train[column], train["label"].to_numpy(), held_out[column], balanced)
    return float((predicted == held_out["label"]).mean())


def fit_predict(train: pd.Series, labels: Labels, held_out: pd.Series, balanced: bool = True) -> Labels:
    model = TfidfLogistic(balanced=balanced)
    model.fit([(text,) for text in train], labels, 3)
    return model.probabilities([(text,) for text in held_out]).argmax(axis=1)


def majority(data: TaskData, split: str) -> float:
    common = data.split("train")["label"].mode()[0] if split != "all" else data.frame["label"].mode()[0]
    return float((data.split(split)["label"] == common).mean())


@pytest.fixture(scope="module")
def report(datasheet: str) -> "Report":
    return Report(datasheet)


class Report:
    """Prints a figure, and compares it with the one the datasheet gives."""

    def __init__(self, datasheet: str) -> None:
        self.given = dict(re.findall(r"^\| ([^|]+?) \| ([\d.]+) \|", datasheet, flags=re.MULTILINE))

    def __call__(self, name: str, value: float) -> float:
        print(f"\n{name}: {value:.3f}", end="")
        assert name in self.given, f"the datasheet has no line for '{name}'"
        # A row more or less, should another version of a library round otherwise.
        assert value == pytest.approx(float(self.given[name]), abs=0.01), name
        return value


def test_words_tell_some_but_not_all_of_the_sentiment(slang: TaskData, report: Report) -> None:
    train = slang.split("train")
    for split in ("validation", "test"):
        rows = slang.split(split)
        predicted = fit_predict(train["text"], train["label"].to_numpy(), rows["text"])
        accuracy = report(f"slang: TF-IDF of the text, {split}", float((predicted == rows["label"]).mean()))
        assert 0.55 < accuracy < 0.80
        if split == "test":
            report("slang: the same, macro F1", f1_score(rows["label"], predicted, average="macro"))


def test_the_term_alone_tells_nothing(slang: TaskData, report: Report) -> None:
    guess = report("slang: majority class, test", majority(slang, "test"))
    alone = report("slang: TF-IDF of the term, test", accuracy_on(slang, "term", "test", balanced=False))
    assert abs(alone - guess) <= 0.05
    weighted = report("slang: the same with classes weighted, test", accuracy_on(slang, "term", "test"))
    assert weighted <= guess + 0.05


def test_the_meaning_alone_tells_nothing(slang: TaskData, report: Report) -> None:
    alone = report("slang: TF-IDF of the meaning, test", accuracy_on(slang, "meaning", "test", balanced=False))
    assert alone <= majority(slang, "test") + 0.05


def test_a_term_seen_in_training_misleads_when_rows_are_split_without_regard_to_terms(
    slang: TaskData, report: Report
) -> None:
    labels = slang.frame["label"].to_numpy()
    known = OneHotEncoder().fit_transform(slang.frame[["term"]])
    hits = []
    for train, held_out in StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels):
        model = LogisticRegression(max_iter=300).fit(known[train], labels[train])
        hits.append(model.predict(known[held_out]) == labels[held_out])
    alone = report("slang: which term it is, 5 folds of rows", float(np.concatenate(hits).mean()))
    assert alone <= report("slang: majority class, all rows", majority(slang, "all")) + 0.05


def test_length_and_punctuation_tell_little_of_the_sentiment(slang: TaskData, report: Report) -> None:
    def cues(frame: pd.DataFrame) -> NDArray[np.float64]:
        text = frame["text"]
        columns = [np.log(text.str.len()), text.str.contains("?", regex=False), text.str.contains("!", regex=False)]
        return np.column_stack(columns).astype(np.float64)

    train, test = slang.split("train"), slang.split("test")
    model = LogisticRegression().fit(cues(train), train["label"])
    accuracy = float((model.predict(cues(test)) == test["label"]).mean())
    assert report("slang: length, '?' and '!', test", accuracy) <= majority(slang, "test") + 0.05


@pytest.mark.parametrize("column", ["hypothesis", "premise"])
def test_one_text_of_a_pair_alone_tells_nothing_on_the_test_split(nli: TaskData, column: str, report: Report) -> None:
    assert report(f"nli: TF-IDF of the {column} alone, test", accuracy_on(nli, column, "test")) < 0.45


def test_the_hypothesis_alone_tells_nothing_in_grouped_cross_validation(nli: TaskData, report: Report) -> None:
    frame, labels = nli.frame, nli.frame["label"].to_numpy()
    hits = []
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for train, held_out in folds.split(frame, labels, frame["premise_group"]):
        hypotheses = frame["hypothesis"]
        predicted = fit_predict(hypotheses.iloc[train], labels[train], hypotheses.iloc[held_out])
        hits.append(predicted == labels[held_out])
    alone = report("nli: TF-IDF of the hypothesis alone, 5 folds of premise groups", float(np.concatenate(hits).mean()))
    assert alone < 0.45


@pytest.mark.parametrize("column", ["hypothesis", "premise"])
def test_not_even_one_who_knew_the_best_answer_to_each_text_alone_would_do_well(
    nli: TaskData, column: str, report: Report
) -> None:
    for split in ("test", "all"):
        rows = nli.split(split)
        best = rows.groupby(["lang_abv", column])["label"].agg(lambda labels: labels.value_counts().iloc[0]).sum()
        assert report(f"nli: best answer to each {column} alone, {split}", best / len(rows)) < 0.45


def test_words_shared_by_premise_and_hypothesis_tell_little(nli: TaskData, report: Report) -> None:
    def cues(frame: pd.DataFrame) -> NDArray[np.float64]:
        sets = [(trigrams(one), trigrams(two)) for one, two in zip(frame["premise"], frame["hypothesis"], strict=True)]
        return np.array([[len(one & two) / len(two), len(one & two) / len(one | two)] for one, two in sets])

    frame, labels = nli.frame, nli.frame["label"].to_numpy()
    hits = []
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for train, held_out in folds.split(frame, labels, frame["premise_group"]):
        model = LogisticRegression(C=100).fit(cues(frame.iloc[train]), labels[train])
        hits.append(model.predict(cues(frame.iloc[held_out])) == labels[held_out])
    overlap = report("nli: shared 3-grams of characters, 5 folds of premise groups", float(np.concatenate(hits).mean()))
    assert overlap < 0.45


def test_a_bag_of_words_is_not_enough_for_nli(nli: TaskData, report: Report) -> None:
    model = TfidfLogistic()
    model.fit(nli.texts("train"), nli.split("train")["label"].to_numpy(), 3)
    predicted = model.probabilities(nli.texts("test")).argmax(axis=1)
    accuracy = report("nli: TF-IDF of the pair, test", float((predicted == nli.split("test")["label"]).mean()))
    assert accuracy < 0.6
    report("nli: commonest label, test", float(nli.split("test")["label"].value_counts(normalize=True).iloc[0]))


# The datasheet


def test_the_datasheet_counts_what_is_in_the_files(
    datasheet: str, messages: pd.DataFrame, pairs: pd.DataFrame, slang: TaskData, nli: TaskData
) -> None:
    def row(frame: pd.DataFrame, split: str) -> str:
        counts = frame["label"].value_counts()
        return f"| {split} | {len(frame):,} | {counts[0]:,} | {counts[1]:,} | {counts[2]:,} |"

    for frame in (messages, pairs):
        for split in SPLITS:
            assert row(frame[frame["split"] == split], split) in datasheet
        assert row(frame, "all") in datasheet
    prose = " ".join(datasheet.split())
    assert f"{messages['term'].nunique()} terms" in prose
    assert f"median {messages['text'].str.len().median():.0f} characters" in prose
    assert f"fingerprint `{slang.fingerprint}`" in prose
    assert f"fingerprint `{nli.fingerprint}`" in prose


def test_the_datasheet_says_what_the_labels_mean_and_what_the_licence_is(datasheet: str) -> None:
    for number, label in [*enumerate(SLANG.labels), *enumerate(NLI.labels)]:
        assert f"- **{number} {label}**: " in datasheet
    assert "CC0" in datasheet
    assert "not been reviewed by native speakers" in " ".join(datasheet.split())
