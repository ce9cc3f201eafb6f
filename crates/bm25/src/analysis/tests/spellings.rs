//! Tables of what is the same word and what is not.

use super::*;

/// Each row: texts that find one another in full, in every analyzer.
const SAME: &[&[&str]] = &[
    // Ligatures.
    &["financial", "ﬁnancial"],
    &["efficiency", "eﬃciency", "eﬀiciency"],
    &["fluid", "ﬂuid"],
    &["stop", "ﬅop", "ﬆop"],
    &["Dž", "ǆ", "ǅ", "Ǆ"],
    &["ĳsland", "ijsland", "Ĳsland"],
    // Full and half width.
    &["ABC123", "ＡＢＣ１２３", "abc123"],
    &["ガイド", "ｶﾞｲﾄﾞ"],
    &["パン", "ﾊﾟﾝ"],
    &["한글", "\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF}"],
    &["50%", "５０％"],
    // Super- and subscripts.
    &["m2", "m²", "M²"],
    &["H2O", "H₂O"],
    &["CO2", "CO₂", "co2"],
    &["Na+", "Na⁺"],
    &["1st", "1ˢᵗ"],
    &["xn", "xₙ"],
    // Squared and enclosed signs, letters of mathematics.
    &["25 m2", "25 ㎡"],
    &["5 kg", "5㎏", "5 ㎏"],
    &["20 °C", "20 ℃", "20℃"],
    &["100 Ω", "100 Ω", "100 ohm"],
    &["5 µm", "5 μm"],
    &["IV", "Ⅳ", "ⅳ"],
    &["No 5", "№ 5"],
    &["Hilbert", "ℋ𝓲𝗅𝖇𝑒𝓇𝔱"],
    &["株式会社", "㍿"],
    // Invisible characters.
    &[
        "Kühlschrank",
        "Kühl\u{AD}schrank",
        "Kühl\u{200B}schrank",
        "\u{FEFF}Kühlschrank",
    ],
    &[
        "refrigerator",
        "re\u{2060}fri\u{200D}ge\u{200C}rator",
        "\u{202A}refrigerator\u{202C}",
    ],
    &[
        "refrigerator",
        "\u{200E}refrigerator\u{200F}",
        "\u{2067}refrigerator\u{2069}",
        "refri\u{34F}gerator",
    ],
    &["葛", "葛\u{E0100}", "葛\u{FE00}"],
    &["مختبر", "\u{61C}مختبر"],
    // Case.
    &["istanbul", "İstanbul", "ISTANBUL", "İSTANBUL", "ıstanbul"],
    &["σίσυφος", "ΣΊΣΥΦΟΣ", "Σίσυφος", "σίσυφοσ"],
    &["strasse", "Straße", "STRASSE", "STRAẞE", "ſtraße"],
    &["ᏣᎳᎩ", "ꮳꮃꭹ"],
    &["ﬀ", "FF", "ff"],
    &["ʼn", "ŉ"],
    &["ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"],
    &["ᾳ", "ΑΙ", "αι"],
    // Apostrophes and hyphens.
    &["L'Eau", "L’Eau", "Lʼeau", "L＇Eau", "L‘Eau"],
    &["e-mail", "e‐mail", "e‑mail", "E-Mail"],
    // Part numbers.
    &[
        "LABO-288",
        "LABO288",
        "LABO 288",
        "labo_288",
        "Labo‑288",
        "LABO\u{A0}288",
        "LABO\n288",
    ],
    &["DIN 13277", "DIN13277", "DIN-13277", "din 13277"],
    &["ISO 9001", "ISO9001", "ISO-9001"],
    &["KGN39VL35", "KGN 39 VL 35", "KGN-39-VL-35", "kgn39 vl35"],
    &["p53", "p-53", "P 53"],
    &["CD4", "CD-4", "CD 4"],
    &["COVID-19", "COVID19", "Covid 19"],
    &["iPhone 15", "iPhone15", "IPHONE-15"],
    &["Windows 11", "Windows11"],
    &["4x4", "4 x 4", "4×4", "4 × 4"],
    &["5G", "5 G", "5-g"],
    &["3D", "3 D", "3-D"],
    &["MP3", "mp-3", "MP 3"],
    &["A4", "A-4"],
    &["RS-232", "RS232", "RS 232"],
    &["M8x40", "m8x40"],
    // Compounds.
    &["Wi-Fi", "wifi", "wi fi", "WiFi", "WI-FI", "Wi‑Fi"],
    &["Hi-Fi", "hifi", "hi fi"],
    &["e-mail", "email"],
    &["data-base", "database"],
    &["T-Shirt", "tshirt"],
    &["NoFrost", "No-Frost", "nofrost"],
    &["co-operate", "cooperate"],
    &["Kühl-Gefrier-Kombination", "Kühlgefrierkombination"],
    // Numbers.
    &[
        "1234",
        "1.234",
        "1,234",
        "1'234",
        "1’234",
        "1\u{202F}234",
        "1\u{A0}234",
        "1\u{2009}234",
    ],
    &["1234567", "1.234.567", "1,234,567", "1'234'567"],
    &["1234.56", "1.234,56", "1,234.56", "1'234.56"],
    &["1.5", "1,5"],
    &["0.05", "0,05", ".05"],
    &["0.125", "0,125"],
    &["12.3456", "12,3456"],
    // Quantities.
    &[
        "280 L",
        "280L",
        "280 l",
        "280 Liter",
        "280 Litern",
        "280-Liter",
        "280 litres",
        "280 litre",
        "280 liters",
        "280 ltr",
        "280\u{A0}L",
    ],
    &["500 ml", "500ml", "500 Milliliter", "500 millilitres"],
    &[
        "1.5mm",
        "1,5 mm",
        "1.5 mm",
        "1,50 mm",
        "1.5 millimetres",
        "1,5 Millimeter",
    ],
    &[
        "60 cm",
        "60cm",
        "60 Zentimeter",
        "60 centimetres",
        "60 centimeters",
    ],
    &["3 m", "3m", "3 Meter", "3 metres", "3.0 m"],
    &["10 km", "10km", "10 Kilometer", "10 kilometres"],
    &[
        "25 m²",
        "25m2",
        "25 m2",
        "25 qm",
        "25 Quadratmeter",
        "25 square metres",
        "25 sqm",
    ],
    &["3 m³", "3 m3", "3 cbm", "3 Kubikmeter", "3 cubic meters"],
    &["27\"", "27 Zoll", "27 inch", "27″", "27-inch", "27 inches"],
    &["5 ft", "5 feet", "5 foot"],
    &["10 cubic feet", "10 cu ft", "10 ft³"],
    &["75 kg", "75kg", "75 Kilogramm", "75 kilograms", "75 Kilo"],
    &["200 g", "200g", "200 Gramm", "200 grams", "200 gr"],
    &["5 µg", "5 μg", "5 mcg", "5 Mikrogramm", "5 micrograms"],
    &["100 W", "100W", "100 Watt", "100-Watt", "100 watts"],
    &["230 V", "230V", "230 Volt", "230 volts"],
    &["1,5 kW", "1.5kW", "1.5 Kilowatt", "1.50 kW"],
    &[
        "200 kWh",
        "200kWh",
        "200 Kilowattstunden",
        "200 kilowatt hours",
    ],
    &["36 dB", "36dB", "36 Dezibel", "36 decibels"],
    &["50 Hz", "50Hz", "50 Hertz"],
    &[
        "5 °C",
        "5°C",
        "5 Grad",
        "5 Grad Celsius",
        "5 degrees",
        "5 degrees Celsius",
        "5°",
        "5 Celsius",
    ],
    &["-80 °C", "−80 °C", "–80°C", "-80 Grad"],
    &[
        "41 °F",
        "41°F",
        "41 degrees Fahrenheit",
        "41 Grad Fahrenheit",
    ],
    &["300 K", "300K", "300 Kelvin"],
    &["50 %", "50%", "50 Prozent", "50 percent", "50 per cent"],
    &["100 €", "100€", "100 EUR", "100 Euro"],
    &["16 A", "16A", "16 Ampere", "16 amps"],
    &["24 h", "24h", "24 Stunden", "24 hours", "24-hour"],
    &["30 min", "30min", "30 Minuten", "30 minutes", "30-minute"],
    &["120 km/h", "120km/h", "120 kmh"],
    &["5 l/min", "5l/min"],
    &["16 GB", "16GB", "16 Gigabyte", "16 gigabytes"],
    &["1.234 kg", "1234 kg", "1,234kg"],
    &["10 bar", "10bar", "10-bar"],
    &["60x60 cm", "60 x 60 cm", "60×60cm", "60 × 60 cm"],
    // Chinese, Japanese, Korean, Thai, Lao, Khmer, Myanmar.
    &["冰箱", "冰\u{200B}箱"],
    &["冷蔵庫。", "「冷蔵庫」"],
];

