//! The fields of the metadata that a policy read, against the metadata shown.
//!
//! 1. Claim: where a row's inputs and its metadata are both known, every committed field is the integer that the metadata's
//!    text stands for. The circuit alone says nothing of where its fields came from.
//! 2. Layout: artifact/policy.rs; the fields follow the model's own inputs, the running totals follow the fields.
//! 3. Assumed: nothing of the text. A name that occurs twice is refused, since readers differ in which one they take.
//! 4. Source: RFC 8259; docs/policy.md.

use crate::artifact::policy::{PolicyDescription, PolicyField};

/// Compares a row's fields with its metadata.
///
/// # Errors
/// What differs, in one sentence.
pub(super) fn compare(
    policy: &PolicyDescription,
    inputs: &[i64],
    metadata: &[u8],
) -> Result<(), String> {
    let behind = policy.fields.len() + 2 * policy.totals.len();
    let Some(first) = inputs.len().checked_sub(behind) else {
        return Err("The row has fewer inputs than its policy has fields.".into());
    };
    let Some(members) = core::str::from_utf8(metadata).ok().and_then(members) else {
        return Err(
            "The metadata is no JSON object, so that it cannot hold what the policy read.".into(),
        );
    };
    for (field, committed) in policy.fields.iter().zip(&inputs[first..]) {
        let mut named = members.iter().filter(|(name, _)| *name == field.name);
        let what = match (named.next(), named.next()) {
            (Some((_, member)), None) if integer(field, member) == Some(*committed) => continue,
            (Some(_), None) => "the metadata shown does not say",
            (None, _) => "the metadata shown does not have",
            (Some(_), Some(_)) => "the metadata shown says twice",
        };
        return Err([
            "The policy read a value of \"",
            &field.name,
            "\" that ",
            what,
            ".",
        ]
        .concat());
    }
    Ok(())
}

/// The integer that stands for a value of a field.
fn integer(field: &PolicyField, member: &Member) -> Option<i64> {
    match (member, field.bits) {
        (Member::Text(text), 0) => {
            let place = field.values.iter().position(|value| value == text);
            i64::try_from(place.unwrap_or(field.values.len())).ok()
        }
        (Member::Whole(number), 1..=63) if number >> field.bits == 0 => i64::try_from(*number).ok(),
        _ => None,
    }
}

/// A value, as far as a policy reads it.
enum Member {
    Text(String),
    Whole(u64),
    Other,
}

