//! The header of a `.npy` file: a Python dictionary of three keys.

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    descr: Option<String>,
    fortran_order: Option<bool>,
    shape: Option<Vec<u64>>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F16,
    F32,
    F64,
}

impl Kind {
    /// Bytes of a value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Kind::F16 => 2,
            Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    /// The value of its bytes, of which there are as many as [`Kind::bytes`] says.
    pub(super) fn value(self, bytes: &[u8]) -> f64 {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(word);
        match self {
            Kind::F16 => half(bits as u16),
            Kind::F32 => f64::from(f32::from_bits(bits as u32)),
            Kind::F64 => f64::from_bits(bits),
        }
    }
}

/// The value of an IEEE 754 number of 16 bits: a sign, 5 bits of exponent, 10 of significand.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let significand = f64::from(bits & 0x3FF);
    let magnitude = match i32::from(bits >> 10 & 0x1F) {
        0 => significand * 2_f64.powi(-24),
        31 if significand == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + significand / 1024.0) * 2_f64.powi(exponent - 15),
    };
    sign * magnitude
}

impl Header {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in any order.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text.trim() };
        parser
            .header()
            .ok_or_else(|| format!("its header cannot be read: {}", text.trim()))?
    }

    /// How the values are written, how many vectors there are, and of how many values each is.
    ///
    /// # Errors
    /// If they are no vectors that can be read.
    pub(super) fn vectors(&self) -> Result<(Kind, u64, usize), String> {
        let Header {
            descr: Some(descr),
            fortran_order: Some(fortran_order),
            shape: Some(shape),
        } = self
        else {
            return Err("its header lacks one of descr, fortran_order and shape".into());
        };
        let kind = match descr.as_str() {
            "<f2" => Kind::F16,
            "<f4" => Kind::F32,
            "<f8" => Kind::F64,
            other => {
                return Err(format!(
                    "its values are of type `{other}`; `<f2`, `<f4` and `<f8` can be read, as array.astype(\"<f4\") makes them"
                ));
            }
        };
        if *fortran_order {
            return Err(
                "it is in Fortran order, column by column; save numpy.ascontiguousarray(array)"
                    .into(),
            );
        }
        match shape[..] {
            [rows, dimension] if dimension > 0 => {
                let dimension = usize::try_from(dimension)
                    .map_err(|_| format!("a vector has {dimension} values, which is too many"))?;
                Ok((kind, rows, dimension))
            }
            _ => {
                let numbers: Vec<String> = shape.iter().map(u64::to_string).collect();
                Err(format!(
                    "its shape is ({}); it has to be (records, values of a vector)",
                    numbers.join(", ")
                ))
            }
        }
    }
}

/// The rest of the text. What cannot be read is `None`.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn header(&mut self) -> Option<Result<Header, String>> {
        let mut header = Header::default();
        self.token("{")?;
        while self.token("}").is_none() {
            let key = self.string()?;
            self.token(":")?;
            match key {
                "descr" => match self.string() {
                    Some(descr) => header.descr = Some(descr.to_owned()),
                    None => {
                        return Some(Err(
                            "its values are records of several fields; save one array of numbers"
                                .into(),
                        ));
                    }
                },
                "fortran_order" => header.fortran_order = Some(self.truth()?),
                "shape" => header.shape = Some(self.shape()?),
                _ => return None,
            }
            if self.token(",").is_none() {
                self.token("}")?;
                break;
            }
        }
        self.rest.is_empty().then_some(Ok(header))
    }

    fn token(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?.trim_start();
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = self.rest[1..].split_once(quote)?;
        self.rest = rest.trim_start();
        Some(text)
    }

    fn truth(&mut self) -> Option<bool> {
        if self.token("True").is_some() {
            return Some(true);
        }
        self.token("False").map(|()| false)
    }

    fn shape(&mut self) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        self.token("(")?;
        while self.token(")").is_none() {
            let n_digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = self.rest.split_at(n_digits);
            numbers.push(digits.parse().ok()?);
            // Python 2 marked long integers so.
            self.rest = rest.strip_prefix('L').unwrap_or(rest).trim_start();
            if self.token(",").is_none() {
                self.token(")")?;
                break;
            }
        }
        Some(numbers)
    }
}