/// Each row: a document, queries that find it, and queries that do not.
const FOUND: &[(&str, &[&str], &[&str])] = &[
    (
        "Modell LABO-288 nach DIN 13277, 280L, 1.5mm, 1,234 Stück, Wi-Fi",
        &[
            "LABO",
            "288",
            "labo288",
            "DIN",
            "13277",
            "280",
            "280 Liter",
            "1,5",
            "1.5 mm",
            "1234",
            "wifi",
            "wi",
        ],
        &[
            "13271", "DIN13271", "1327", "277", "28", "2801", "15", "1", "5", "234", "12",
            "labo289", "281 L", "2800",
        ],
    ),
    (
        "DIN 13271",
        &["DIN 13271", "DIN13271"],
        &["13277", "DIN13277", "1327", "13 271", "132 71"],
    ),
    // Several numbers are none that their digits would make.
    ("Größe 1-5", &["1", "5"], &["15", "1.5"]),
    (
        "Version 2.0.1 vom 24.12.2024",
        &["2.0.1", "24.12.2024", "2024"],
        &["201", "20.1", "24122024"],
    ),
    (
        "10² Keime, 2½ Liter, 10^6",
        &["10", "2"],
        &["102", "106", "212", "21"],
    ),
    ("200 kg", &["200kg", "200", "200 g"], &["2000 kg", "20 kg"]),
    ("minus 80 Grad", &["-80 °C", "minus"], &["8"]),
    ("Schall 36 dB(A)", &["36 dB", "36dB"], &["3"]),
    ("Temperatur -18 °C", &["18", "-18 °C"], &["8"]),
    (
        "Norvik™ Icebox®",
        &["norvik", "Icebox"],
        &["norviktm", "iceboxr"],
    ),
    ("A1-2", &["A1", "A1-2"], &["A12"]),
    (
        "KGN39VL35",
        &["KGN39", "VL35", "KGN", "35"],
        &["39VL", "KGN3", "N39"],
    ),
    ("LABO288GX", &["LABO-288", "LABO 288"], &["288G"]),
    ("§ 573a BGB", &["573a", "§ 573a"], &["573", "573b"]),
    ("§ 573 BGB", &["573"], &["573a", "573b"]),
    ("the 1990s", &["1990s", "1990"], &["199"]),
    (
        "东京塔 in Tokyo",
        &["东京", "京塔", "塔", "东", "Tokyo", "东京塔"],
        &["京东", "西京"],
    ),
    (
        "今日は良い天気です",
        &["天気", "良い", "今日"],
        &["気天", "悪い"],
    ),
    ("서울에서 부산까지", &["서울", "부산"], &["울부", "대구"]),
    ("ตู้เย็นสำหรับห้องปฏิบัติการ", &["ตู้เย็น", "ห้อง", "ปฏิบัติการ"], &["แมว"]),
    ("ຕູ້ເຢັນ", &["ຕູ້", "ເຢັນ"], &["ແມວ"]),
    ("ទូទឹកកក", &["ទឹក", "កក"], &["ឆ្មា"]),
    ("ရေခဲသေတ္တာ", &["ရေခဲ", "သေတ္တာ"], &["ကြောင်"]),
    (
        "3月のiPhone15発売",
        &["3", "月", "iPhone15", "iPhone 15", "発売"],
        &["16", "iPhone14", "発日"],
    ),
];

