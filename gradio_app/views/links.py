"""Links: to the project's own pages, to data and libraries, and to the papers behind the methods."""

from collections.abc import Sequence
from html import escape

from gradio_app.languages import Language, message
from gradio_app.views.parts import render_list

METHODS: Sequence[tuple[str, str, str]] = (
    (message("The decoder: GPT-2"), "Radford et al., 2019", "https://openai.com/index/better-language-models/"),
    (message("Attention"), "Vaswani et al., 2017", "https://arxiv.org/abs/1706.03762"),
    (message("Byte-pair encoding"), "Sennrich et al., 2016", "https://arxiv.org/abs/1508.07909"),
    (message("MiniLM"), "Wang et al., 2020", "https://arxiv.org/abs/2002.10957"),
    (message("Sentence embeddings"), "Reimers and Gurevych, 2019", "https://arxiv.org/abs/1908.10084"),
    (message("LoRA: low-rank adapters"), "Hu et al., 2022", "https://arxiv.org/abs/2106.09685"),
    (message("QLoRA: adapters on 4 bits"), "Dettmers et al., 2023", "https://arxiv.org/abs/2305.14314"),
    (message("Prompt tuning"), "Lester et al., 2021", "https://arxiv.org/abs/2104.08691"),
    (message("Zero-shot by entailment"), "Yin et al., 2019", "https://arxiv.org/abs/1909.00161"),
    (message("Optuna"), "Akiba et al., 2019", "https://arxiv.org/abs/1907.10902"),
    (message("TPE: the sampler"), "Watanabe, 2023", "https://arxiv.org/abs/2304.11127"),
    (message("ASHA: the pruner"), "Li et al., 2020", "https://arxiv.org/abs/1810.05934"),
    (message("PED-ANOVA: importances"), "Watanabe et al., 2023", "https://arxiv.org/abs/2304.10255"),
    (message("Calibration error"), "Guo et al., 2017", "https://arxiv.org/abs/1706.04599"),
    (message("Bootstrap intervals"), "Efron, 1979", "https://doi.org/10.1214/aos/1176344552"),
    (message("McNemar's test"), "McNemar, 1947", "https://doi.org/10.1007/BF02295996"),
    (message("MCC for several classes"), "Gorodkin, 2004", "https://doi.org/10.1016/j.compbiolchem.2004.09.006"),
    (message("Integrated gradients"), "Sundararajan et al., 2017", "https://arxiv.org/abs/1703.01365"),
    (message("Occlusion"), "Zeiler and Fergus, 2014", "https://arxiv.org/abs/1311.2901"),
    (
        message("Muon: the optimiser of pretraining"),
        "Jordan et al., 2024",
        "https://kellerjordan.github.io/posts/muon/",
    ),
    (message("Datasheets for data sets"), "Gebru et al., 2021", "https://arxiv.org/abs/1803.09010"),
    (message("XNLI"), "Conneau et al., 2018", "https://arxiv.org/abs/1809.05053"),
)
"""What it is, who wrote of it, and where."""
MINILM = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"
PLACES: Sequence[tuple[str, str]] = (
    (
        message("The public slang data set"),
        "https://huggingface.co/datasets/jziebura/polish_youth_slang_classification",
    ),
    (message("Contradictory, My Dear Watson on Kaggle"), "https://www.kaggle.com/c/contradictory-my-dear-watson"),
    (message("XNLI on the Hub"), "https://huggingface.co/datasets/facebook/xnli"),
    (message("MiniLM on the Hub"), MINILM),
    ("PyTorch", "https://pytorch.org"),
    ("transformers", "https://huggingface.co/docs/transformers"),
    ("PEFT", "https://huggingface.co/docs/peft"),
    ("Optuna", "https://optuna.org"),
    ("ONNX Runtime", "https://onnxruntime.ai"),
    ("captum", "https://captum.ai"),
    ("scikit-learn", "https://scikit-learn.org"),
    ("Gradio", "https://www.gradio.app"),
)
"""Data and libraries, and where they live."""


def render_link(words: str, address: str) -> str:
    """A link to another site, in a tab of its own, which learns nothing of this page.

    Raises:
        ValueError: The address isn't one of the secure web.
    """
    if not address.startswith("https://"):
        raise ValueError(f"{address} is no https address.")
    return (
        f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(words)}'
        '<span aria-hidden="true"> ↗</span></a>'
    )


def render_links(say: Language, api: str, dashboard: str, repository: str) -> str:
    """This page's other doors, the project, data and libraries, and the papers.

    Args:
        say: The page's language.
        api: Address of the page for programs, below this one.
        dashboard: Where optuna-dashboard is mounted; nothing is said of it without.
        repository: The project's https address; its files are named without.
    """
    own = [f'<a href="{escape(api)}">{say("The API, for programs")}</a>']
    if dashboard:
        own.append(
            f'<a href="{escape(dashboard)}/" target="_blank" rel="noopener">'
            f"{say('Every study in optuna-dashboard (read-only)')}</a>"
        )
    if repository.startswith("https://"):
        own.append(render_link(say("The source and its documentation"), repository))
    else:
        names = ", ".join(f"<code>{name}</code>" for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))
        own.append(say("In the source: {names}", names=names))
    places = (render_link(say(words), address) for words, address in PLACES)
    papers = (f"{escape(say(what))}: {render_link(authors, address)}" for what, authors, address in METHODS)
    return (
        f"<section><h2>{say('Links')}</h2>{render_list(own, 'oz-list')}"
        f"<h3>{say('Data and libraries')}</h3>{render_list(places, 'oz-list oz-many')}"
        f"<h3>{say('Papers behind the methods')}</h3>{render_list(papers, 'oz-list oz-many')}</section>"
    )
