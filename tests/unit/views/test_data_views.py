"""What the Data tab shows: counts, lengths, rows to leaf through, leaks, the datasheet."""

import dataclasses
import re
import shutil
from collections.abc import Callable, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.data.browse import PAGE_ROWS, Filters, browse
from engine.data.distributions import (
    UNITS,
    check_data,
    count_labels,
    count_languages,
    group_rows,
    measure_lengths,
    spread_lengths,
)
from engine.data.find_rows import FOLDER, find_rows
from engine.data.near_duplicates import count_near_duplicates
from engine.data.sources import SAMPLES_DIR, SourceOptions, TaskData, load
from engine.data.tasks import NLI, SLANG, SPLITS
from engine.messages import Message
from engine.paths import Places
from engine.store import Store
from engine.training.recipes import RECIPES
from gradio_app.context import Context, open_context
from gradio_app.handlers.data import (
    data_choices,
    filter_choices,
    show_checks,
    show_data,
    show_datasheet,
    show_examples,
    show_lengths,
)
from gradio_app.languages import get_language
from gradio_app.views.datasheet import render_markdown
from gradio_app.views.lengths import render_lengths
from support.models import places_in, train_model

ENGLISH, POLISH = get_language("en"), get_language("pl")
MARKUP = '<img src=x onerror="alert(7)"> & <b>gruby</b>'


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> TaskData:
    """Rows with every kind of trouble, the author's splits, and markup in a text."""
    texts = [f"wpis numer {number} o niczym" for number in range(12)]
    rows = [(text, number // 4, SPLITS[number % 3], f"t{number}") for number, text in enumerate(texts)]
    rows += [
        (texts[0], 0, "train", "t0"),  # twice in train
        (texts[1], 0, "train", "t1"),  # in validation too
        (texts[3], 2, "train", "t3"),  # under another label
        (texts[2].upper() + "!", 0, "train", "t2"),  # in test too, in other case
        ("kot śpi na piecu", 1, "train", "t2"),  # shares a term with one of test
        ("po pracy idziemy razem na boisko za szkołą", 2, "train", "t96"),
        ("po pracy idziemy razem na boisko za szkołą 😎", 2, "test", "t97"),  # nearly the same words
        ("   ", 0, "train", "t99"),
        (MARKUP, 2, "test", "t98"),
    ]
    path = tmp_path_factory.mktemp("leaky") / "rows.csv"
    pd.DataFrame(rows, columns=["text", "label", "split", "term"]).to_csv(path, index=False)
    return load(SLANG, str(path))


@pytest.fixture(scope="module")
def elsewhere(trained: Places, leaky: TaskData, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """The trained models, and one trained on those rows, whose file is gone."""
    home = tmp_path_factory.mktemp("elsewhere") / "home"
    shutil.copytree(trained.checkpoints.parent, home)
    places = places_in(home)
    train_model(
        RECIPES["tfidf"], dataclasses.replace(leaky, source="<i>rows</i>.csv"), places, Store.open(places.store)
    )
    return places


def every_row(data: TaskData, filters: Filters) -> list[Mapping[str, Any]]:
    """The rows of all pages."""
    pages = browse(data, filters).pages
    return [row for number in range(1, pages + 1) for row in browse(data, filters, number).rows]


def test_labels_are_counted_by_split_as_pandas_counts_them(slang: TaskData, nli: TaskData) -> None:
    for data in (slang, nli):
        counted = count_labels(data)
        for split in SPLITS:
            own = data.frame[data.frame["split"] == split]["label"].value_counts()
            assert counted[split] == {name: own.get(place, 0) for place, name in enumerate(data.task.labels)}


def test_a_label_without_rows_is_counted_as_none(slang: TaskData) -> None:
    frame = slang.frame[(slang.frame["label"] != 2) | (slang.frame["split"] == "train")]
    counted = count_labels(dataclasses.replace(slang, frame=frame))
    assert counted["test"]["positive"] == 0
    assert counted["train"]["positive"] > 0


def test_languages_are_counted_by_split_as_pandas_counts_them(slang: TaskData, nli: TaskData) -> None:
    table = pd.crosstab(nli.frame["lang_abv"], nli.frame["split"])
    assert count_languages(nli) == {code: table.loc[code].to_dict() for code in table.index}
    assert list(count_languages(slang)) == ["pl"]
    assert sum(count_languages(slang)["pl"].values()) == len(slang.frame)


def test_lengths_are_those_of_the_texts(nli: TaskData) -> None:
    characters, words = measure_lengths(nli, "characters"), measure_lengths(nli, "words")
    assert list(characters) == ["premise", "hypothesis"]
    assert characters["premise"].tolist() == [len(one) for one in nli.frame["premise"]]
    assert words["hypothesis"].tolist() == [len(one.split()) for one in nli.frame["hypothesis"]]


def test_tokens_are_fewer_than_characters_and_no_fewer_than_words(nli: TaskData) -> None:
    found = {unit: measure_lengths(nli, unit)["premise"].reset_index(drop=True) for unit in UNITS}
    english = nli.frame["lang_abv"].to_numpy() == "en"
    assert (found["tokens"][english] <= found["characters"][english]).all()
    assert (found["tokens"][english] >= found["words"][english]).all()


@pytest.mark.parametrize("by", ["split", "label"])
def test_every_text_lies_in_one_bin_of_its_group(slang: TaskData, by: str) -> None:
    values = measure_lengths(slang, "characters")["text"]
    groups = group_rows(slang, by)
    lengths = spread_lengths(values, groups, "characters")
    assert list(lengths.counts) == list(SPLITS if by == "split" else SLANG.labels)
    for group, heights in lengths.counts.items():
        own = values[(groups == group).to_numpy()]
        assert sum(heights) == len(own) == lengths.spreads[group]["rows"]
        assert lengths.spreads[group]["median"] == own.median()
        assert lengths.spreads[group]["max"] == own.max()
        first, last = lengths.edges[3], lengths.edges[4]
        assert heights[3] == ((own >= first) & (own < last)).sum()
        assert heights[-1] == (own >= lengths.edges[-1]).sum()


def test_one_very_long_text_does_not_flatten_the_others() -> None:
    values = pd.Series([10, 12, 14, 16, 18] * 40 + [100_000])
    groups = pd.Series(["train"] * len(values)).astype(pd.CategoricalDtype(list(SPLITS)))
    lengths = spread_lengths(values, groups, "characters")
    assert list(lengths.counts) == ["train"], "a group without rows isn't drawn"
    assert lengths.edges[-1] < 50
    assert lengths.counts["train"][-1] == 1
    assert sum(height > 0 for height in lengths.counts["train"]) == 6


def test_rows_can_be_leafed_through_once_each(nli: TaskData) -> None:
    filters = Filters(split="test", label="neutral")
    expected = nli.frame[(nli.frame["split"] == "test") & (nli.frame["label"] == 1)]
    leaves = [browse(nli, filters, number) for number in range(1, browse(nli, filters).pages + 1)]
    seen = [row["id"] for leaf in leaves for row in leaf.rows]
    assert sorted(seen) == sorted(expected["id"])
    assert {leaf.found for leaf in leaves} == {len(expected)}
    assert all(len(leaf.rows) == PAGE_ROWS for leaf in leaves[:-1])


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        (Filters(language="sw"), lambda row: row["language"] == "sw"),
        (Filters(label="entailment"), lambda row: row["label"] == "entailment"),
        (Filters(split="train"), lambda row: row["split"] == "train"),
        (Filters(contains="THE "), lambda row: any("the " in one.casefold() for one in row["texts"].values())),
    ],
)
def test_each_filter_lets_through_what_it_names_and_nothing_else(
    nli: TaskData, filters: Filters, holds: Callable[[Mapping[str, Any]], bool]
) -> None:
    every, found = every_row(nli, Filters()), every_row(nli, filters)
    assert 0 < len(found) < len(every) == len(nli.frame)
    assert all(map(holds, found))
    assert len(found) == sum(map(holds, every))


def test_a_page_that_is_not_there_is_the_nearest_one_and_unknown_filters_find_nothing(slang: TaskData) -> None:
    last = browse(slang, Filters(), 10**9)
    assert last.number == last.pages
    assert browse(slang, Filters(), -3).number == 1
    assert browse(slang, Filters(label="no such label")).found == 0
    assert browse(slang, Filters(split="'; drop table")).found == 0


def test_every_kind_of_leak_is_found_and_told_apart(leaky: TaskData) -> None:
    found = {str(check.looked_for): check for check in check_data(leaky)}
    numbers = [check.found for check in found.values()]
    assert numbers == [0, 1, 0, 2, 2, 1, 0, 1, 1]
    assert [words for words, check in found.items() if check.open] == [
        "Texts with nearly the same words as one in an earlier split",
        "Slang terms on two sides of a split",
    ]


def test_the_bundled_samples_leak_nothing(slang: TaskData, nli: TaskData) -> None:
    for data in (slang, nli):
        checks = check_data(data)
        assert [check.found for check in checks] == [0] * len(checks)
    assert len(check_data(nli)) == len(check_data(slang)) + 1


def test_texts_that_share_most_words_are_nearly_the_same_and_emoji_and_vowel_signs_matter() -> None:
    long = "w sobotę znowu nie przyjechał ten autobus na dworzec, czekaliśmy do nocy"
    pairs = {"🔥🔥": "💀", "लड़का": "लड़की", long: f"{long.upper()} 😡", "krótki tekst": "krótki wpis"}
    frame = pd.DataFrame(
        [(text, split) for pair in pairs.items() for text, split in zip(pair, ("train", "test"), strict=True)],
        columns=["text", "split"],
    )
    assert count_near_duplicates(frame, SLANG) == 1


def test_rows_are_found_by_their_fingerprint_whatever_the_file_is_called(leaky: TaskData, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("not,a,task\n1,2,3\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    leaky.frame[["text", "label", "split", "term"]].to_csv(tmp_path / "renamed.csv", index=False)
    found = find_rows(SLANG, leaky.fingerprint, tmp_path)
    assert found is not None
    assert sorted(found.frame["text"]) == sorted(leaky.frame["text"])
    assert find_rows(SLANG, "ffffffffffff", tmp_path) is None
    assert find_rows(SLANG, leaky.fingerprint, tmp_path / "missing") is None


def test_rows_that_were_split_anew_are_found_too(leaky: TaskData, tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": [f"tekst {number}" for number in range(60)], "label": [n % 3 for n in range(60)]})
    rows.assign(split=["train", "test", "validation"] * 20).to_csv(tmp_path / "rows.csv", index=False)
    again = load(SLANG, str(tmp_path / "rows.csv"), SourceOptions(resplit="all"))
    found = find_rows(SLANG, again.fingerprint, tmp_path)
    assert found is not None
    assert found.fingerprint == again.fingerprint


def test_the_page_shows_the_counts_of_the_sample(context: Context, slang: TaskData) -> None:
    page = show_data(context, ENGLISH, "slang", None)
    for split in SPLITS:
        own = slang.frame[slang.frame["split"] == split]
        assert f"{split} <small>{len(own):,} rows" in page
        for place in range(3):
            rows = int((own["label"] == place).sum())
            assert f"{rows:,} · {100 * rows / len(own):.1f}\u00a0%" in page
    assert slang.fingerprint in page
    assert "CC0 1.0" in page
    assert "Polish (pl)" in page


def test_the_page_shows_every_language_of_the_sample_by_its_name(context: Context) -> None:
    page = show_data(context, ENGLISH, "nli", None)
    assert page.count('<th scope="row">') == 15
    assert "Swahili (sw)" in page
    assert "niemiecki (de)" in show_data(context, POLISH, "nli", None)


def test_the_sample_is_offered_first_even_where_no_model_was_trained_on_it(tmp_path: Path) -> None:
    empty = open_context(places_in(tmp_path))
    for task in (SLANG, NLI):
        ((words, fingerprint),) = data_choices(empty, ENGLISH, task.name)
        assert "the bundled sample" in words
        assert fingerprint in show_data(empty, ENGLISH, task.name, fingerprint)
    assert data_choices(empty, ENGLISH, "no task") == []


@pytest.mark.parametrize("unit", UNITS)
def test_histograms_are_drawn_with_their_figures(context: Context, slang: TaskData, unit: str) -> None:
    page = show_lengths(context, ENGLISH, "slang", None, unit, "split")
    assert page.count("<svg") == 3
    values = measure_lengths(slang, unit)["text"].reset_index(drop=True)
    own = values[(slang.frame["split"] == "test").to_numpy()]
    assert f"{len(own)} texts in {unit}, test: median {own.median():,.0f}, 95 % up to" in page
    assert f"longest {own.max():,}" in page


def test_bars_stay_inside_the_frame_and_the_tallest_fills_it(slang: TaskData) -> None:
    values = measure_lengths(slang, "characters")["text"]
    page = render_lengths(ENGLISH, {"text": spread_lengths(values, group_rows(slang, "label"), "characters")})
    bars = [
        tuple(map(float, one))
        for one in re.findall(r'x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', page)
    ]
    assert bars
    assert all(x >= 0 and x + width <= 380 and y >= 0 and y + height <= 150 for x, y, width, height in bars)
    assert max(height for *_, height in bars) == pytest.approx(120, abs=0.2)


@pytest.mark.parametrize(("unit", "by"), [("<b>", "split"), ("characters", "'; --"), ("", "")])
def test_nonsense_from_a_stranger_is_the_usual_view(context: Context, unit: str, by: str) -> None:
    assert show_lengths(context, ENGLISH, "slang", None, unit, by) == show_lengths(
        context, ENGLISH, "slang", None, "characters", "split"
    )
    assert "no such data set" in show_data(context, ENGLISH, "../../etc", None)
    assert show_data(context, ENGLISH, "slang", "../../etc") == show_data(context, ENGLISH, "slang", None)


def test_examples_show_their_text_label_split_and_id_and_right_to_left_texts_run_so(
    context: Context, nli: TaskData
) -> None:
    page, number, pages = show_examples(context, ENGLISH, "nli", None, Filters(language="ar", split="test"), 1)
    row = next(iter(browse(nli, Filters(language="ar", split="test")).rows))
    assert (number, pages) == (1, 1)
    assert row["texts"]["premise"] in unescape(page)
    assert row["id"] in page
    assert page.count('dir="auto" lang="ar"') == 2 * 8
    assert "Arabic (ar)" in page


def test_a_row_with_markup_is_shown_as_text(elsewhere: Places, leaky: TaskData, tmp_path: Path) -> None:
    places = places_in(tmp_path / "home")
    shutil.copytree(elsewhere.checkpoints.parent, tmp_path / "home")
    (tmp_path / "home" / FOLDER).mkdir()
    leaky.frame[["text", "label", "split", "term"]].to_csv(tmp_path / "home" / FOLDER / "mine.csv", index=False)
    context = open_context(places)
    page, *_ = show_examples(context, ENGLISH, "slang", leaky.fingerprint, Filters(contains="GRUBY"), 1)
    assert MARKUP in unescape(page)
    assert "<img" not in page
    assert "<b>gruby" not in page
    for shown in (show_data, show_checks):
        assert "<i>" not in shown(context, ENGLISH, "slang", leaky.fingerprint)
    assert "▲ 2 things stand on two sides" in show_checks(context, ENGLISH, "slang", leaky.fingerprint)
    # The rows are their owner's: where strangers may come, only counts are shown.
    public = dataclasses.replace(context, public=True)
    page, *_ = show_examples(public, ENGLISH, "slang", leaky.fingerprint, Filters(), 1)
    assert "oz-empty" in page
    assert "wpis" not in page


def test_of_data_that_is_gone_the_records_are_shown_and_the_rest_says_so(elsewhere: Places, leaky: TaskData) -> None:
    context = open_context(elsewhere)
    assert leaky.fingerprint in [key for _, key in data_choices(context, ENGLISH, "slang")]
    page = show_data(context, ENGLISH, "slang", leaky.fingerprint)
    assert "aren&#x27;t at hand" in page or "aren't at hand" in page
    counted = count_labels(leaky)
    assert f"test <small>{sum(counted['test'].values())} rows" in page
    for label, rows in counted["test"].items():
        assert f'{label}</span><span class="oz-share">{rows} ·' in page
    assert "wasn't recorded" in page
    assert "&lt;i&gt;rows" in page
    for shown in (
        show_lengths(context, ENGLISH, "slang", leaky.fingerprint, "words", "label"),
        show_examples(context, ENGLISH, "slang", leaky.fingerprint, Filters(), 1)[0],
        show_checks(context, ENGLISH, "slang", leaky.fingerprint),
    ):
        assert "oz-empty" in shown
        assert "wpis" not in shown
    assert "no datasheet" in show_datasheet(context, ENGLISH, "slang", leaky.fingerprint)
    assert filter_choices(context, ENGLISH, "slang", leaky.fingerprint)["label"] == [("all", "")]


def test_languages_of_gone_pairs_come_from_the_scored_rows(trained: Places, nli: TaskData, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints.parent, tmp_path / "home")
    places = places_in(tmp_path / "home")
    frame = nli.frame[nli.frame["lang_abv"].isin(("sw", "en"))].reset_index(drop=True)
    part = dataclasses.replace(nli, source="part.csv", frame=frame, fingerprint="abcabcabcabc")
    train_model(RECIPES["majority"], part, places, Store.open(places.store))
    page = show_data(open_context(places), ENGLISH, "nli", "abcabcabcabc")
    scored = frame[(frame["lang_abv"] == "sw") & (frame["split"] != "train")]
    assert f"Swahili (sw)</th><td>{len(scored)}</td>" in page
    assert "those of train weren't recorded" in page


def test_too_long_a_search_is_refused_and_never_echoed(context: Context) -> None:
    page, number, pages = show_examples(context, ENGLISH, "slang", None, Filters(contains="gżegżółka" * 50), 1)
    assert "oz-notice" in page
    assert "gżegżółka" not in page
    assert (number, pages) == (1, 1)
    assert "No row passes" in show_examples(context, ENGLISH, "slang", None, Filters(contains="<script>"), 1)[0]


def test_the_datasheet_is_whole_and_says_its_language_where_it_is_foreign(context: Context) -> None:
    page = show_datasheet(context, ENGLISH, "slang", None)
    text = (SAMPLES_DIR / "DATASHEET.md").read_text(encoding="utf-8")
    assert page.count("<table") == page.count('role="region"') == len(re.findall(r"^\|---", text, re.M))
    assert "not been reviewed by native speakers" in page
    assert "<h1" not in page
    assert 'lang="en"' in page
    assert "oz-note" not in page
    assert "oz-note" in show_datasheet(context, POLISH, "slang", None)


def test_markup_in_markdown_is_shown_as_text() -> None:
    page = render_markdown("# A <b>\n\n<script>alert(7)</script>\n\n[x](javascript:alert(7))", "a table")
    assert "<script" not in page
    assert "<b>" not in page
    assert "href=" not in page
    assert page.startswith("<h3>")


def test_a_sentence_with_braces_in_its_values_travels_to_other_processes() -> None:
    import pickle

    told = Message("premise groups: {file}", file="{odd}.csv")
    back = pickle.loads(pickle.dumps(told))  # noqa: S301 (our own)
    assert back == told == "premise groups: {odd}.csv"
    assert (back.template, back.values) == (told.template, told.values)