#[test]
fn spellings_of_one_thing_find_one_another() {
    let mut n = 0;
    for analyzer in ALL {
        let analysis = analysis(analyzer);
        for row in SAME {
            for query in *row {
                for document in *row {
                    assert!(
                        holds_all(&analysis, query, document),
                        "{analyzer}: {query:?} asks for {:?}; {document:?} has {:?}",
                        asked(&analysis, query),
                        analysis.document(document)
                    );
                    n += 1;
                }
            }
        }
    }
    assert!(n > 3000, "{n}");
}

#[test]
fn documents_are_found_by_what_they_say_and_by_nothing_else() {
    for analyzer in ALL {
        let analysis = analysis(analyzer);
        for (document, found, not_found) in FOUND {
            for (queries, expected) in [(found, true), (not_found, false)] {
                for query in *queries {
                    assert_eq!(
                        finds(&analysis, query, document),
                        expected,
                        "{analyzer}: {query:?} asks for {:?}; {document:?} has {:?}",
                        asked(&analysis, query),
                        analysis.document(document)
                    );
                }
            }
        }
    }
}

/// Each row: quantities of which none holds another in full.
const DIFFERENT: &[&[&str]] = &[
    &["200 g", "200 kg", "200 mg", "2 kg", "20 g"],
    &["1.5 l", "15 l", "1.05 l", "150 l"],
    &["-18 °C", "18 °C", "-8 °C", "18 °F"],
    &["60x60", "60x600", "6x60"],
    &["120 km/h", "120 km", "12 km/h"],
    &["5 m", "5 m²", "5 m³", "5 mm"],
    &["280 L", "280 W", "280 V", "28 L"],
    &["LABO288", "LABO289", "LAB0288", "LABO2880", "LABO28"],
    &["DIN13277", "DIN13271", "EN13277", "DIN1327"],
];

