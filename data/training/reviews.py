"""Lists about praise and complaints: sentences of real customer reviews, with queries in German and English.

    python3 data/training/reviews.py amazonReviewSnippets_GroundTruth.txt 1500 > out/reviews.jsonl

The file is in the source package of vaderSentiment 3.3.2 (MIT), in hutto_ICWSM_2014.tar.gz: 3,708 sentences of reviews of
five products (Hu and Liu 2004), each with the mean of twenty people's ratings from -4 to 4.
A passage is one to four sentences in a row of one review, whose mean is clearly above or below 0.
"""

import json
import random
import re
import sys

R = random.Random(31)

# First and last review of a product, and what it is called: German singular and plural, English singular and plural.
PRODUCTS = [
    (1, 98, ("DVD-Spieler", "DVD-Player"), ("DVD-Spielern", "DVD-Playern"), ("DVD player",), ("DVD players",)),
    (99, 175, ("Digitalkamera", "Kamera", "Fotoapparat"), ("Digitalkameras", "Kameras"), ("digital camera", "camera"), ("digital cameras", "cameras")),
    (176, 215, ("Mobiltelefon", "Handy"), ("Mobiltelefonen", "Handys"), ("mobile phone", "cell phone"), ("mobile phones", "phones")),
    (216, 314, ("MP3-Spieler", "Musikspieler"), ("MP3-Spielern", "Musikspielern"), ("MP3 player", "music player"), ("MP3 players",)),
]

# Pattern, German and English word.
ASPECTS = [
    (r"\bbatter(y|ies)\b", "Akku", "battery"),
    (r"\b(price|priced|money|cheap|expensive)\b", "Preis", "price"),
    (r"\b(sound|audio|speaker|headphones)\b", "Klang", "sound"),
    (r"\b(pictures?|photos?|images?|pics)\b", "Bildqualität", "picture quality"),
    (r"\b(service|support|warranty)\b", "Kundendienst", "customer service"),
    (r"\b(screen|display)\b", "Bildschirm", "screen"),
    (r"\b(size|small|compact|bulky|big|large|heavy|light)\b", "Größe", "size"),
    (r"\b(buttons?|controls?|remote)\b", "Bedienung", "controls"),
    (r"\b(software|interface|menu)\b", "Software", "software"),
    (r"\b(lens|zoom|flash)\b", "Objektiv", "lens"),
    (r"\b(reception|signal|call|calls)\b", "Empfang", "reception"),
    (r"\b(easy|simple|difficult|confusing|manual)\b", "Handhabung", "ease of use"),
]


def read(path):
    reviews = {}
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, rating, text = line.rstrip("\n").split("\t", 2)
            review, place = name.split("_")
            reviews.setdefault(int(review), []).append((int(place), float(rating), text.strip()))
    passages = []
    for number, sentences in sorted(reviews.items()):
        product = next(p for p in PRODUCTS if p[0] <= number <= p[1])
        sentences.sort()
        for start in range(len(sentences)):
            for length in range(1, 5):
                part = sentences[start:start + length]
                if len(part) < length:
                    break
                text = " ".join(t for _, _, t in part)
                mean = sum(r for _, r, _ in part) / length
                if 8 <= len(text.split()) <= 75:
                    passages.append((product, mean, text))
    return passages


def general(product, good):
    one, many, en, ens = (R.choice(names) for names in product[2:])
    if R.random() < 0.6:
        return R.choice(
            [f"positive Erfahrungen mit {many}", f"{one}: zufriedener Kunde", f"begeistert von {many}", f"gute Bewertung {one}", f"Lob {one}", f"{one}, würde ich wieder kaufen", f"wer ist mit seinem {one} zufrieden", f"{one} hält, was es verspricht"] if good else
            [f"negative Erfahrungen mit {many}", f"{one}: unzufriedener Kunde", f"enttäuscht von {many}", f"schlechte Bewertung {one}", f"Beschwerde {one}", f"{one} zurückgeschickt, Ärger", f"Probleme mit {many}, Kritik", f"vom Kauf wird abgeraten: {one}"])
    return R.choice(
        [f"positive experiences with {ens}", f"happy owner of a {en}", f"good review of a {en}", f"{en} praised", f"would buy this {en} again", f"people who love their {en}"] if good else
        [f"negative experiences with {ens}", f"unhappy owner of a {en}", f"bad review of a {en}", f"complaint about a {en}", f"{en} returned, disappointed", f"what people dislike about their {en}"])


def narrow(product, aspect, good):
    one, en = R.choice(product[2]), R.choice(product[4])
    _, de_word, en_word = aspect
    if R.random() < 0.6:
        return R.choice([f"{one} {de_word} gut", f"Lob für {de_word} {one}", f"zufrieden: {de_word}", f"{de_word} überzeugt, {one}"] if good else
                        [f"{one} {de_word} schlecht", f"Kritik: {de_word} {one}", f"unzufrieden: {de_word}", f"Beschwerde über {de_word}, {one}"])
    return R.choice([f"{en} {en_word} good", f"praise for {en_word}", f"pleased with the {en_word} of a {en}"] if good else
                    [f"{en} {en_word} bad", f"complaint about {en_word}", f"disappointed by the {en_word} of a {en}"])


def line(passages):
    good = R.random() < 0.5
    sign = 1 if good else -1
    clear = [p for p in passages if p[1] * sign >= (1.3 if good else 0.7)]
    against = [p for p in passages if p[1] * sign <= (-0.5 if good else -1.2)]
    product = R.choice(PRODUCTS)
    of = lambda which, inside=True: [p for p in which if (p[0] is product) == inside]
    chosen = []
    take = lambda pool, count, label: chosen.extend((p[2], label) for p in R.sample(pool, min(count, len(pool))))
    if R.random() < 0.55:
        query = general(product, good)
        take(of(clear), R.randint(1, 3), 1)
        take(of(against), 3, 0)
        take(of([p for p in passages if abs(p[1]) < 0.25]), 1, 0.1)
        take(of(clear, False), 2, 0)
    else:
        aspect = R.choice(ASPECTS)
        about = lambda which: [p for p in which if re.search(aspect[0], p[2].lower())]
        other = lambda which: [p for p in which if not re.search(aspect[0], p[2].lower())]
        query = narrow(product, aspect, good)
        take(about(of(clear)), R.randint(1, 2), 1)
        take(about(of(against)), 2, 0)
        take(other(of(clear)), 2, 0.15)
        take(other(of(against)), 1, 0)
        take(about(of(clear, False)), 1, 0.1)
    if len(chosen) < 5 or max(label for _, label in chosen) < 1:
        return None
    R.shuffle(chosen)
    return {"query": query, "passages": [t for t, _ in chosen], "labels": [label for _, label in chosen]}


def main():
    passages = read(sys.argv[1])
    left = int(sys.argv[2])
    while left:
        made = line(passages)
        if made:
            print(json.dumps(made, ensure_ascii=False))
            left -= 1


if __name__ == "__main__":
    main()
