//! The fields of one record, and what is wrong with a record whose quotes do not fit.
//!
//! The `csv` crate takes whatever comes, and makes the best of it: a quote that is never closed swallows all that
//! follows, and a text goes on behind its closing quote. Here both are faults, since a text that is not what its writer
//! meant is worse than none.

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    /// The character after it stands for itself.
    pub(crate) escape: Option<u8>,
    /// Whether records end with a carriage return alone, as on old Macs; elsewhere, that is a character of a text.
    pub(crate) ends_with_cr: bool,
}

/// Takes the bytes of a record, in parts as they come.
#[derive(Debug)]
pub(crate) struct Parser {
    state: State,
    /// Of the fields, one after the other, without quotes and escapes.
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`.
    ends: Vec<usize>,
    /// Bytes taken.
    taken: usize,
    /// Where the quote stands that was opened last.
    opened: usize,
    /// Whether the text behind that quote goes over several lines.
    spans_lines: bool,
    /// Where the first quote stands whose text does.
    spread: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a field.
    Start,
    Plain,
    PlainEscape,
    Quoted,
    QuotedEscape,
    /// Behind a quote in a quoted text: it was the last, or the first of two that stand for one.
    Closed,
    /// Behind a carriage return behind that.
    ClosedReturn,
}

/// How far a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on.
    More,
    /// This was its last byte.
    End,
    Fault(Fault),
}

/// What is wrong with a record, and where in its bytes the quote stands that began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A quote that is not closed, as far as can be known.
    Open(usize),
    /// A text that goes on behind its closing quote.
    Behind(usize),
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Start,
            bytes: Vec::new(),
            ends: Vec::new(),
            taken: 0,
            opened: 0,
            spans_lines: false,
            spread: None,
        }
    }

    /// Begins a record.
    pub(crate) fn begin(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.state, self.taken, self.opened, self.spread) = (State::Start, 0, 0, None);
    }

    /// The fields that are whole.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// Bytes of the record taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// What is wrong with a record that has to end here.
    pub(crate) fn open(&self) -> Option<Fault> {
        match self.state {
            State::Quoted | State::QuotedEscape => Some(Fault::Open(self.opened)),
            State::Start | State::Plain | State::PlainEscape | State::Closed | State::ClosedReturn => None,
        }
    }

    /// Takes what comes next of a record that should have no more than `fields`.
    pub(crate) fn take(&mut self, input: &[u8], dialect: &Dialect, fields: usize) -> Progress {
        let mut rest = input;
        while let Some((&byte, after)) = rest.split_first() {
            let plain = self.plain_run(rest, dialect);
            if plain > 0 {
                self.bytes.extend_from_slice(&rest[..plain]);
                self.taken += plain;
                rest = &rest[plain..];
                continue;
            }
            let progress = self.byte(byte, dialect);
            self.taken += 1;
            rest = after;
            if progress != Progress::More {
                return progress;
            }
            // A quote that is not closed, and one of a later record that closes it, make more fields than there are.
            if self.ends.len() > fields
                && let Some(spread) = self.spread
            {
                return Progress::Fault(Fault::Open(spread));
            }
        }
        Progress::More
    }

    /// How many of the next bytes are the text of a field and nothing else.
    fn plain_run(&mut self, rest: &[u8], dialect: &Dialect) -> usize {
        let special = |byte: &u8| match self.state {
            State::Plain => {
                *byte == dialect.delimiter || matches!(byte, b'\n' | b'\r') || Some(*byte) == dialect.escape
            }
            State::Quoted => Some(*byte) == dialect.quote || Some(*byte) == dialect.escape,
            _ => true,
        };
        let run = match (self.state, dialect.quote, dialect.escape) {
            (State::Quoted, Some(quote), None) => memchr::memchr(quote, rest),
            _ => rest.iter().position(special),
        };
        let run = run.unwrap_or(rest.len());
        if self.state == State::Quoted && !self.spans_lines {
            self.spans_lines = rest[..run].iter().any(|byte| is_line_end(*byte, dialect));
            if self.spans_lines {
                self.spread = self.spread.or(Some(self.opened));
            }
        }
        run
    }

    fn byte(&mut self, byte: u8, dialect: &Dialect) -> Progress {
        let is_quote = Some(byte) == dialect.quote;
        // A quote may be its own escape, which is what two quotes for one are.
        let is_escape = Some(byte) == dialect.escape && !is_quote;
        match self.state {
            State::Start if is_quote => {
                (self.opened, self.spans_lines) = (self.taken, false);
                self.state = State::Quoted;
            }
            State::Start | State::Plain | State::Closed if byte == dialect.delimiter => {
                self.ends.push(self.bytes.len());
                self.state = State::Start;
            }
            State::Start | State::Plain | State::Closed | State::ClosedReturn if is_line_end(byte, dialect) => {
                if self.state == State::Plain && byte == b'\n' && self.last_of_field() == Some(b'\r') {
                    self.bytes.pop();
                }
                self.ends.push(self.bytes.len());
                return Progress::End;
            }
            State::Start | State::Plain if is_escape => self.state = State::PlainEscape,
            State::Start | State::Plain | State::PlainEscape => self.text(byte, State::Plain),
            State::Quoted if is_quote => self.state = State::Closed,
            State::Quoted if is_escape => self.state = State::QuotedEscape,
            State::Quoted | State::QuotedEscape => self.text(byte, State::Quoted),
            State::Closed if is_quote => self.text(byte, State::Quoted),
            State::Closed if byte == b'\r' => self.state = State::ClosedReturn,
            // In another line, it is more likely that this is the quote of another record.
            State::Closed | State::ClosedReturn if self.spans_lines => {
                return Progress::Fault(Fault::Open(self.opened));
            }
            State::Closed | State::ClosedReturn => return Progress::Fault(Fault::Behind(self.opened)),
        }
        Progress::More
    }

    fn text(&mut self, byte: u8, state: State) {
        self.bytes.push(byte);
        self.state = state;
    }

    fn last_of_field(&self) -> Option<u8> {
        self.bytes[self.ends.last().copied().unwrap_or(0)..].last().copied()
    }

    /// Ends a record that the input's end ends.
    pub(crate) fn finish(&mut self) {
        if self.state == State::Plain && self.last_of_field() == Some(b'\r') {
            self.bytes.pop();
        }
        self.ends.push(self.bytes.len());
    }
}

fn is_line_end(byte: u8, dialect: &Dialect) -> bool {
    byte == b'\n' || (byte == b'\r' && dialect.ends_with_cr)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIALECT: Dialect = Dialect { delimiter: b',', quote: Some(b'"'), escape: None, ends_with_cr: false };

    fn parse(record: &[u8], dialect: &Dialect, part: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let mut parser = Parser::new();
        parser.begin();
        for bytes in record.chunks(part) {
            match parser.take(bytes, dialect, usize::MAX) {
                Progress::More => {}
                Progress::Fault(fault) => return Err(fault),
                Progress::End => {
                    assert_eq!(parser.taken(), record.len());
                    return Ok(parser.fields().map(<[u8]>::to_vec).collect());
                }
            }
        }
        parser.open().map_or(Ok(()), Err)?;
        parser.finish();
        Ok(parser.fields().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn faults_are_found() {
        for (record, fault) in [
            ("a,\"b\nc,d\n", Fault::Open(2)),
            ("a,\"b \"c\" d\",e\n", Fault::Behind(2)),
            ("a,\"b\"\rc\n", Fault::Behind(2)),
            ("\"a \\\"b\\\"\"\n", Fault::Behind(0)),
        ] {
            assert_eq!(parse(record.as_bytes(), &DIALECT, 3), Err(fault), "{record}");
        }
        let mut parser = Parser::new();
        parser.begin();
        let record = b"1,\"open\nx\",\"y,z\n";
        assert_eq!(parser.take(record, &DIALECT, 2), Progress::More);
        parser.begin();
        assert_eq!(parser.take(b"1,\"open\nx\",\"y\",z\n", &DIALECT, 2), Progress::Fault(Fault::Open(2)));
    }

    #[test]
    fn escapes_and_other_quotes() {
        let backslash = Dialect { escape: Some(b'\\'), ..DIALECT };
        let fields = |record: &str, dialect| {
            let fields = parse(record.as_bytes(), dialect, 2).unwrap();
            fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(fields("\"a \\\"b\\\" \\\\\",c\\,d\n", &backslash), ["a \"b\" \\", "c,d"]);
        assert_eq!(fields("\"a \"\"b\"\"\"\n", &backslash), ["a \"b\""]);
        assert_eq!(fields("'a,b','c''d'\r\n", &Dialect { quote: Some(b'\''), ..DIALECT }), ["a,b", "c'd"]);
        assert_eq!(fields("\"a,b\"\n", &Dialect { quote: None, ..DIALECT }), ["\"a", "b\""]);
        assert_eq!(fields("a\rb,c\r\n", &DIALECT), ["a\rb", "c"]);
        assert_eq!(fields("a,b\r", &Dialect { ends_with_cr: true, ..DIALECT }), ["a", "b"]);
        assert_eq!(fields("\r\n", &DIALECT), [""]);
    }

    proptest! {
        /// What the `csv` crate writes is read as it was, whatever parts it comes in.
        #[test]
        fn records_come_back(
            fields in prop::collection::vec("[ab,;\"'\\\\ \r\n\u{e9}]{0,6}", 1..5),
            delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
            part in 1_usize..9,
        ) {
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
            writer.write_record(&fields).unwrap();
            let record = writer.into_inner().unwrap();
            let found = parse(&record, &Dialect { delimiter, ..DIALECT }, part).unwrap();
            let fields: Vec<Vec<u8>> = fields.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(found, fields);
        }
    }
}
