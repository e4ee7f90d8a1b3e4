"""The commands: what they answer, in words and in JSON, and that their help is quick and true."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from engine import __version__
from engine.bench.step_profile import profile_step
from engine.cli import app
from engine.data.reading import NOTHING_READ
from engine.data.sources import TaskData
from engine.data.tasks import NLI, SLANG
from engine.paths import ROOT
from engine.results.pairs import describe_difference
from engine.training.recipes import RECIPES
from gradio_app.languages import get_language
from gradio_app.views.significance import compared

README = ROOT / "README.md"
NAMES = {"majority", "tfidf", "scratch", "scratch-b"}
PAIR = ("--premise", "Nobody was in the library.", "--hypothesis", "The library was empty.")
HEAVY = {"optuna", "torch", "transformers", "datasets", "gradio", "pandas", "sklearn", "numpy", "accelerate"}

PROGRAM: Any = get_command(app)
COMMANDS: dict[str, Any] = {
    " ".join([name, *inner]): one
    for name, command in PROGRAM.commands.items()
    for *inner, one in (list(getattr(command, "commands", {}).items()) or [(command,)])
}
"""Every command by its words, those of groups too: `train`, `bench search`."""
PUBLISHED = {
    ("scratch-3m4", "slang"): (3_410_627, 3_410_627),
    ("scratch-5m7", "slang"): (5_728_003, 5_728_003),
    ("gpt2-last1", "slang"): (125_952_768, 7_090_176),
    ("bielik-last3", "slang"): (1_548_145_155, 141_247_491),
    # Its authors count 124,445,187 "in all": the model without the 294,912 weights of the adapters.
    ("herbert-lora", "slang"): (124_445_187 + 294_912, 297_219),
    ("mbert-full", "nli"): (177_855_747, 177_855_747),
    ("mbert-lora", "nli"): (None, 592_131),
    ("xlmr-lora", "nli"): (None, None),
}
"""Total and trained parameters as they are published; None where they are not."""


def odzera(*arguments: str) -> Result:
    """Run a command in this process; it must end well."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def answer(*arguments: str) -> Any:
    """The JSON that a command prints, and nothing else."""
    return json.loads(odzera(*arguments, "--json").stdout)


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program itself, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def own_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained models that a test may add to or damage."""
    folder = tmp_path / "home"
    shutil.copytree(home, folder)
    monkeypatch.setenv("ODZERA_HOME", str(folder))
    return folder


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """A small labelled file that is not the sample."""
    words = {0: "dno i trzy metry mułu", 1: "trening o piątej", 2: "rozwaliłaś system"}
    rows = [f"{word} {number},{label}" for label, word in words.items() for number in range(20)]
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


HELP = """
import json, sys
from typer.testing import CliRunner
from engine.cli import app
said = {}
for command in json.load(sys.stdin):
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    said[command] = [shown.exit_code, shown.stdout, sorted(sys.modules)]
print(json.dumps(said))
"""


def test_help_of_every_command_has_an_example_and_imports_nothing_heavy() -> None:
    result = subprocess.run(
        [sys.executable, "-c", HELP],
        cwd=ROOT,
        input=json.dumps(list(COMMANDS)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert set(said) == set(COMMANDS)
    for command, (code, shown, imported) in said.items():
        assert code == 0, command
        assert "Example:" in shown, command
        assert "engine.cli" in imported
        assert not HEAVY.intersection(imported), command


def test_help_of_the_program_itself_imports_nothing_heavy() -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "engine", "train", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0
    assert "Example:" in result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "engine.cli" in imported
    assert not imported & HEAVY


def test_a_comparison_is_written_in_markdown_and_into_a_document(home: Path, tmp_path: Path) -> None:
    table = odzera("compare", "slang", "--markdown").stdout
    assert table.startswith("| model | accuracy |")
    document = tmp_path / "results.md"
    document.write_text("# Mine\n<!-- table slang-all: mine -->\n<!-- end -->\n", encoding="utf-8")
    odzera("compare", "slang", "--markdown", "--into", str(document))
    assert table in document.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "says"), [(["--into", "x.md"], "--markdown"), (["--markdown", "--into", "gone.md"], "can't be read")]
)
def test_a_document_that_cant_be_written_into_is_one_line(home: Path, options: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["compare", "slang", *options])
    assert result.exit_code == 2
    assert says in result.stderr


def test_help_names_every_command() -> None:
    shown = odzera("--help").stdout
    assert set(COMMANDS) == {
        *("app", "data", "train", "evaluate", "classify", "compare", "recipes", "doctor"),
        *("search", "studies", "dashboard", "bench search", "bench pruners", "bench step", "bench train"),
        *("bench classify", "bench growth"),
        *("pretrain", "curve examples", "curve tokens", "reproduce", "ablate", "forgetting", "export", "batch"),
        *("space build", "space push", "push", "bench app", "results make", "results show"),
    }
    for command in COMMANDS:
        assert re.search(rf"\b{command.split()[0]}\b", shown)


def test_version_is_told() -> None:
    assert odzera("--version").stdout == f"odzera {__version__}\n"


def assert_command_exists(line: str) -> None:
    """`odzera train scratch --task slang` → the command, its options and the recipes it names are there."""
    name, *words = shlex.split(line.partition("odzera ")[2], comments=True)
    if name not in COMMANDS and words:
        name, *words = f"{name} {words[0]}", *words[1:]
    assert name in COMMANDS, line
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line
    if name == "train":
        recipes = []
        for word in words:
            if word.startswith("--"):
                break
            recipes.append(word)
        assert set(recipes) <= {*RECIPES, "RECIPE"}, line


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_every_command_would_run(command: str) -> None:
    (example,) = re.findall(r"Example: `(.+?)`", COMMANDS[command].help)
    assert example.startswith(f"odzera {command}")
    assert_command_exists(example)


@pytest.mark.skipif(not README.is_file(), reason="there is no README")
def test_every_command_in_the_readme_exists() -> None:
    text = README.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.DOTALL))
    spans = re.findall(r"`([^`\n]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [line for line in [*blocks.splitlines(), *spans] if re.search(r"(^|/)odzera [a-z]", line)]
    assert len(lines) >= 4
    for line in lines:
        assert_command_exists(line)


@pytest.mark.skipif(not README.is_file(), reason="there is no README")
def test_every_link_in_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


def test_classify_slang_answers_for_every_model(home: Path) -> None:
    answers = answer("classify", "slang", "ale kozak, serio")
    assert {one["model"] for one in answers} == NAMES
    for one in answers:
        assert set(one) == {"model", "label", "scores", "ms", "waited_ms", "runtime", *NOTHING_READ}
        assert tuple(one["scores"]) == SLANG.labels
        assert sum(one["scores"].values()) == pytest.approx(1, abs=1e-4)
        assert one["label"] == max(one["scores"], key=one["scores"].get)
        assert one["ms"] > 0


def test_classify_nli_answers_for_every_model(home: Path) -> None:
    answers = answer("classify", "nli", *PAIR)
    assert {one["model"] for one in answers} == NAMES
    for one in answers:
        assert tuple(one["scores"]) == NLI.labels
        assert sum(one["scores"].values()) == pytest.approx(1, abs=1e-4)


def test_classify_asks_only_the_models_named(home: Path) -> None:
    answers = answer("classify", "slang", "ale kozak", "--model", "scratch", "--model", "tfidf")
    assert [one["model"] for one in answers] == ["scratch", "tfidf"]


def test_classify_shows_a_table_and_names_the_data(home: Path, slang: TaskData) -> None:
    result = odzera("classify", "slang", "ale kozak, serio")
    for name in NAMES:
        assert name in result.stdout
    assert slang.fingerprint in result.stderr
    assert "kozak" not in result.stdout + result.stderr


def test_the_program_prints_json_alone_where_a_script_asks_for_it(home: Path) -> None:
    result = program("classify", "slang", "ale kozak, serio", "--json", ODZERA_HOME=str(home))
    assert result.returncode == 0
    assert {one["model"] for one in json.loads(result.stdout)} == NAMES
    assert result.stderr == ""


def test_recipes_list_every_published_system_with_its_parameters() -> None:
    rows = answer("recipes")
    counted = {(row["name"], row["task"]): (row["total_parameters"], row["trained_parameters"]) for row in rows}
    assert len(counted) == len(rows)
    for key, published in PUBLISHED.items():
        for number, expected in zip(counted[key], published, strict=True):
            assert number > 0
            assert expected in (None, number), key
    assert {(recipe.name, task) for recipe in RECIPES.values() for task in recipe.tasks} == set(counted)


def test_recipes_of_one_task_only() -> None:
    rows = answer("recipes", "--task", "nli")
    assert {row["task"] for row in rows} == {"nli"}
    assert {"mbert-full", "mbert-lora", "xlmr-lora"} <= {row["name"] for row in rows}
    shown = odzera("recipes", "--task", "slang").stdout
    assert "3,410,627" in shown
    assert "mbert" not in shown


@pytest.mark.parametrize("name", ["slang", "nli"])
def test_compare_answers_with_data_and_rows(home: Path, request: pytest.FixtureRequest, name: str) -> None:
    data: TaskData = request.getfixturevalue(name)
    table = answer("compare", name)
    assert table["data"]["source"] == "sample"
    assert table["data"]["fingerprint"] == data.fingerprint
    assert table["data"]["rows"] == len(data.frame)
    assert {row["model"] for row in table["rows"]} == NAMES
    for row in table["rows"]:
        for figure in ("accuracy", "macro_f1", "weighted_f1"):
            assert 0 <= row[figure] <= 1
        assert {"mcc", "loss", "p50_ms", "training_seconds", "total_parameters", "confusion"} <= set(row)


def test_compare_shows_every_model_in_words(home: Path) -> None:
    result = odzera("compare", "slang")
    for name in NAMES:
        assert len(re.findall(rf"^ *{name} ", result.stdout, re.MULTILINE)) == 1
    # The corrected p alone, and called so; the same as in JSON and on the page.
    told = " ".join(result.stderr.split())
    table = answer("compare", "slang")
    best = table["rows"][0]["model"]
    first = next(one for one in table["mcnemar"] if one["first"] == best)
    assert f"McNemar's test of {best}, p after Holm's correction for all pairs of models, against:" in told
    assert f"{first['second']} p {compared(get_language('en'), first['p_holm'])}" in told


def test_the_details_say_by_how_much_the_best_model_is_ahead_of_each_other(home: Path) -> None:
    result = odzera("compare", "slang", "--details")
    table = answer("compare", "slang")
    best, *others = (row["model"] for row in table["rows"])
    assert f"{best} against each other model, points ahead" in result.stdout
    shown = {one["second"]: one["figures"] for one in table["differences"] if one["first"] == best}
    assert list(shown) == others
    lines = {line.split()[0]: " ".join(line.split()) for line in result.stdout.splitlines() if " to " in line}
    for name, figures in shown.items():
        assert describe_difference(figures["accuracy"]) in lines[name]
        verdict = figures["macro_f1"]["verdict"].replace("first", best)
        assert f"{describe_difference(figures['macro_f1'])} {verdict} " in lines[name]
    assert "of a paired bootstrap, 2,000 resamples of 87 terms" in " ".join(result.stderr.split())


def test_results_from_different_data_are_never_in_one_table(own_home: Path, rows_file: Path, slang: TaskData) -> None:
    before = answer("compare", "slang")
    (trained,) = answer("train", "tfidf", "--task", "slang", "--source", str(rows_file))
    folder = Path(trained["checkpoint"])
    assert folder.parent == own_home / "checkpoints" / "slang"
    fingerprint = folder.name.removeprefix("tfidf@")
    assert fingerprint != slang.fingerprint

    latest = answer("compare", "slang")
    assert latest["data"]["source"] == "rows.csv"
    assert latest["data"]["fingerprint"] == fingerprint
    assert [row["model"] for row in latest["rows"]] == ["tfidf"]
    assert [one["fingerprint"] for one in latest["other_data"]] == [slang.fingerprint]

    for choice in (("--data", slang.fingerprint), ("--source", "sample")):
        named = answer("compare", "slang", *choice)
        assert named["data"]["fingerprint"] == slang.fingerprint
        assert named["rows"] == before["rows"]
    assert answer("compare", "slang", "--source", str(rows_file))["rows"] == latest["rows"]

    in_words = odzera("compare", "slang")
    assert "Not in this table: 4 models on sample" in in_words.stderr
    assert "scratch" not in in_words.stdout
    asked = answer("classify", "slang", "sztos", "--data", slang.fingerprint)
    assert {one["model"] for one in asked} == NAMES
    assert len(answer("classify", "slang", "sztos", "--data", fingerprint)) == 1


def test_train_tells_the_test_figures_and_where_the_model_is(own_home: Path, rows_file: Path) -> None:
    arguments = ("train", "majority", "tfidf", "--task", "slang", "--source", str(rows_file))
    result = odzera(*arguments)
    assert result.stdout.count("test accuracy") == 2
    assert "kept in" in result.stdout
    (row,) = answer("train", "majority", "--task", "slang", "--source", str(rows_file), "--name", "coin")
    assert row["model"] == "coin"
    assert row["recipe"] == "majority"
    assert (Path(row["checkpoint"]) / "manifest.json").is_file()
    assert {one["model"] for one in answer("compare", "slang")["rows"]} == {"majority", "tfidf", "coin"}


def test_evaluate_scores_a_model_on_any_labelled_file(home: Path, rows_file: Path) -> None:
    scored = answer("evaluate", "tfidf", "--task", "slang", "--source", str(rows_file), "--split", "all")
    assert scored["model"] == "tfidf"
    assert scored["data"]["source"] == "rows.csv"
    assert scored["data"]["rows"] == 60
    assert sum(map(sum, scored["confusion"])) == 60
    assert 0 <= scored["accuracy"] <= 1
    assert scored["rows_seen_in_training"] == 0


def test_evaluate_says_when_rows_were_seen_in_training(home: Path) -> None:
    result = odzera("evaluate", "tfidf", "--task", "slang", "--split", "train")
    assert "were in the training data" in result.stderr
    assert "macro_f1" in result.stdout
    assert "were in the training data" not in odzera("evaluate", "tfidf", "--task", "slang").stderr


def test_data_describes_the_sample(nli: TaskData) -> None:
    told = answer("data", "nli")
    assert told["fingerprint"] == nli.fingerprint
    assert told["splits"]["all"]["rows"] == len(nli.frame)
    parts = [told["splits"][split] for split in ("train", "validation", "test")]
    assert sum(part["rows"] for part in parts) == len(nli.frame)
    for part in parts:
        assert set(part["labels"]) == set(NLI.labels)
        assert sum(part["labels"].values()) == part["rows"]
    assert set(told["languages"]) == set(NLI.languages)
    assert set(told["length"]["premise"]) == {"characters", "tokens"}
    assert set(told["leaks"].values()) == {0}


def test_data_describes_a_file_in_words(rows_file: Path) -> None:
    shown = odzera("data", "slang", "--source", str(rows_file)).stdout
    assert "rows.csv" in shown
    assert "60 rows read, 60 kept" in shown


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    rows = "".join(f"wpis numer {number},{number % 3}\n" for number in range(30))
    path.write_text(f"body,feeling\n{rows}", encoding="utf-8")
    told = answer("data", "slang", "--source", str(path), "--column", "text=body", "--column", "label=feeling")
    assert told["splits"]["all"]["rows"] == 30


def test_doctor_finds_a_healthy_installation(home: Path) -> None:
    found = {one["name"]: one for one in answer("doctor")}
    for task in ("slang", "nli"):
        assert found[f"models for {task}"]["fine"]
        assert "4 models answer" in found[f"models for {task}"]["says"]
    for name in ("versions", "checkpoints", "results", "databases"):
        assert found[name]["fine"]


def test_doctor_names_a_damaged_model_and_says_so_to_scripts(own_home: Path) -> None:
    (weights,) = (own_home / "checkpoints" / "nli").glob("tfidf@*/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:200])
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("BAD")]
    assert "models for nli" in line
    assert "tfidf@" in line
    assert "3 models answer" in line


@pytest.mark.slow
def test_a_small_search_ends_with_its_trials_and_a_scratch_model(
    few: TaskData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODZERA_HOME", str(tmp_path))
    few.frame[["text", "label", "split"]].to_csv(tmp_path / "rows.csv", index=False)
    again = ("search", "slang", "--trials", "4", "--workers", "2", "--source", str(tmp_path / "rows.csv"))
    found = answer(*again)
    assert found["finished"] == found["trials"]["complete"] + found["trials"]["pruned"] == 4
    assert found["trials"]["running"] == 0
    assert len(found["refit"]["test"]["accuracy"]["values"]) == 5
    assert Path(found["checkpoint"]).is_dir()
    (study,) = [one for one in answer("studies") if one["name"] == found["name"]]
    assert study["best_value"] == found["best_value"]
    assert study["fingerprint"] in found["name"]
    assert {one["model"] for one in answer("classify", "slang", "sztos", "--data", study["fingerprint"])} == {"scratch"}
    # In words, and with nothing left to do but the seeds, which aren't asked for.
    said = odzera(*again, "--no-refit")
    assert "4 of 4 trials are finished" in said.stderr
    assert "best validation loss" in said.stdout
    assert study["name"] in odzera("studies").stdout


def test_a_search_out_of_time_says_that_the_same_command_goes_on(
    few: TaskData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODZERA_HOME", str(tmp_path))
    few.frame[["text", "label", "split"]].to_csv(tmp_path / "rows.csv", index=False)
    said = odzera("search", "slang", "--source", str(tmp_path / "rows.csv"), "--workers", "1", "--timeout", "0.02")
    assert "trials are missing; the same command goes on" in said.stderr
    assert not (tmp_path / "checkpoints" / "slang").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("search", "slang", "--trials", "0"), "--trials takes a number from 1"),
        (("search", "slang", "--sampler", "cma"), "--sampler is one of tpe, random, grid"),
        (("search", "slang", "--pruner", "median"), "--pruner is one of asha, hyperband, none"),
        (("search", "slang", "--storage", "mysql://u:p@h/n"), "--storage is one of sqlite and postgresql+psycopg"),
        (("search", "slang", "--workers", "-1"), "--workers takes a number from 1 to 256"),
        (("search", "slang", "--timeout", "-3"), "--timeout takes minutes above 0"),
        (
            (
                "search",
                "poem",
            ),
            "There is no task 'poem'",
        ),
        (("search", "slang", "--device", "tpu"), "--device takes auto, cpu or cuda"),
        (("studies", "--storage", "oracle://h/n"), "--storage is one of"),
        (("dashboard", "--port", "99999"), "99999 is no port"),
        (("bench", "search", "--trials", "7"), "--trials 7 can't be shared out over 2 rounds"),
    ],
)
def test_a_search_that_cant_be_made_is_one_line(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODZERA_HOME", str(tmp_path))
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_studies_of_an_empty_place_say_how_to_make_one(tmp_path: Path) -> None:
    said = odzera("studies", "--storage", str(tmp_path / "none.db"))
    assert "Make one: odzera search slang" in said.stderr
    assert answer("studies", "--storage", str(tmp_path / "none.db")) == []


def assert_taken_apart(rows: list[dict[str, Any]]) -> None:
    """A whole step, and the ten operators that take most of it."""
    whole, *operators = rows
    assert whole["ms"] > 0
    assert len(operators) == 10
    assert sum(one["share"] for one in operators) <= 1.001
    assert any("mm" in one["operator"] for one in operators)


def test_a_training_step_is_taken_apart(few: TaskData) -> None:
    assert_taken_apart(profile_step(few, 3))


@pytest.mark.slow
def test_the_command_takes_a_training_step_apart(few: TaskData, tmp_path: Path) -> None:
    few.frame[["text", "label", "split"]].to_csv(tmp_path / "rows.csv", index=False)
    result = answer("bench", "step", "--source", str(tmp_path / "rows.csv"))
    assert result["command"] == "odzera bench step --source rows.csv"
    assert_taken_apart(result["rows"])
