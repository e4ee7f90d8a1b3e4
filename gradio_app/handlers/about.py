"""What the About tab shows, without a page."""

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import PurePath

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.sources import SAMPLE, SAMPLE_LICENCE
from engine.data.tasks import TASKS
from engine.errors import OdzeraError
from engine.experiments.foundations import licences_of, of_checkpoint
from engine.paths import ROOT
from engine.results.environment import describe_environment
from engine.results.provenance import Measured, of_files, of_models, of_pretrained, of_study
from engine.training.checkpoints import Checkpoint
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import about as views
from gradio_app.views.links import render_links

API = "./?view=api"
"""Where the page's endpoints are described, from the page in any language."""


def show_about(context: Context, say: Language) -> str:
    """Everything there is to say about the page itself."""
    models, around = _models(context), describe_environment()
    standing = [_standing(context, one) for one in models]
    licences = {
        data["source"]: str(data.get("licence", ""))
        for one in models
        if (data := one.manifest["data"])["source"] != SAMPLE
    }
    return (
        '<div class="oz-about-page">'
        f"{views.render_purpose(say)}{views.render_measured(say, _measured(context, models))}"
        f"{views.render_environment(say, around)}{views.render_models(say, standing)}"
        f"{views.render_promises(say, MAX_CHARACTERS)}{views.render_licences(say, licences)}"
        f"{render_links(say, API, context.dashboard, _repository())}{views.render_citation(say, around.odzera)}</div>"
    )


def _models(context: Context) -> list[Checkpoint]:
    """Every trained model that the page can ask."""
    return [
        one
        for task in TASKS
        for fingerprint in context.registry.data_sets(task)
        for one in context.registry.models(task, fingerprint)
    ]


def _measured(context: Context, models: list[Checkpoint]) -> list[Measured]:
    places = [context.places.checkpoints] if context.places else []
    try:
        studies = [of_study(one.name, one.attributes) for one in context.studies() if one.finished]
    except OdzeraError:
        # The Study tab says what is wrong with them.
        studies = []
    pretrained = of_pretrained(dict.fromkeys([*places, ROOT / "checkpoints"]))
    return [*of_models(models), *studies, *of_files(context.curves), *pretrained]


def _standing(context: Context, model: Checkpoint) -> views.Standing:
    data = model.manifest["data"]
    licence = SAMPLE_LICENCE if data["source"] == SAMPLE else data.get("licence", "")
    origin = model.manifest.get("origin", {})
    rests = of_checkpoint(model)
    source, backbone = data["source"], _plain(str(origin.get("repo_id", "")))
    if model.recipe.kind == "frozen" and rests:
        # It has learnt nothing of the rows that it is tested on.
        source, backbone = rests[0].data, rests[0].name
        licence = licence if model.recipe.frozen.shots else ""
    return views.Standing(
        model.task,
        model.name,
        context.registry.runtime(model),
        backbone,
        source,
        "; ".join(filter(None, (licence, *licences_of(rests)))),
    )


def _plain(name: str) -> str:
    """What a backbone is called; a folder of this machine by its last part alone."""
    return PurePath(name).name if name.startswith(("/", ".", "~")) or "\\" in name else name


def _repository() -> str:
    """The project's address, where it was installed with one."""
    try:
        urls = metadata("odzera").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(reversed(one.split(", ", 1)) for one in urls)
    return next((address.strip() for address in named if address.strip().startswith("https://")), "")
