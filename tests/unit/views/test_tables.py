"""The Models tab's table: what is in it, what is marked, and that nothing gets in unescaped."""

import base64
import re
from typing import Any

from gradio_app.languages import get_language
from gradio_app.views import tables
from gradio_app.views.tables import COLUMNS

ENGLISH, POLISH = get_language("en"), get_language("pl")

SCRIPT = "<script>alert('x')</script>"


def render_comparison(comparison: dict[str, Any], served: dict[str, tuple[str, float]] | None = None) -> str:
    """The table in English."""
    return tables.render_comparison(ENGLISH, comparison, served)


def row(model: str, **changes: Any) -> dict[str, Any]:
    """A row as `compare_models` makes it."""
    figures = {"accuracy": 0.7, "macro_f1": 0.6, "weighted_f1": 0.65, "mcc": 0.5, "loss": 0.8}
    values = {
        "model": model,
        "recipe": model,
        **figures,
        "calibration_error": 0.05,
        "total_parameters": 44_643,
        "trained_parameters": 44_643,
        "training_seconds": 33.0,
        "training_samples_per_second": 512.4,
        "joules": 5400.0,
        "few_shot": None,
        "peak_memory_mb": 1064.2,
        "size_bytes": 91_234,
        "p50_ms": 1.234,
        "p95_ms": 2.5,
        "batch_p50_ms": 20.25,
        "samples_per_second": 1234.5,
        "latency_threads": 1,
        "device": "A small processor",
        "epochs": 3,
        "batch_p95_ms": 30.5,
        "created": "2024-01-01T00:00:00+00:00",
        **changes,
    }
    measured = (*figures, "calibration_error")
    return values | {"intervals": {name: (values[name] - 0.04, values[name] + 0.04) for name in measured}}


def comparison(*rows: dict[str, Any], **data: Any) -> dict[str, Any]:
    """A comparison as `compare_models` makes it."""
    about = {"source": "sample", "fingerprint": "0123456789ab", "rows": 3254, "test_rows": 329, "licence": ""}
    return {"task": "slang", "data": about | data, "rows": list(rows), "missing": []}


def cells(html: str) -> dict[str, dict[str, tuple[str, bool]]]:
    """Model → heading → (text, whether marked as best)."""
    heads = re.findall(r'<button type="button" class="oz-sort">(.*?)</button>', html)[1:]
    table = {}
    for name, body in re.findall(r'<tr><th scope="row" data-value=".*?">(.*?)</th>(.*?)</tr>', html):
        found = re.findall(r"<td(.*?)>(.*?)</td>", body)
        table[name] = {
            head: (
                re.sub(r'<span class="oz-(star|unseen).*?</span>', "", text).replace("\u00a0", " "),
                "oz-best" in attributes,
            )
            for head, (attributes, text) in zip(heads, found, strict=True)
        }
    return table


def test_a_row_has_quality_cost_and_latency() -> None:
    shown = cells(render_comparison(comparison(row("scratch"))))["scratch"]
    assert shown["accuracy"][0] == "0.700<small>0.660–0.740</small>"
    assert shown["parameters"][0] == "45k"
    assert shown["training"][0] == "33 s"
    assert shown["peak memory"][0] == "1,064 MB"
    assert shown["ms, p50"][0] == "1.2"
    assert shown["ms in 32s"][0] == "20.2"
    assert shown["trained a second"][0] == "512"
    assert shown["energy"][0] == "1.5 Wh"
    assert shown["ECE"][0] == "0.050<small>0.010–0.090</small>"
    unmeasured = ("served_ms", "mean_accuracy", "mean_macro_f1")
    assert list(shown) == [one.title for one in COLUMNS if one.key not in unmeasured]


def test_what_serves_now_is_shown_with_its_runtime_and_the_time_after_training_under_its_own_name() -> None:
    html = render_comparison(comparison(row("scratch"), row("zero")), {"scratch": ("int8", 0.151)})
    table = cells(html)
    assert table["scratch"]["ms, as served"][0] == "0.15<small>ONNX 8-bit</small>"
    assert table["scratch"]["ms, p50"][0] == "1.2"
    assert table["zero"]["ms, as served"][0] == "–"
    assert "32 tokens" in html


def test_the_mean_over_seeds_and_folds_stands_beside_the_figure_of_the_model_that_answers() -> None:
    mean = {"mean": 0.6204, "deviation": 0.0118}
    once = {"mean": 0.72, "deviation": None}
    means = {
        "scratch": {"accuracy": mean, "macro_f1": mean, "seeds": 5, "folds": 5, "version": "9.9"},
        "tfidf": {"accuracy": once, "macro_f1": once, "seeds": 1, "folds": 1, "version": "9.9"},
    }
    html = tables.render_comparison(ENGLISH, comparison(row("scratch"), row("tfidf"), row("other")), means=means)
    table = cells(html)
    assert table["scratch"]["mean accuracy"][0] == "0.620 ± 0.012<small>5 seeds × 5 folds</small>"
    assert table["tfidf"]["mean macro F1"] == ("0.720<small>1 seed</small>", True)
    assert table["other"]["mean accuracy"][0] == "–"
    assert table["scratch"]["accuracy"][0].startswith("0.700"), "the single figure stays"
    assert "by version 9.9 of Odzera" in html
    assert "9.9" not in render_comparison(comparison(row("scratch")))


def test_best_is_the_largest_score_and_the_smallest_loss() -> None:
    table = cells(
        render_comparison(
            comparison(
                row("loud", accuracy=0.8, loss=1.4, calibration_error=0.2),
                row("sure", accuracy=0.6, loss=0.7, calibration_error=0.01),
            )
        )
    )
    assert table["loud"]["accuracy"][1]
    assert not table["sure"]["accuracy"][1]
    assert table["sure"]["loss"][1]
    assert not table["loud"]["loss"][1]
    assert table["sure"]["ECE"][1]


