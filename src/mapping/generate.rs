//! Random texts for APIs that demand a password which no client gives.

use crate::seal;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";

/// What a random text is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generate {
    /// How many characters it has.
    pub length: usize,
    /// What may stand in it beside letters and digits.
    pub symbols: String,
}

impl Generate {
    /// The text that is made up as the `number`th of a request that came with this entropy.
    pub fn nth(&self, number: u32, entropy: &[u8; 32]) -> String {
        self.text(seal::bytes("generated text", number, entropy))
    }

    /// A text of unpredictable bytes, of which there must be no end: each character is equally likely, and a text that
    /// lacks one of the classes is thrown away.
    fn text(&self, mut random: impl Iterator<Item = u8>) -> String {
        let classes = [LETTERS, CAPITALS, DIGITS, &self.symbols];
        let classes: Vec<&str> = classes.into_iter().filter(|class| !class.is_empty()).collect();
        let alphabet: Vec<char> = classes.iter().flat_map(|class| class.chars()).collect();
        // A byte beyond the last whole multiple of the alphabet would make its first characters likelier.
        let fair = 256 - 256 % alphabet.len().clamp(1, 256);
        loop {
            let bytes = random.by_ref().map(usize::from).filter(|byte| *byte < fair).take(self.length);
            let text: String = bytes.filter_map(|byte| alphabet.get(byte % alphabet.len())).collect();
            let has = |class: &&str| text.contains(|c| class.contains(c));
            if classes.iter().all(has) || text.is_empty() {
                return text;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_its_length_and_every_class() {
        for (length, symbols) in [(12, "-._~"), (24, ""), (128, "é!")] {
            for seed in 0..=99_u8 {
                let mut state = u32::from(seed);
                let random = std::iter::repeat_with(|| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                });
                let text = Generate { length, symbols: symbols.to_owned() }.text(random);
                assert_eq!(text.chars().count(), length);
                for class in [LETTERS, CAPITALS, DIGITS, symbols] {
                    assert!(class.is_empty() || text.contains(|c| class.contains(c)), "{text} has none of {class}");
                }
            }
        }
    }

    #[test]
    fn no_character_is_likelier_than_another() {
        let generate = Generate { length: 64, symbols: "-._~".to_owned() };
        let mut counts = std::collections::BTreeMap::new();
        // Every byte equally often, in an order that mixes the classes.
        let random = (0..=255_u8).cycle().take(66 * 256).map(|byte| byte.wrapping_mul(37));
        let mut random = random.collect::<Vec<_>>().into_iter().chain(std::iter::repeat(0));
        for _ in 0..100 {
            for c in generate.text(random.by_ref()).chars() {
                *counts.entry(c).or_insert(0) += 1;
            }
        }
        assert_eq!(counts.len(), 66);
        assert!(counts.values().all(|count| (90..105).contains(count)), "{counts:?}");
    }
}
