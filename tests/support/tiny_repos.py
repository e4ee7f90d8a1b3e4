"""What the hub on loopback serves: tiny random models with tokenizers, and a small data set of our own sentences."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLUMNS = ("słowo slangowe", "znaczenie wyrazów slangowych", "źródło", "powiązana data", "tekst", "sentyment")
TERMS: Mapping[str, tuple[str, tuple[str, str, str]]] = {
    "sztos": (
        "coś świetnego",
        ("Ten film miał być sztos, a zasnąłem.", "Sklep nazywa się Sztos.", "Twoje ciasto to sztos!"),
    ),
    "kozak": (
        "ktoś dzielny",
        ("Wielki kozak, a płaci mama.", "W bajce kozak jedzie na koniu.", "Ale z niego kozak, wygrał!"),
    ),
    "przypał": (
        "wstyd",
        ("Znowu przypał przed całą klasą.", "Słowo przypał ma siedem liter.", "Bez przypału, udało się nam."),
    ),
    "ziomek": (
        "kolega",
        ("Żaden z ciebie ziomek, kłamiesz.", "Ziomek czeka na przystanku.", "Dzięki ziomek, ratujesz mnie!"),
    ),
    "beka": (
        "śmiech",
        ("Robią sobie bekę z chorego, okropne.", "Beka to także beczka na wodę.", "Ale była beka, popłakałam się!"),
    ),
    "lipa": (
        "coś słabego",
        ("Koncert to jedna wielka lipa.", "Pod oknem rośnie stara lipa.", "Myślałam, że lipa, a jest cudnie!"),
    ),
    "ogarniać": (
        "radzić sobie",
        ("Nic nie ogarniasz, mam dość.", "Muszę ogarniać pokój w sobotę.", "Super to ogarniasz, brawo!"),
    ),
    "spoko": (
        "dobrze",
        ("Spoko, znów mnie zostawili samego.", "Spoko, będę o piątej.", "Nauczycielka jest naprawdę spoko!"),
    ),
    "żenada": (
        "coś żenującego",
        ("Ten kabaret to czysta żenada.", "Napisał na tablicy słowo żenada.", "Zero żenady, piękny występ!"),
    ),
    "hajs": (
        "pieniądze",
        ("Zabrali mi cały hajs, jestem zły.", "Hajs leży na stole w kuchni.", "Jest hajs, jedziemy nad morze!"),
    ),
    "fejm": (
        "sława",
        ("Dla fejmu sprzedał przyjaciół.", "Fejm pochodzi od angielskiego słowa.", "Zasłużony fejm, gratulacje!"),
    ),
    "rozkmina": (
        "namysł",
        ("Przez tę rozkminę nie śpię, fatalnie.", "Mam rozkminę, którą drogą iść.", "Twoja rozkmina jest genialna!"),
    ),
    "masakra": (
        "coś strasznego",
        ("Masakra, wszystko się zepsuło.", "Masakra to tytuł tej gry.", "Masakra, jak ja was kocham!"),
    ),
    "wypas": (
        "luksus",
        ("Miał być wypas, a hotel brudny.", "Owce idą na wypas o świcie.", "Pełen wypas, basen i słońce!"),
    ),
    "ściema": (
        "kłamstwo",
        ("Ich promocja to zwykła ściema.", "Kto wymyślił słowo ściema?", "Żadna ściema, naprawdę wygraliśmy!"),
    ),
    "czilować": (
        "odpoczywać",
        ("Czilujesz, a ja robię wszystko, wstyd.", "Wieczorem będę czilować w domu.", "Cudownie się z wami cziluje!"),
    ),
    "nara": (
        "cześć",
        ("Nara, nie chcę cię więcej widzieć.", "Nara, do jutra w szkole.", "Nara smutki, mamy wakacje!"),
    ),
    "jarać się": (
        "cieszyć się",
        ("Nie ma się czym jarać, nuda.", "On jara się znaczkami od lat.", "Jaram się tym koncertem, ekstra!"),
    ),
    "kminić": (
        "myśleć",
        ("Nikt tego nie kmini, zły podręcznik.", "Kminię zadanie z matematyki.", "Świetnie kminisz, piątka!"),
    ),
    "petarda": (
        "coś mocnego",
        ("Petarda spaliła mu rękę, straszne.", "Petarda kosztuje pięć złotych.", "Ta piosenka to petarda!"),
    ),
}
"""Term → its meaning and a negative, a neutral and a positive sentence."""
SENTENCES = [sentence for _, sentences in TERMS.values() for sentence in sentences]
SHAPE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}


def slang_set() -> dict[str, bytes]:
    """A data set in the slang set's own columns: 12 terms to train on, 4 to validate and 4 to test on."""
    splits: dict[str, list[tuple[object, ...]]] = {"train": [], "validation": [], "test": []}
    for place, (term, (meaning, sentences)) in enumerate(TERMS.items()):
        rows = splits["train" if place < 12 else "validation" if place < 16 else "test"]
        rows.extend((term, meaning, "zeszyt", "2026", text, label) for label, text in enumerate(sentences))
    files = {f"data/{split}.csv": _csv(rows) for split, rows in splits.items()}
    listed = "".join(f"  - split: {split}\n    path: data/{split}.csv\n" for split in splits)
    card = f"---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n{listed}---\n# Sentences\n"
    return {"README.md": card.encode(), **files}


def _csv(rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def save_tiny_models(into: Path) -> None:
    """Save a random GPT-2, Llama (in several shards), BERT and XLM-R with tokenizers, each in a folder of its name."""
    import torch
    import transformers

    makers: dict[str, tuple[Any, Any, Any]] = {
        "gpt2": (
            transformers.GPT2LMHeadModel,
            transformers.GPT2Config(
                n_embd=64, n_layer=2, n_head=2, n_positions=512, vocab_size=400, bos_token_id=0, eos_token_id=0
            ),
            _byte_level("<|endoftext|>"),
        ),
        "llama": (
            transformers.LlamaForCausalLM,
            transformers.LlamaConfig(**SHAPE, vocab_size=400, max_position_embeddings=512, tie_word_embeddings=False),
            _byte_level("<s>", "</s>"),
        ),
        "bert": (
            transformers.BertForMaskedLM,
            transformers.BertConfig(**SHAPE, vocab_size=400),
            _word_pieces(),
        ),
        "xlm-r": (
            transformers.XLMRobertaForMaskedLM,
            transformers.XLMRobertaConfig(
                **SHAPE, vocab_size=400, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1
            ),
            _unigrams(),
        ),
    }
    for name, (model, config, tokenizer) in makers.items():
        torch.manual_seed(0)
        # In shards of 210 KB, Llama has more than one.
        model(config).save_pretrained(into / name, max_shard_size="210KB" if name == "llama" else "1GB")
        tokenizer.save_pretrained(into / name)


def _byte_level(start: str, end: str | None = None) -> Any:
    """A decoder's tokenizer, which has no token to pad with."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [start] if end is None else [start, end]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=start, eos_token=end or start, model_input_names=names
    )


def _word_pieces() -> Any:
    """BERT's kind of tokenizer."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.WordPieceTrainer(vocab_size=400, show_progress=False, special_tokens=special)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "token_type_ids", "attention_mask"], **names
    )


def _unigrams() -> Any:
    """XLM-R's kind of tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.UnigramTrainer(vocab_size=300, show_progress=False, special_tokens=special, unk_token="<unk>"),  # noqa: S106
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = dict(zip(("bos", "pad", "eos", "unk", "mask"), special, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="<s>",  # noqa: S106
        sep_token="</s>",  # noqa: S106
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in names.items()},
    )
