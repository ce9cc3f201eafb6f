"""Training lists that no collection has: products with and without a feature, numbers and units,
two conditions at once, opinions, kinds of question, in German and English.

    python3 data/training/products.py 1800 > products.jsonl

Each line is a query with eight passages and labels from 0 to 1, as `treffer train cross` reads
them. Every text is made here, from the word lists and patterns below. None is about cooling or
laboratories, which the sample corpus is about, so that the sample still tests what was learned.
"""

import json
import random
import sys

from words import ASPECTS, BLAME_DE, BLAME_EN, FEATURES, MAKERS, NORMS, PRAISE_DE, PRAISE_EN, SIZES, THINGS

R = random.Random(20)

def article(gender, case, negative=False):
    stem = "kein" if negative else "ein"
    ends = {"nom": {"m": "", "f": "e", "n": ""}, "acc": {"m": "en", "f": "e", "n": ""}, "dat": {"m": "em", "f": "er", "n": "em"}}
    return stem + ends[case][gender]


def a(english):
    """With the indefinite article, where there is one."""
    if english in ("Bluetooth", "Wi-Fi", "app control", "voice control", "cable rewind"):
        return english
    return f"{'an' if english[0] in 'aeio' else 'a'} {english}"


def definite(gender):
    return {"m": "der", "f": "die", "n": "das"}[gender]


class Product:
    def __init__(self, thing=None, language=None):
        self.thing = thing or R.choice(THINGS)
        self.language = language or R.choice(["de", "de", "en"])
        self.maker = R.choice(MAKERS)
        self.model = f"{R.choice('ABCDEFGHKLMPRSTVX')}{R.choice(['', '-', ' '])}{R.randint(10, 990)}"
        self.features = {}
        self.size = None
        self.norm = None
        self.no_norm = False
        self.price = None

    def text(self):
        de = self.language == "de"
        gender, noun, _, noun_en, _ = self.thing[:5]
        name = f"{self.maker} {self.model}"
        parts = []
        for feature, has in self.features.items():
            parts.append(say_feature(feature, has, de))
        if self.size:
            parts.append(say_size(self.size, de))
        if self.norm:
            parts.append(R.choice([
                f"Geprüft nach {self.norm}.", f"Entspricht {self.norm}.", f"Mit Zertifikat nach {self.norm}.",
            ] if de else [f"Tested to {self.norm}.", f"Complies with {self.norm}.", f"Certified to {self.norm}."]))
        elif self.no_norm:
            parts.append(R.choice([
                "Eine Prüfung nach einer Norm liegt nicht vor.", "Nicht zertifiziert.", "Ohne Zertifikat, da nie geprüft.",
            ] if de else ["It has not been tested to any standard.", "Not certified.", "Sold without a certificate."]))
        if self.price is not None:
            parts.append(R.choice([f"Preis: {self.price} Euro.", f"Für {self.price} €."] if de
                                  else [f"Price: {self.price} euros.", f"For {self.price} €."]))
        R.shuffle(parts)
        purpose = self.thing[5] if de else self.thing[6]
        head = R.choice([f"{name}: {noun}.", f"{noun} {name}.", f"{article(gender, 'nom').capitalize()} {noun} von {self.maker}, Modell {self.model}."] if de
                        else [f"{name}: {noun_en}.", f"{noun_en.capitalize()} {name}.", f"A {noun_en} by {self.maker}, model {self.model}."])
        if R.random() < 0.35:
            parts.insert(R.randint(0, len(parts)), f"{definite(gender).capitalize()} {noun} {purpose}." if de else f"The {noun_en} {purpose}.")
        return " ".join([head, *parts])


def upper(text):
    return text[0].upper() + text[1:]


