//! Units of measurement: their spellings after a number, in English and German.

use std::collections::HashMap;

/// Signs that stand for a unit after a number.
pub(super) fn is_sign(c: char) -> bool {
    matches!(c, '%' | '‰' | '°' | '€' | '"')
}

/// The symbol of each unit, and its other spellings, in the normal form of characters. A
/// spelling of two words has a blank between them.
///
/// `in` for inch is missing: it is a word. Degrees without a scale are taken for Celsius.
const UNITS: &[(&str, &[&str])] = &[
    // Volume.
    (
        "l",
        &["ltr", "liter", "litern", "liters", "litre", "litres"],
    ),
    (
        "ml",
        &[
            "milliliter",
            "millilitern",
            "milliliters",
            "millilitre",
            "millilitres",
        ],
    ),
    (
        "cl",
        &[
            "zentiliter",
            "centiliter",
            "centiliters",
            "centilitre",
            "centilitres",
        ],
    ),
    (
        "dl",
        &[
            "deziliter",
            "deciliter",
            "deciliters",
            "decilitre",
            "decilitres",
        ],
    ),
    (
        "hl",
        &[
            "hektoliter",
            "hectoliter",
            "hectoliters",
            "hectolitre",
            "hectolitres",
        ],
    ),
    (
        "μl",
        &[
            "ul",
            "mikroliter",
            "microliter",
            "microliters",
            "microlitre",
            "microlitres",
        ],
    ),
    (
        "m3",
        &[
            "cbm",
            "kubikmeter",
            "kubikmetern",
            "cubic meter",
            "cubic meters",
            "cubic metre",
            "cubic metres",
        ],
    ),
    (
        "cm3",
        &[
            "ccm",
            "kubikzentimeter",
            "cubic centimeter",
            "cubic centimeters",
            "cubic centimetre",
            "cubic centimetres",
        ],
    ),
    ("ft3", &["cu ft", "cubic foot", "cubic feet", "kubikfuss"]),
    ("gal", &["gallon", "gallons", "gallone", "gallonen"]),
    // Length.
    (
        "nm",
        &[
            "nanometer",
            "nanometern",
            "nanometers",
            "nanometre",
            "nanometres",
        ],
    ),
    (
        "μm",
        &[
            "um",
            "mikrometer",
            "mikrometern",
            "micrometer",
            "micrometers",
            "micrometre",
            "micrometres",
            "micron",
            "microns",
        ],
    ),
    (
        "mm",
        &[
            "millimeter",
            "millimetern",
            "millimeters",
            "millimetre",
            "millimetres",
        ],
    ),
    (
        "cm",
        &[
            "zentimeter",
            "zentimetern",
            "centimeter",
            "centimeters",
            "centimetre",
            "centimetres",
        ],
    ),
    (
        "dm",
        &[
            "dezimeter",
            "decimeter",
            "decimeters",
            "decimetre",
            "decimetres",
        ],
    ),
    ("m", &["meter", "metern", "meters", "metre", "metres"]),
    (
        "km",
        &[
            "kilometer",
            "kilometern",
            "kilometers",
            "kilometre",
            "kilometres",
        ],
    ),
    ("inch", &["inches", "zoll", "\""]),
    ("ft", &["foot", "feet", "fuss"]),
    ("mi", &["mile", "miles", "meile", "meilen"]),
    // Area.
    (
        "mm2",
        &[
            "qmm",
            "quadratmillimeter",
            "square millimeter",
            "square millimeters",
            "square millimetre",
            "square millimetres",
        ],
    ),
    (
        "cm2",
        &[
            "qcm",
            "quadratzentimeter",
            "square centimeter",
            "square centimeters",
            "square centimetre",
            "square centimetres",
        ],
    ),
    (
        "m2",
        &[
            "qm",
            "sqm",
            "quadratmeter",
            "quadratmetern",
            "square meter",
            "square meters",
            "square metre",
            "square metres",
        ],
    ),
    (
        "km2",
        &[
            "qkm",
            "quadratkilometer",
            "quadratkilometern",
            "square kilometer",
            "square kilometers",
            "square kilometre",
            "square kilometres",
        ],
    ),
    (
        "ft2",
        &["sqft", "sq ft", "square foot", "square feet", "quadratfuss"],
    ),
    ("ha", &["hektar", "hectare", "hectares"]),
    // Mass.
    (
        "μg",
        &["ug", "mcg", "mikrogramm", "microgram", "micrograms"],
    ),
    ("mg", &["milligramm", "milligram", "milligrams"]),
    ("g", &["gr", "gramm", "gram", "grams", "gramme", "grammes"]),
    (
        "kg",
        &["kilo", "kilos", "kilogramm", "kilogram", "kilograms"],
    ),
    ("t", &["tonne", "tonnen", "tonnes"]),
    ("oz", &["ounce", "ounces", "unze", "unzen"]),
    ("lb", &["lbs", "pound", "pounds"]),
    // Electricity, power, energy.
    ("mv", &["millivolt", "millivolts"]),
    ("v", &["volt", "volts"]),
    ("kv", &["kilovolt", "kilovolts"]),
    (
        "ma",
        &["milliampere", "milliamperes", "milliamp", "milliamps"],
    ),
    ("a", &["ampere", "amperes", "amp", "amps"]),
    ("ah", &["amperestunde", "amperestunden"]),
    ("mah", &["milliamperestunden"]),
    ("ω", &["ohm", "ohms"]),
    ("kω", &["kohm", "kiloohm", "kiloohms"]),
    ("nf", &["nanofarad"]),
    ("pf", &["picofarad", "pikofarad"]),
    ("μf", &["uf", "microfarad", "mikrofarad"]),
    ("mw", &[]),
    ("w", &["watt", "watts"]),
    ("kw", &["kilowatt", "kilowatts"]),
    ("ps", &[]),
    ("hp", &["horsepower"]),
    ("va", &["voltampere"]),
    (
        "wh",
        &["wattstunde", "wattstunden", "watt hour", "watt hours"],
    ),
    (
        "kwh",
        &[
            "kilowattstunde",
            "kilowattstunden",
            "kilowatt hour",
            "kilowatt hours",
        ],
    ),
    ("j", &["joule", "joules"]),
    ("kj", &["kilojoule", "kilojoules"]),
    (
        "kcal",
        &["kilokalorie", "kilokalorien", "kilocalorie", "kilocalories"],
    ),
    ("btu", &[]),
    // Sound, light, frequency.
    ("db", &["dezibel", "decibel", "decibels"]),
    ("lm", &["lumen", "lumens"]),
    ("lx", &["lux"]),
    ("hz", &["hertz"]),
    ("khz", &["kilohertz"]),
    ("mhz", &["megahertz"]),
    ("ghz", &["gigahertz"]),
    ("rpm", &["upm", "u/min", "r/min"]),
    // Pressure and force.
    ("pa", &["pascal"]),
    ("hpa", &["hektopascal", "hectopascal"]),
    ("kpa", &["kilopascal"]),
    ("mpa", &["megapascal"]),
    ("mbar", &["millibar"]),
    ("bar", &[]),
    ("psi", &[]),
    ("n", &["newton", "newtons"]),
    // Temperature.
    (
        "°c",
        &[
            "°",
            "celsius",
            "grad",
            "grad celsius",
            "degree",
            "degrees",
            "degree celsius",
            "degrees celsius",
            "degrees centigrade",
        ],
    ),
    (
        "°f",
        &[
            "fahrenheit",
            "grad fahrenheit",
            "degree fahrenheit",
            "degrees fahrenheit",
        ],
    ),
    ("k", &["kelvin"]),
    // Time.
    (
        "ms",
        &[
            "millisekunde",
            "millisekunden",
            "millisecond",
            "milliseconds",
        ],
    ),
    (
        "s",
        &[
            "sec", "secs", "sek", "second", "seconds", "sekunde", "sekunden",
        ],
    ),
    ("min", &["mins", "minute", "minutes", "minuten"]),
    (
        "h",
        &["hr", "hrs", "hour", "hours", "std", "stunde", "stunden"],
    ),
    // Speed, flow, concentration.
    ("km/h", &["kmh", "kph"]),
    ("m/s", &[]),
    ("mph", &[]),
    ("l/h", &[]),
    ("l/min", &[]),
    ("ml/min", &[]),
    ("m3/h", &["cbm/h"]),
    ("g/l", &[]),
    ("mg/l", &[]),
    ("mg/dl", &[]),
    ("mg/kg", &[]),
    ("mol", &[]),
    ("mmol", &[]),
    ("ppm", &[]),
    // Data and images.
    ("kb", &["kilobyte", "kilobytes"]),
    ("mb", &["megabyte", "megabytes"]),
    ("gb", &["gigabyte", "gigabytes"]),
    ("tb", &["terabyte", "terabytes"]),
    ("mbit", &["megabit", "megabits"]),
    ("gbit", &["gigabit", "gigabits"]),
    ("mbit/s", &["mbps"]),
    ("gbit/s", &["gbps"]),
    ("px", &["pixel", "pixels"]),
    ("mp", &["megapixel", "megapixels"]),
    ("dpi", &[]),
    ("fps", &[]),
    // Shares and money.
    ("%", &["prozent", "percent", "per cent", "pct"]),
    ("‰", &["promille"]),
    ("€", &["eur", "euro", "euros"]),
    ("usd", &["dollar", "dollars"]),
];

/// Symbols by spelling.
pub(super) struct Units(HashMap<&'static str, &'static str>);

impl Units {
    /// All but those of which a spelling is a word that `is_stop_word` knows: 2 A in English.
    pub(super) fn new(is_stop_word: impl Fn(&str) -> bool) -> Self {
        let all = UNITS.iter().flat_map(|&(symbol, others)| {
            let spellings = std::iter::once(symbol).chain(others.iter().copied());
            spellings.map(move |spelling| (spelling, symbol))
        });
        Units(
            all.filter(|(spelling, _)| !is_stop_word(spelling))
                .collect(),
        )
    }

    /// The symbol of the unit that is written `spelling`.
    pub(super) fn symbol(&self, spelling: &str) -> Option<&'static str> {
        self.0.get(spelling).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_one_unit() {
        let n_spellings: usize = UNITS.iter().map(|(_, others)| 1 + others.len()).sum();
        assert_eq!(Units::new(|_| false).0.len(), n_spellings);
    }
}
