"""Examples to try: messages in Polish slang, and two pairs in each of the fifteen languages.

All were written for this page and stand in none of the bundled data sets. The label of a pair is the writer's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from babel import Locale

from gradio_app.languages import message

SLANG_EXAMPLES: tuple[str, ...] = (
    "ale kozak, serio, szacun za ten występ",
    "no i znowu lipa, autobus odjechał mi sprzed nosa",
    "ktoś ogarnia, o której jutro zbiórka na orliku?",
    "super, że mówicie mi dzień po terminie, sztos",
    "Wbijasz na domówkę do Kuby czy odpuszczasz?",
    "essaaa, zdałam prawko za pierwszym razem 🎉",
    "krindż roku, przedstawił mnie swoim starym jako znajomą z siłki",
    "rel, też pół dnia scrolluję zamiast się uczyć XD",
    "ten nowy sezon to taki mid, oglądam tylko z przyzwyczajenia",
    "znowu zwiecha na serwerze, cały raid w plecy, mam dość",
)
"""Messages of all three classes; one praises in complaint, as people do."""


@dataclass(frozen=True)
class NliExample:
    """A pair in one of the languages, and what its writer means it to be."""

    code: str
    premise: str
    hypothesis: str
    label: str
    """One of the task's labels."""


LANGUAGES: Mapping[str, str] = {
    "ar": message("Arabic"),
    "bg": message("Bulgarian"),
    "de": message("German"),
    "el": message("Greek"),
    "en": message("English"),
    "es": message("Spanish"),
    "fr": message("French"),
    "hi": message("Hindi"),
    "ru": message("Russian"),
    "sw": message("Swahili"),
    "th": message("Thai"),
    "tr": message("Turkish"),
    "ur": message("Urdu"),
    "vi": message("Vietnamese"),
    "zh": message("Chinese"),
}
"""Code → name in English."""


def own_name(code: str) -> str:
    """What a language calls itself: `de`, `Deutsch`."""
    name = str(Locale(code).get_language_name(code))
    return name[0].upper() + name[1:]