def say_feature(feature, has, de):
    gender, noun, english = feature
    if de:
        if has:
            return R.choice([f"Mit {noun}.", f"Hat {article(gender, 'acc')} {noun}.", f"{noun} inklusive.",
                             f"Ausgestattet mit {article(gender, 'dat')} {noun}.", f"{noun}: ja."])
        return R.choice([f"Ohne {noun}.", f"Hat {article(gender, 'acc', True)} {noun}.", f"{noun} nicht enthalten.",
                         f"Nicht mit {article(gender, 'dat')} {noun} ausgestattet.", f"{noun}: nein.",
                         f"Auf {article(gender, 'acc')} {noun} wurde verzichtet.", f"{definite(gender).capitalize()} {noun} fehlt."])
    if has:
        return R.choice([f"With {english}.", f"Has {a(english)}.", f"{upper(english)} included.", f"Comes with {a(english)}.", f"{upper(english)}: yes."])
    return R.choice([f"Without {english}.", f"Has no {english}.", f"{upper(english)} not included.", f"Does not come with {a(english)}.",
                     f"{upper(english)}: no.", f"It lacks {a(english)}.", f"Do not expect {a(english)}."])


def number(value, de):
    text = f"{value:g}"
    return text.replace(".", ",") if de else text


def say_size(size, de, other=None):
    kind, value = size
    name_de, name_en, units_de, units_en, (unit, factor), _ = kind
    if other is None:
        other = R.random() < 0.25
    if other:
        amount = f"{number(value * factor, de)} {unit}"
    else:
        unit = R.choice(units_de if de else units_en)
        amount = f"{number(value, de)}{'' if len(unit) == 1 and R.random() < .5 else ' '}{unit}"
    if de:
        return R.choice([f"{name_de}: {amount}.", f"{name_de} {amount}.", f"{amount} {name_de}."])
    return R.choice([f"{name_en.capitalize()}: {amount}.", f"{name_en.capitalize()} {amount}.", f"{amount} {name_en}."])


def amount(size, de):
    kind, value = size
    unit = R.choice(kind[2] if de else kind[3])
    return f"{number(value, de)}{'' if len(unit) == 1 and R.random() < .5 else ' '}{unit}"


def fill(product, keep=()):
    """Adds what the query does not ask for."""
    others = [f for f in FEATURES if f not in product.features and f not in keep]
    for feature in R.sample(others, R.randint(0, 2)):
        product.features[feature] = R.random() < 0.65
    if product.size is None and "size" not in keep and R.random() < 0.5:
        kind = R.choice(SIZES)
        product.size = (kind, R.randint(*kind[5]))
    if product.norm is None and "norm" not in keep and R.random() < 0.25:
        product.norm = norm()
    if R.random() < 0.3:
        product.price = R.randint(15, 900)
    return product


def norm():
    return f"{R.choice(NORMS)} {R.randint(1000, 69999)}"


def near_norm(text):
    name, digits = text.rsplit(" ", 1)
    place = R.randrange(len(digits))
    other = R.choice([d for d in "123456789" if d != digits[place]])
    return f"{name} {digits[:place]}{other}{digits[place + 1:]}"


def name_of(thing, de, plural=False):
    return thing[2 if plural else 1] if de else thing[4 if plural else 3]


def query_language():
    return R.random() < 0.62


def with_or_without():
    """One feature, present or absent."""
    thing, feature = R.choice(THINGS), R.choice(FEATURES)
    wanted, de = R.random() < 0.35, query_language()
    noun = name_of(thing, de)
    _, f_de, f_en = feature
    if de:
        query = R.choice([f"{noun} mit {f_de}", f"{noun}, der {article(feature[0], 'acc')} {f_de} hat" if thing[0] == "m" else f"{noun} inklusive {f_de}"] if wanted
                         else [f"{noun} ohne {f_de}", f"{noun}, {article(feature[0], 'nom', True)} {f_de}", f"{noun} nicht mit {f_de}", f"kein {f_de}: {noun}", f"{noun} gesucht, aber bitte ohne {f_de}"])
    else:
        query = R.choice([f"{noun} with {f_en}", f"{noun} that has {a(f_en)}"] if wanted
                         else [f"{noun} without {f_en}", f"{noun} with no {f_en}", f"{noun}, no {f_en}", f"{noun} that does not have {a(f_en)}"])
    passages = []

    def doc(other_thing, has):
        p = Product(other_thing)
        if has is not None:
            p.features[feature] = has
        passages.append((fill(p, keep=(feature,)).text(), None))
        return len(passages) - 1

    labels = {}
    for _ in range(R.randint(1, 2)):
        labels[doc(thing, wanted)] = 1
    for _ in range(3):
        labels[doc(thing, not wanted)] = 0
    labels[doc(thing, None)] = 0.1 if not wanted else 0
    while len(passages) < 8:
        labels[doc(R.choice([t for t in THINGS if t is not thing]), wanted)] = 0
    return query, [p for p, _ in passages], [labels[i] for i in range(8)]