/// The members of a JSON object.
fn members(text: &str) -> Option<Vec<(String, Member)>> {
    let mut reader = Reader { text, at: 0 };
    let mut members = vec![];
    reader.expect(b'{')?;
    if reader.next()? != b'}' {
        loop {
            let name = reader.string()?;
            reader.expect(b':')?;
            members.push((name, reader.member()?));
            if reader.next()? != b',' {
                break;
            }
            reader.at += 1;
        }
    }
    reader.expect(b'}')?;
    reader.space();
    (reader.at == text.len()).then_some(members)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        self.space();
        self.byte()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        let found = self.next()? == byte;
        self.at += 1;
        found.then_some(())
    }

    fn member(&mut self) -> Option<Member> {
        match self.next()? {
            b'"' => Some(Member::Text(self.string()?)),
            b'{' | b'[' => {
                // Only where it ends matters.
                let mut depth = 0;
                loop {
                    match self.next()? {
                        b'"' => drop(self.string()?),
                        byte => {
                            self.at += 1;
                            match byte {
                                b'{' | b'[' => depth += 1,
                                b'}' | b']' => depth -= 1,
                                _ => {}
                            }
                        }
                    }
                    if depth == 0 {
                        return Some(Member::Other);
                    }
                }
            }
            _ => {
                let start = self.at;
                while !matches!(self.byte()?, b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r') {
                    self.at += self.text[self.at..].chars().next()?.len_utf8();
                }
                let word = &self.text[start..self.at];
                let whole = word.bytes().all(|b| b.is_ascii_digit())
                    && (word == "0" || !word.starts_with('0'));
                Some(match word.parse() {
                    Ok(number) if whole => Member::Whole(number),
                    _ => Member::Other,
                })
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let c = self.text[self.at..].chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(out),
                '\\' => out.push(self.escape()?),
                '\0'..='\x1f' => return None,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.byte()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.unit()?;
                if !(0xd800..0xdc00).contains(&high) {
                    return char::from_u32(high);
                }
                let marked = self.text.get(self.at..self.at + 2)? == "\\u";
                self.at += 2;
                let low = self
                    .unit()?
                    .checked_sub(0xdc00)
                    .filter(|low| marked && *low < 0x400)?;
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::policy::RunningTotal;

    fn policy() -> PolicyDescription {
        let field = |name: &str, values: &[&str], bits| PolicyField {
            name: name.into(),
            values: values.iter().map(|v| (*v).into()).collect(),
            bits,
        };
        PolicyDescription {
            fields: vec![
                field("symbol", &["BTC", "É\"\n"], 0),
                field("notional", &[], 30),
            ],
            totals: vec![RunningTotal::default()],
            ..PolicyDescription::default()
        }
    }

    #[test]
    fn fields_stand_for_what_the_metadata_says() {
        let of = |metadata: &str, symbol, notional| {
            compare(
                &policy(),
                &[7, -7, symbol, notional, 1, 2],
                metadata.as_bytes(),
            )
        };
        for (metadata, symbol, notional) in [
            (r#"{"notional":5,"symbol":"BTC"}"#, 0, 5),
            (
                r#" { "symbol" : "\u00c9\"\n" , "notional" : 1073741823 } "#,
                1,
                (1 << 30) - 1,
            ),
            (
                r#"{"other":{"symbol":["}",{"a":"\\\""}]},"symbol":"\ud83d\ude00","notional":0,"x":-1.5e3}"#,
                2,
                0,
            ),
        ] {
            assert_eq!(of(metadata, symbol, notional), Ok(()), "{metadata}");
            assert!(of(metadata, symbol + 1, notional).is_err());
            assert!(of(metadata, symbol, notional ^ 1).is_err());
        }
        let symbol = "The policy read a value of \"symbol\" that the metadata shown ";
        for (metadata, reason) in [
            (r#"{"symbol":"ETH","notional":5}"#, "does not say."),
            (r#"{"symbol":0,"notional":5}"#, "does not say."),
            (r#"{"notional":5}"#, "does not have."),
            (
                r#"{"symbol":"BTC","notional":5,"symbol":"BTC"}"#,
                "says twice.",
            ),
            (
                r#"{"symbol":"BTC","notional":5,"s\u0079mbol":"BTC"}"#,
                "says twice.",
            ),
        ] {
            assert_eq!(
                of(metadata, 0, 5),
                Err([symbol, reason].concat()),
                "{metadata}"
            );
        }
        for notional in [
            "5.0",
            "05",
            "-5",
            "5e0",
            "\"5\"",
            "1073741824",
            "+5",
            "",
            "18446744073709551621",
        ] {
            let metadata = [r#"{"symbol":"BTC","notional":"#, notional, "}"].concat();
            assert!(of(&metadata, 0, 5).is_err(), "{metadata}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_and_nothing_panics() {
        let whole = r#"{"a":{"b":[1,"\ud83d\ude00"]},"symbol":"BTC","notional":5}"#;
        assert_eq!(compare(&policy(), &[0, 5, 0, 0], whole.as_bytes()), Ok(()));
        for end in 0..whole.len() {
            assert!(compare(&policy(), &[0, 5, 0, 0], &whole.as_bytes()[..end]).is_err());
        }
        for at in 0..whole.len() {
            for byte in [b'"', b'\\', b'{', b'}', b',', b'u', 0, 0xc3, 0xff] {
                let mut bytes = whole.as_bytes().to_vec();
                bytes[at] = byte;
                let _ = compare(&policy(), &[0, 5, 0, 0], &bytes);
            }
        }
        for text in [
            "",
            "[]",
            "null",
            "{}x",
            "{\"a\"}",
            "{,}",
            "{\"a\":1,}",
            "{\"\\ud800\":1}",
            "{\"\\u+123\":1}",
        ] {
            assert!(members(text).is_none(), "{text}");
        }
        assert!(compare(&policy(), &[0, 5, 0], whole.as_bytes()).is_err());
    }
}