NLI_EXAMPLES: tuple[NliExample, ...] = (
    NliExample(
        "en",
        "The bakery opens at six and sells rye bread until the shelves are empty.",
        "The bakery is closed at five in the morning.",
        "entailment",
    ),
    NliExample(
        "en",
        "She has taken the stairs every day since the lift broke down.",
        "The lift is working again.",
        "contradiction",
    ),
    NliExample(
        "ar", "نسي أحمد مظلته في الحافلة فعاد إلى بيته مبللاً.", "لم تكن المظلة مع أحمد حين وصل إلى بيته.", "entailment"
    ),
    NliExample("ar", "تبيع جارتنا الخبز الطازج كل صباح أمام بيتها.", "تتعلم جارتنا اللغة الفرنسية.", "neutral"),
    NliExample(
        "bg",
        "Мария посади три домата на балкона и ги полива всяка вечер.",
        "На балкона на Мария няма растения.",
        "contradiction",
    ),
    NliExample(
        "bg",
        "Влакът за Варна закъсня с два часа заради снега.",
        "Във влака имаше много ученици.",
        "neutral",
    ),
    NliExample(
        "de", "Der Zug fiel aus, deshalb nahmen wir den Bus.", "Wir sind mit dem Zug gefahren.", "contradiction"
    ),
    NliExample("de", "Mein Nachbar gießt jeden Abend seine Tomaten.", "Mein Nachbar hat zwei Kinder.", "neutral"),
    NliExample(
        "el",
        "Η Ελένη έχασε τα κλειδιά της και περίμενε έξω από το σπίτι ώσπου να έρθει ο άντρας της.",
        "Η Ελένη δεν είχε τα κλειδιά μαζί της.",
        "entailment",
    ),
    NliExample("el", "Το καφενείο της πλατείας ανοίγει στις επτά το πρωί.", "Ο καφές εκεί είναι ακριβός.", "neutral"),
    NliExample("es", "El perro durmió toda la tarde junto a la estufa.", "El perro es negro.", "neutral"),
    NliExample(
        "es",
        "Ana vendió su bicicleta la semana pasada y ahora va a pie al trabajo.",
        "Ana va al trabajo en bicicleta.",
        "contradiction",
    ),
    NliExample(
        "fr",
        "Paul a oublié le gâteau dans le four et il a entièrement brûlé.",
        "Le gâteau est intact.",
        "contradiction",
    ),
    NliExample(
        "fr",
        "Le musée est fermé le mardi, alors nous y sommes allés mercredi.",
        "Nous n'avons pas visité le musée mardi.",
        "entailment",
    ),
    NliExample("hi", "राधा ने सुबह अपने बगीचे से आम तोड़े और पड़ोसियों में बाँट दिए।", "राधा के बगीचे में आम थे।", "entailment"),
    NliExample("hi", "मोहन हर शाम पुस्तकालय में बैठकर पढ़ता है।", "मोहन डॉक्टर बनना चाहता है।", "neutral"),
    NliExample(
        "ru", "Кот спит на подоконнике, пока за окном идёт дождь.", "На улице сухо и солнечно.", "contradiction"
    ),
    NliExample(
        "ru",
        "Бабушка испекла пирог с яблоками, и внуки съели его до последней крошки.",
        "От пирога ничего не осталось.",
        "entailment",
    ),
    NliExample(
        "sw",
        "Juma alisahau simu yake nyumbani, kwa hiyo hakuweza kumpigia mama yake.",
        "Juma alikuwa na simu yake mkononi.",
        "contradiction",
    ),
    NliExample("sw", "Asha huuza samaki sokoni kila asubuhi.", "Asha ana ndugu watatu.", "neutral"),
    NliExample("th", "ร้านนี้รับเฉพาะเงินสดเท่านั้น", "ร้านนี้รับบัตรเครดิต", "contradiction"),
    NliExample("th", "สมชายเดินไปทำงานทุกวันเพราะบ้านอยู่ใกล้ที่ทำงาน", "บ้านของสมชายอยู่ไม่ไกลจากที่ทำงาน", "entailment"),
    NliExample(
        "tr", "Ayşe otobüsü kaçırdığı için okula yürüyerek gitti.", "Ayşe okula otobüsle gitmedi.", "entailment"
    ),
    NliExample("tr", "Komşumuz her akşam balkonda çay içer.", "Komşumuz emekli bir öğretmendir.", "neutral"),
    NliExample(
        "ur",
        "بجلی چلی گئی تھی، اس لیے ہم نے موم بتی کی روشنی میں کھانا کھایا۔",
        "کھانے کے وقت بجلی نہیں تھی۔",
        "entailment",
    ),
    NliExample("ur", "علی نے کل اپنی پرانی گاڑی بیچ دی۔", "علی کی پرانی گاڑی اب بھی اسی کے پاس ہے۔", "contradiction"),
    NliExample("vi", "Lan mang ô đi làm vì dự báo nói chiều nay sẽ mưa.", "Lan không mang ô theo.", "contradiction"),
    NliExample("vi", "Anh Minh mở một quán phở nhỏ gần ga tàu.", "Quán phở của anh Minh rất đông khách.", "neutral"),
    NliExample("zh", "这家小店只收现金，不能刷卡。", "在这里不能用信用卡付款。", "entailment"),
    NliExample("zh", "小王每天早上在公园里跑步。", "小王参加过马拉松比赛。", "neutral"),
)
"""English first, as it stands first in the boxes; ten pairs of each label."""
FIRST_EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "slang": (SLANG_EXAMPLES[0],),
    "nli": (NLI_EXAMPLES[0].premise, NLI_EXAMPLES[0].hypothesis),
}
"""Task → the input whose answers stand on the page before anything is asked."""