def sizes():
    """A number with a unit: exact, above or below; alone or with a feature."""
    thing, kind, de = R.choice(THINGS), R.choice(SIZES), query_language()
    low, high = kind[5]
    value = R.randint(low + 1, high)
    noun, word = name_of(thing, de), amount((kind, value), de)
    how = R.choice(["exact", "exact", "above", "below", "between"])
    feature = R.choice(FEATURES) if R.random() < 0.5 else None
    step = max(1, (high - low) // 8)
    def inside():
        if how == "exact":
            return value
        if how == "above":
            return value + R.randint(1, step * 3)
        if how == "below":
            return max(1, value - R.randint(1, step * 3))
        return value + R.randint(0, step)
    def outside():
        if how == "exact":
            return max(1, value + R.choice([-1, 1]) * R.randint(1, step * 3))
        if how == "above":
            return max(1, value - R.randint(1, step * 3))
        if how == "below":
            return value + R.randint(1, step * 3)
        return R.choice([max(1, value - R.randint(1, step * 2)), value + step + R.randint(1, step * 2)])
    if how == "between":
        upper = amount((kind, value + step), de)
        query = f"{noun} zwischen {number(value, de)} und {upper}" if de else f"{noun} between {number(value, de)} and {upper}"
    else:
        words = {"exact": (["", "mit "], ["", "with "]), "above": (["über ", "mehr als ", "mindestens "], ["over ", "more than ", "at least "]),
                 "below": (["unter ", "weniger als ", "höchstens "], ["under ", "less than ", "at most "])}[how]
        query = f"{noun} {R.choice(words[0 if de else 1])}{word}"
    if feature:
        query += (f" mit {feature[1]}" if de else f" with {feature[2]}")
        if R.random() < 0.3:
            noun_many = name_of(thing, de, True)
            query = (f"Welche {noun_many} mit {feature[1]} haben {word}?" if de else f"Which {noun_many} with {feature[2]} have {word}?") if how == "exact" else query
    passages, labels = [], []
    def doc(other, size, has):
        p = Product(other)
        p.size = (kind, size)
        if feature is not None and has is not None:
            p.features[feature] = has
        passages.append(fill(p, keep=(feature, "size")).text())
    doc(thing, inside(), True); labels.append(1)
    if R.random() < 0.5:
        doc(thing, inside(), True); labels.append(1)
    for _ in range(3):
        doc(thing, outside(), True); labels.append(0.08 if feature else 0)
    if feature:
        doc(thing, inside(), False); labels.append(0.08)
    while len(passages) < 8:
        doc(R.choice([t for t in THINGS if t is not thing]), inside(), True); labels.append(0)
    return query, passages, labels


def norms():
    """The number of a standard, with its neighbors, or the lack of one."""
    thing, de = R.choice(THINGS), query_language()
    wanted, noun = norm(), name_of(thing, de)
    without = R.random() < 0.25
    if without:
        query = R.choice([f"{noun} ohne Zertifikat", f"{noun}, nicht nach Norm geprüft"] if de else [f"{noun} without certificate", f"{noun} not certified"])
    else:
        query = R.choice([wanted, f"{noun} {wanted}", f"{noun} nach {wanted}", f"{noun} geprüft nach {wanted}"] if de
                         else [wanted, f"{noun} {wanted}", f"{wanted} {noun}", f"{noun} certified to {wanted}"])
    named = without or noun in query
    passages, labels = [], []
    def doc(other, text, bare=False):
        p = Product(other)
        p.norm, p.no_norm = text, bare
        passages.append(fill(p, keep=("norm",)).text())
    if without:
        for _ in range(2):
            doc(thing, None, True); labels.append(1)
        for _ in range(4):
            doc(thing, norm()); labels.append(0)
        while len(passages) < 8:
            doc(R.choice([t for t in THINGS if t is not thing]), None, True); labels.append(0)
        return query, passages, labels
    doc(thing, wanted); labels.append(1)
    for _ in range(4):
        doc(thing, near_norm(wanted)); labels.append(0.03)
    doc(thing, None, R.random() < 0.5); labels.append(0.03 if named else 0)
    while len(passages) < 8:
        doc(R.choice([t for t in THINGS if t is not thing]), wanted); labels.append(0.1 if named else 0.8)
    return query, passages, labels


def opinion(thing, good, aspect, language):
    de = language == "de"
    maker, noun = R.choice(MAKERS), name_of(thing, de)
    lists = (PRAISE_DE if good else BLAME_DE) if de else (PRAISE_EN if good else BLAME_EN)
    sentences = R.sample(lists, R.randint(1, 2))
    about = aspect[(2 if good else 4) + (0 if de else 1)]
    gender = thing[0]
    opening = R.choice([f"{noun} von {maker}", f"{article(gender, 'acc').capitalize()} {noun} von {maker} nutzen wir seit Mai" if de else ""] if de
                       else [f"{maker} {noun}", f"We have used the {noun} by {maker} since May"])
    parts = [about[0].upper() + about[1:], *sentences]
    R.shuffle(parts)
    return f"{opening}: {'. '.join(parts)}."


def opinions():
    """What people are pleased or annoyed about."""
    thing, aspect = R.choice(THINGS), R.choice(ASPECTS)
    good, de = R.random() < 0.5, query_language()
    noun, many = name_of(thing, de), name_of(thing, de, True)
    narrow = R.random() < 0.5
    about = aspect[0 if de else 1]
    if de:
        query = R.choice(([f"Lob für {about} {noun}", f"{noun} {about} gut, zufrieden", f"{noun}: {aspect[2]}"] if good else [f"Beschwerde {noun} {about}", f"{noun} {about} schlecht, unzufrieden", f"Kritik: {noun} {aspect[4]}"]) if narrow
                         else ([f"positive Erfahrungen mit {many}", f"zufriedene Kunden {noun}", f"gute Bewertung {noun}", f"{noun} begeistert"] if good else [f"negative Erfahrungen mit {many}", f"{noun} enttäuscht", f"schlechte Bewertung {noun}", f"unzufriedene Käufer {noun}"]))
    else:
        query = R.choice(([f"praise for {about} of {noun}", f"{noun} {about} good, happy", f"{noun}: {aspect[3]}"] if good else [f"complaint about {about} of {noun}", f"{noun} {about} bad, unhappy", f"criticism: {noun} {aspect[5]}"]) if narrow
                         else ([f"positive experiences with {many}", f"happy customers {noun}", f"good review {noun}", f"{noun} that people love"] if good else [f"negative experiences with {many}", f"disappointed by {noun}", f"bad review {noun}", f"unhappy buyers {noun}"]))
    others = [a for a in ASPECTS if a is not aspect]
    language = lambda: R.choice(["de", "de", "en"])
    passages, labels = [], []
    def doc(text, label):
        passages.append(text); labels.append(label)
    for _ in range(2):
        doc(opinion(thing, good, aspect if narrow else R.choice(ASPECTS), language()), 1)
    for _ in range(2):
        doc(opinion(thing, not good, aspect if narrow else R.choice(ASPECTS), language()), 0)
    doc(opinion(thing, good, R.choice(others), language()), 0.25 if narrow else 1)
    doc(fill(Product(thing)).text(), 0.02)
    while len(passages) < 8:
        doc(opinion(R.choice([t for t in THINGS if t is not thing]), good, aspect, language()), 0)
    return query, passages, labels


def answers(thing, kind, language):
    de = language == "de"
    gender, noun, many = thing[0], name_of(thing, de), name_of(thing, de, True)
    the = definite(gender).capitalize()
    if kind == "what":
        return f"{article(gender, 'nom').capitalize()} {noun} {thing[5]}." if de else f"A {noun} {thing[6]}."
    if kind == "how":
        return R.choice(["", f"{noun}: ", f"So arbeitet {definite(gender)} {noun}: "] if de else ["", f"{noun}: ".capitalize(), "This is how it works: "]) + (thing[7] if de else thing[8]) + "."
    if kind == "why":
        return R.choice(([f"{the} {noun} {thing[9]}: ", f"Wenn {definite(gender)} {noun} Ärger macht: "] if de else [f"The {noun} {thing[10]}: ", f"When the {noun} makes trouble: "])) + (thing[11] if de else thing[12]) + "."
    if kind == "clean":
        return (f"{noun} reinigen und pflegen: " if de else f"Cleaning a {noun}: ") + (thing[13] if de else thing[14]) + "."
    if kind == "repair":
        return (f"{the} {noun} {thing[9]}: Wenden Sie sich mit der Rechnung an den Händler, der das Gerät abholt." if de
                else f"The {noun} {thing[10]}: take the receipt to the dealer, who collects it.")
    return f"{many} gibt es in drei Größen und vielen Farben, ab {R.randint(20, 400)} Euro." if de else f"{many.capitalize()} come in three sizes and many colors, from {R.randint(20, 400)} euros."


def questions():
    """What, how, why and how to, about the same thing."""
    thing, kind, de = R.choice(THINGS), R.choice(["what", "how", "why", "why", "clean"]), query_language()
    gender, noun = thing[0], name_of(thing, de)
    query = R.choice({
        "what": [f"Was ist {article(gender, 'nom')} {noun}?", f"Wozu dient {article(gender, 'nom')} {noun}?"],
        "how": [f"Wie funktioniert {article(gender, 'nom')} {noun}?", f"Funktionsweise {noun}"],
        "why": [f"Warum {thing[9]} {definite(gender)} {noun}?" if " " not in thing[9] else f"{noun} {thing[9]}, warum?", f"{noun} {thing[9]} Ursache", f"Woran liegt es, wenn {definite(gender)} {noun} {thing[9]}?"],
        "clean": [f"Wie reinigt man {article(gender, 'acc')} {noun}?", f"{noun} sauber machen", f"{noun} Pflege"],
    }[kind] if de else {
        "what": [f"what is a {noun}", f"what is a {noun} for"],
        "how": [f"how does a {noun} work", f"working principle of a {noun}"],
        "why": [f"why is it that my {noun} {thing[10]}", f"{noun} {thing[10]} cause", f"what makes a {noun} fail: {thing[10]}"],
        "clean": [f"how to clean a {noun}", f"{noun} care"],
    }[kind])
    language = lambda: R.choice(["de", "de", "en"])
    passages = [answers(thing, kind, language())]
    labels = [1]
    for other in ["what", "how", "why", "clean", "repair", "sizes"]:
        if other != kind and len(passages) < 6:
            passages.append(answers(thing, other, language()))
            labels.append({"why": {"repair": 0.15}, "how": {"what": 0.15}, "what": {"how": 0.25}}.get(kind, {}).get(other, 0.02))
    while len(passages) < 8:
        passages.append(answers(R.choice([t for t in THINGS if t is not thing]), kind, language()))
        labels.append(0)
    return query, passages, labels


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1800
    makers = [with_or_without, with_or_without, with_or_without, sizes, sizes, norms, opinions, opinions, questions, questions]
    for _ in range(count):
        query, passages, labels = R.choice(makers)()
        order = list(range(len(passages)))
        R.shuffle(order)
        line = {"query": query, "passages": [passages[i] for i in order], "labels": [labels[i] for i in order]}
        print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    main()
