//! A JSON text (RFC 8259) as a tree that keeps every token's bytes: read recursively, strictly, and without haste.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree<'a> {
    /// A string, number, `true`, `false` or `null`, as it came.
    Scalar(&'a [u8]),
    Array(Vec<Tree<'a>>),
    Object(Vec<Member<'a>>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name as it came, quotes included.
    pub token: &'a [u8],
    /// Its name, decoded.
    pub name: String,
    pub tree: Tree<'a>,
}

/// Why bytes are not a JSON text, or not one that may pass (rule 30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    Depth,
}

impl<'a> Tree<'a> {
    /// Reads a whole text with at most `depth` containers open at once.
    pub fn parse(bytes: &'a [u8], depth: usize) -> Result<Self, Fault> {
        // Strings are checked as UTF-8 where they stand; nothing else may hold a byte over 0x7f.
        let mut reader = Reader { bytes, at: 0 };
        reader.space();
        let tree = reader.value(depth)?;
        reader.space();
        if reader.at == bytes.len() { Ok(tree) } else { Err(Fault::Syntax) }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn value(&mut self, depth: usize) -> Result<Tree<'a>, Fault> {
        match self.peek().ok_or(Fault::Syntax)? {
            b'[' | b'{' if depth == 0 => Err(Fault::Depth),
            b'[' => {
                self.at += 1;
                self.list(b']', |reader| reader.value(depth - 1)).map(Tree::Array)
            }
            b'{' => {
                self.at += 1;
                self.list(b'}', |reader| {
                    let token = reader.string()?;
                    let name = serde_json::from_slice(token).map_err(|_| Fault::Syntax)?;
                    reader.space();
                    if !reader.eat(b':') {
                        return Err(Fault::Syntax);
                    }
                    reader.space();
                    Ok(Member { token, name, tree: reader.value(depth - 1)? })
                })
                .map(Tree::Object)
            }
            b'"' => self.string().map(Tree::Scalar),
            b'-' | b'0'..=b'9' => self.number().map(Tree::Scalar),
            _ => {
                let word =
                    [&b"true"[..], b"false", b"null"].into_iter().find(|word| self.bytes[self.at..].starts_with(word));
                let word = word.ok_or(Fault::Syntax)?;
                let start = self.at;
                self.at += word.len();
                Ok(Tree::Scalar(&self.bytes[start..self.at]))
            }
        }
    }

    fn list<T>(&mut self, close: u8, mut one: impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let mut list = Vec::new();
        self.space();
        if self.eat(close) {
            return Ok(list);
        }
        loop {
            self.space();
            list.push(one(self)?);
            self.space();
            if self.eat(close) {
                return Ok(list);
            }
            if !self.eat(b',') {
                return Err(Fault::Syntax);
            }
        }
    }

    /// A string: its end is the first quote that no backslash hides; serde_json says whether it is one.
    fn string(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        if !self.eat(b'"') {
            return Err(Fault::Syntax);
        }
        loop {
            match self.peek().ok_or(Fault::Syntax)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let token = self.bytes.get(start..self.at).ok_or(Fault::Syntax)?;
        match serde_json::from_slice::<String>(token) {
            Ok(_) => Ok(token),
            Err(_) => Err(Fault::Syntax),
        }
    }

    /// A number (RFC 8259 §6), of any size.
    fn number(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(&self.bytes[start..self.at])
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Fault::Syntax) }
    }
}