def test_equals_are_both_marked() -> None:
    table = cells(render_comparison(comparison(row("one"), row("two"))))
    assert table["one"]["macro F1"][1]
    assert table["two"]["macro F1"][1]


def test_the_majority_baseline_wins_no_column_and_the_cheapest_that_reads_wins_its_own() -> None:
    table = cells(
        render_comparison(
            comparison(
                row("majority", p50_ms=0.001, total_parameters=3, calibration_error=0.0),
                row("scratch", p50_ms=1.0, total_parameters=40_000, samples_per_second=900.0),
                row("large", p50_ms=9.0, total_parameters=22_000_000, samples_per_second=100.0, calibration_error=0.04),
            )
        )
    )
    assert not any(marked for _, marked in table["majority"].values())
    for heading in ("ms, p50", "parameters", "texts a second"):
        assert table["scratch"][heading][1]
        assert not table["large"][heading][1]
    assert table["large"]["ECE"][1]


def test_a_mark_is_a_sign_and_a_word_besides_a_colour_and_stands_nowhere_without_a_contest() -> None:
    html = render_comparison(comparison(row("one", accuracy=0.9), row("two", joules=None)))
    (cell,) = re.findall(r'<td class="oz-best" data-value="0.9">.*?</td>', html)
    assert "★" in cell
    assert "best" in cell
    assert not any(marked for _, marked in cells(render_comparison(comparison(row("alone"))))["alone"].values())
    assert not any(table["energy"][1] for table in cells(html).values())


def test_every_column_can_be_sorted_by_its_raw_values_in_a_stated_direction() -> None:
    html = render_comparison(comparison(row("a", p50_ms=1.23456), row("b", batch_p50_ms=None)))
    heads = re.findall(r'<th scope="col" data-better="(\w+)"( aria-sort="\w+")?><button', html)
    # What serves now and the means over seeds were not measured.
    assert len(heads) == len(COLUMNS) - 3
    assert [order for _, order in heads if order] == [' aria-sort="descending"'], "sorted by the task's own figure"
    assert html.index('aria-sort="descending"') < html.index("macro F1") < html.index("weighted F1")
    assert 'data-value="1.23456">1.2</td>' in html
    assert "<td>–</td>" in html
    directions = {one.key: one.better for one in COLUMNS}
    assert directions["accuracy"] == directions["samples_per_second"] == "higher"
    assert directions["loss"] == directions["calibration_error"] == directions["peak_memory_mb"] == "lower"


def test_numbers_are_written_as_in_the_pages_language() -> None:
    html = tables.render_comparison(POLISH, comparison(row("scratch", mcc=-0.125)))
    assert "0,700<small>0,660–0,740</small>" in html
    assert "−0,125" in html
    assert 'data-value="-0.125"' in html


def test_the_table_is_handed_out_as_csv_in_the_page_itself() -> None:
    html = render_comparison(comparison(row("scratch", accuracy=0.123456789012)), {"scratch": ("int8", 0.5)})
    name, content = re.findall(r'download="(.*?)" href="data:text/csv;charset=utf-8;base64,(.*?)"', html)[0]
    assert name == "odzera-slang-0123456789ab.csv"
    header, line = base64.b64decode(content).decode().splitlines()
    assert header.startswith("model,recipe,data,fingerprint,test_rows,accuracy,accuracy_low,accuracy_high,")
    assert line.startswith("scratch,scratch,sample,0123456789ab,329,0.123456789012,")


def test_rows_keep_the_order_of_the_comparison() -> None:
    table = cells(render_comparison(comparison(row("b"), row("c"), row("a"))))
    assert list(table) == ["b", "c", "a"]


def test_the_data_is_named_above_the_table() -> None:
    html = render_comparison(comparison(row("scratch"), source="small_train.csv", licence="CC BY-SA 4.0"))
    line = html[: html.index("<table")]
    for words in ("small_train.csv", "3,254 rows", "329", "0123456789ab", "CC BY-SA 4.0"):
        assert words in line
    assert "the bundled sample" in tables.describe_data(ENGLISH, comparison()["data"])


def test_names_from_outside_are_escaped() -> None:
    html = render_comparison(
        comparison(row(SCRIPT, device=SCRIPT), source=f"{SCRIPT}.csv", licence=SCRIPT, fingerprint=SCRIPT)
    )
    assert "<script" not in html
    # The model is named twice, as what is read and what is sorted by; so is the fingerprint, as the file's name too.
    assert html.count("&lt;script&gt;") == 7


def test_the_device_of_the_milliseconds_is_named() -> None:
    assert "A small processor" in render_comparison(comparison(row("scratch")))


def test_a_model_of_several_seeds_says_how_much_they_differ() -> None:
    spread = {name: {"mean": 0.58, "deviation": 0.0123, "values": []} for name in ("accuracy", "macro_f1")}
    refit = {"seeds": [0, 1, 2, 3, 4], "test": spread}
    html = render_comparison(comparison(row("scratch", refit=refit), row("tfidf")))
    assert "the best of 5 seeds on validation; all 5: accuracy 0.580 ± 0.012, macro F1 0.580 ± 0.012." in html.replace(
        "\u00a0", " "
    )
    assert "seeds" not in render_comparison(comparison(row("tfidf")))


def test_a_model_timed_on_more_threads_than_the_others_is_named() -> None:
    alike = render_comparison(comparison(row("a"), row("b")))
    assert "one thread, on" in alike
    mixed = render_comparison(comparison(row("a"), row("b", latency_threads=2)))
    assert "one thread (b on 2), on" in mixed
