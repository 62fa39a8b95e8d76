//! Random choices that are the same in every run.

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    pub fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    /// A number of so many digits.
    pub fn number(&mut self, digits: usize) -> String {
        let first = 1 + self.below(9);
        format!("{first}{}", self.digits(digits - 1))
    }

    /// Words, this many.
    pub fn words(&mut self, count: u64) -> String {
        const WORDS: [&str; 24] = [
            "customer",
            "asked",
            "for",
            "a",
            "new",
            "contract",
            "after",
            "the",
            "line",
            "was",
            "moved",
            "to",
            "another",
            "address",
            "and",
            "complained",
            "about",
            "slow",
            "roaming",
            "router",
            "replaced",
            "invoice",
            "paid",
            "twice",
        ];
        (0..count).map(|_| self.of(&WORDS)).collect::<Vec<_>>().join(" ")
    }
}