#[test]
fn quantities_and_codes_that_differ_are_told_apart() {
    for analyzer in ALL {
        let analysis = analysis(analyzer);
        for row in DIFFERENT {
            for query in *row {
                for document in row.iter().filter(|document| *document != query) {
                    let wanted = analysis.query(query);
                    let whole = &wanted[0].forms.last().unwrap().terms[0];
                    let (terms, _) = analysis.document(document);
                    assert!(
                        !terms.contains(whole),
                        "{analyzer}: {query:?} in {document:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn accents_are_folded_where_that_is_asked_for() {
    let folded = [
        ("café", "cafe"),
        ("Crème brûlée", "creme brulee"),
        ("naïve", "naive"),
        ("Ångström", "angstrom"),
        ("Łódź", "lodz"),
        ("smørrebrød", "smorrebrod"),
        ("Dvořák", "dvorak"),
        ("señor", "senor"),
        ("Đorđe", "dorde"),
        ("cœur", "coeur"),
        ("Ægir", "aegir"),
        ("Nguyễn", "nguyen"),
        ("Kühlschrank", "kuhlschrank"),
        ("Ελλάδα", "ελλαδα"),
        ("x\u{302}", "x"),
    ];
    let on = with_accents(Analyzer::Plain, Some(true));
    let off = with_accents(Analyzer::Plain, Some(false));
    for (accented, bare) in folded {
        assert!(
            holds_all(&on, bare, accented) && holds_all(&on, accented, bare),
            "{accented}"
        );
        assert!(
            !holds_all(&off, bare, accented) && !holds_all(&off, accented, bare),
            "{accented}"
        );
    }
    // Other scripts' marks are letters of their own.
    for (one, other) in [("й", "и"), ("が", "か"), ("कि", "क"), ("ё", "е")] {
        assert!(!holds_all(&on, one, other), "{one} {other}");
    }
}

#[test]
fn german_folds_foreign_accents_and_leaves_umlauts_to_the_stemmer() {
    let german = analysis(Analyzer::German);
    assert!(holds_all(&german, "cafe", "Café") && holds_all(&german, "Café", "cafe"));
    assert!(holds_all(&german, "Schrank", "Schränke"));
    // Joined with a number, a word is not stemmed, and an umlaut is an umlaut.
    assert_ne!(asked(&german, "KÜ7"), asked(&german, "KU7"));
    assert_eq!(asked(&analysis(Analyzer::English), "Müller"), ["muller"]);
}
