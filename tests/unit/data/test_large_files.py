"""Files of very many rows: read whole and counted right, in bounded time and memory."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from engine.data.folding import fold_all
from engine.data.near_duplicates import count_near_duplicates
from engine.data.tasks import SLANG
from engine.paths import ROOT

ROWS, AGAIN = 200_000, 137
CPU_SECONDS, MEGABYTES = 60, 700
# In a process of its own: a child begins with its parent's size, and that of the tests is large.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
"""
LABELS = ("negative", "neutral", "positive")


def write_rows(path: Path) -> None:
    """Different sentences with labels in turn, and at the end some of the first ones again, in capitals."""
    draw = random.Random(4)  # noqa: S311
    words = ["".join(draw.choices("aąbcćdeęfghijklłmnńoóprsśtuwyzźż", k=draw.randint(2, 11))) for _ in range(40_000)]
    texts = [f"{' '.join(draw.choices(words, k=draw.randint(6, 20)))}, wpis {place}" for place in range(ROWS - AGAIN)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((text, LABELS[place % 3]) for place, text in enumerate(texts))
        writer.writerows((text.upper(), LABELS[place % 3]) for place, text in enumerate(texts[:AGAIN]))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_hundred_thousand_rows_are_counted_right_in_bounded_time_and_memory(tmp_path: Path) -> None:
    file, out = tmp_path / "large.csv", tmp_path / "out.json"
    write_rows(file)
    command = [sys.executable, "-m", "engine", "data", "slang", "--source", str(file), "--json"]
    with out.open("wb") as target:
        measured = subprocess.run(
            [sys.executable, "-c", MEASURE, *command], stdout=target, stderr=subprocess.PIPE, cwd=ROOT, check=True
        )
    kilobytes, seconds = map(float, measured.stderr.split()[-2:])
    told = json.loads(out.read_text(encoding="utf-8"))
    assert (told["cleaning"]["read"], told["cleaning"]["kept"]) == (ROWS, ROWS - AGAIN)
    assert told["cleaning"]["dropped"] == {"duplicate": AGAIN}
    rows = told["splits"]
    assert sum(rows[split]["rows"] for split in ("train", "validation", "test")) == rows["all"]["rows"] == ROWS - AGAIN
    assert set(told["leaks"].values()) == {0}
    assert kilobytes / 1024 < MEGABYTES
    assert seconds < CPU_SECONDS


def test_texts_folded_together_have_the_keys_that_each_has_alone() -> None:
    draw = random.Random(9)  # noqa: S311
    signs = [
        *":;=-)(]DPp3|*'’ \t\n",
        *"aĄßﬁ½´¨９：）Ⅷ",
        "\u200d",
        "\ufe0f",
        "\u00ad",
        "\u2028",
        "\ud800",
        "😂",
        "e\u0301",
    ]
    texts = ["".join(draw.choices(signs, k=draw.randint(0, 9))) for _ in range(25_000)]
    sample = range(0, len(texts), 11)
    together = fold_all(texts)
    assert [together[place] for place in sample] == [fold_all([texts[place]])[0] for place in sample]
    assert fold_all(["Ale  Sztos!!", "ale-sztos", "ale sztos :-)", "…", " ?! "]) == [
        *("alesztos", "alesztos", "alesztos🙂", "…", "?!"),
    ]


def test_long_words_are_near_by_their_threes_and_marks_alone_are_near_to_nothing() -> None:
    whole = "konstantynopolitańczykowianeczka"
    frame = pd.DataFrame(
        {"text": [whole, "!!!", "a b c d e", f"{whole}m", "?!", "a b c d e f"], "split": ["train"] * 3 + ["test"] * 3}
    )
    assert count_near_duplicates(frame, SLANG) == 2
    assert count_near_duplicates(frame.iloc[:0], SLANG) == 0
