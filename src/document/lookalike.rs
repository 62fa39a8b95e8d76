//! Characters that look like others: what an editor, a chat or a web page put in the place of what was meant.

/// A character in a text that is not what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lookalike {
    /// Its offset in bytes.
    pub(crate) at: usize,
    character: char,
    what: &'static str,
    instead: &'static str,
}

impl Lookalike {
    /// What it is and what to do: for the end of a sentence, or a help of its own.
    pub(crate) fn help(self) -> String {
        format!("there is {} (U+{:04X}): {}", self.what, u32::from(self.character), self.instead)
    }
}

/// The first such character of a text.
pub(crate) fn first(text: &str) -> Option<Lookalike> {
    text.char_indices().find_map(|(at, character)| {
        let (what, instead) = match character {
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
                ("a space of another kind", "retype it as a plain space")
            }
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                ("a character that cannot be seen", "delete it")
            }
            '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => ("a typographic quote", "write a straight one: \""),
            '\u{2018}'..='\u{201b}' | '\u{2039}' | '\u{203a}' => ("a typographic quote", "write a straight one: '"),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => ("a dash", "write a hyphen: -"),
            _ => return None,
        };
        Some(Lookalike { at, character, what, instead })
    })
}

/// What is odd in a name that somebody typed: a character that cannot be seen, or letters of two alphabets in one word.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn odd(name: &str) -> Option<String> {
    let unseen = first(name).filter(|found| found.what == "a character that cannot be seen");
    let greek_or_cyrillic = |c: &char| matches!(c, '\u{370}'..='\u{52f}');
    let mixed = || {
        let mut words = name.split(|c: char| !c.is_alphabetic());
        let word = words.find(|word| {
            word.contains(|c: char| c.is_ascii_alphabetic()) && word.chars().any(|c| greek_or_cyrillic(&c))
        })?;
        let letter = word.chars().find(greek_or_cyrillic)?;
        Some(format!("its `{letter}` is U+{:04X}, among letters of another alphabet", u32::from(letter)))
    };
    unseen.map(Lookalike::help).or_else(mixed)
}

/// Why a word that reads like this name is not this name, where the eye cannot tell.
pub(crate) fn beside(word: &str, name: &str) -> Option<String> {
    if let Some(found) = first(word) {
        return Some(found.help());
    }
    let odd = word.chars().find(|c| !c.is_ascii() && c.is_alphabetic())?;
    name.is_ascii().then(|| format!("its `{odd}` is U+{:04X}, no letter of that name", u32::from(odd)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_another_character_is_named() {
        for (text, help) in [
            ("area:\u{a0}x", Some("there is a space of another kind (U+00A0): retype it as a plain space")),
            ("con\u{200b}tact", Some("there is a character that cannot be seen (U+200B): delete it")),
            ("\u{201c}key\u{201d}", Some("there is a typographic quote (U+201C): write a straight one: \"")),
            ("\u{2018}key\u{2019}", Some("there is a typographic quote (U+2018): write a straight one: '")),
            ("a \u{2013} b", Some("there is a dash (U+2013): write a hyphen: -")),
            ("Stra\u{df}e, caf\u{e9}", None),
        ] {
            assert_eq!(first(text).map(Lookalike::help).as_deref(), help, "{text}");
        }
    }

    #[test]
    fn a_letter_of_another_alphabet_is_named_beside_a_name_without_it() {
        let cyrillic = "its `\u{43e}` is U+043E, no letter of that name";
        assert_eq!(beside("c\u{43e}ntact", "contact").as_deref(), Some(cyrillic));
        assert_eq!(beside("contatc", "contact"), None);
        assert_eq!(beside("stra\u{df}", "stra\u{df}e"), None);
    }
}
