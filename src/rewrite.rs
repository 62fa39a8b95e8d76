//! [`Rewriter`]: View × bytes → bytes.
//!
//! A chunk goes in, what may leave of it comes out, and nothing is kept back but what a decision still hangs on: a member
//! name whose value has not begun, a scalar that is to be masked, an element that a filter must see whole. Each is
//! bounded, and so is the rest of the state: the body's size shows nowhere in it.
//!
//! Three parts see each block of sixty-four bytes in turn: the lexer, which finds the tokens; the validator, which
//! refuses what is not JSON; the walker, which follows the view and decides. The walker never sees what the validator has
//! not passed.
//!
//! Of large bodies most goes through a faster [`Lane`]: there the walker goes along a list of all tokens, and checks the
//! grammar on the way. What is unusual or wrong is left to the three.

mod held;
mod lane;
mod sink;
mod walker;

pub use self::lane::Lane;

use std::rc::Rc;

use self::lane::{Following, Pace};
use self::sink::Sink;
use self::walker::Walker;
use crate::json::Texts;
use crate::json::scanner::Scanner;
use crate::program::View;
use crate::refusal::Refusal;

/// What became of a body, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Scalars that left as they came, and open containers, each as one.
    pub shown: u64,
    /// Strings that left at show with something taken out by a detector (rule 27).
    pub detected: u64,
    /// Strings that left blank as the effort of the response's detectors was spent (rule 27); counted as blanked too.
    pub unsearched: u64,
    /// Scalars that left masked.
    pub masked: u64,
    /// Scalars that left as pseudonyms.
    pub pseudonymised: u64,
    /// Scalars that left as replacement values, misfits of other forms included.
    pub blanked: u64,
    /// Members and elements removed, each as one with all below it.
    pub hidden: u64,
    /// Containers where the policy knows a scalar, and scalars where it knows a container (rules 12, 25).
    pub shape_mismatch: u64,
    /// Records that `max_records` counted and let stay, visible or not (rule 28).
    pub records: u64,
    /// Texts in the body.
    pub texts: u64,
}

impl Counts {
    /// Values that left and say something: as they came, and as masks, pseudonyms or replacement values.
    #[must_use]
    pub fn left(&self) -> (u64, u64) {
        let lowered = self.masked.saturating_add(self.pseudonymised).saturating_add(self.blanked);
        (self.shown.saturating_add(self.detected), lowered)
    }
}

/// Rewrites one body.
///
/// # Examples
///
/// A body in two parts, cut in the middle of a name:
///
/// ```
/// use std::rc::Rc;
///
/// use fieldgate::caller::Caller;
/// use fieldgate::json::Texts;
/// use fieldgate::model::RouteId;
/// use fieldgate::policy;
/// use fieldgate::program::Program;
/// use fieldgate::rewrite::Rewriter;
///
/// let (policy, _) = policy::from_json(br#"{"language": 1, "policy": "accounts",
///     "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
///     "classes": {"contact": {"about": "E-mail"}},
///     "routes": {"get-account": {"match": "GET /accounts/{id}", "area": "accounts",
///         "body": {"$.email": {"class": "contact", "mask": "email"}}}},
///     "scopes": {"care.read": {"areas": ["accounts"], "grant": {"contact": "mask"}}}}"#)?;
/// let caller = Caller::new(&policy, "app", vec!["care.read".to_owned()], serde_json::Value::Null);
/// let view = Rc::new(Program::new(policy, None)?.view(RouteId(0), &caller)?);
///
/// let mut out = Vec::new();
/// let rewriter = Rewriter::new(Rc::clone(&view), Texts::One);
/// let rewriter = rewriter.push(br#"{"pin": "1234", "ema"#, &mut out)?;
/// let rewriter = rewriter.push(br#"il": "ana@example.com"}"#, &mut out)?;
/// let counts = rewriter.finish(&mut out)?;
/// assert_eq!(out, br#"{"email":"a***@example.com"}"#);
/// assert_eq!((counts.masked, counts.hidden), (1, 1));
///
/// // What is not JSON is refused, with the offset of the first byte that cannot be right.
/// let refusal = Rewriter::new(view, Texts::One).push(b"{\"email\" 1}", &mut out).map(|_| ()).unwrap_err();
/// assert_eq!(refusal.offset(), Some(9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rewriter {
    scanner: Scanner,
    walker: Walker,
    pace: Pace,
}

impl Rewriter {
    /// For one body of texts that follow each other as `texts` says.
    #[must_use]
    pub fn new(view: Rc<View>, texts: Texts) -> Self {
        Self::with_lane(view, texts, Lane::Usual)
    }

    /// [`Self::new`], with a say in where the lane is taken. What comes out, is counted and is refused hangs on it nowhere:
    /// tests hold it to that.
    #[must_use]
    pub fn with_lane(view: Rc<View>, texts: Texts, lane: Lane) -> Self {
        let scanner = Scanner::new(texts, view.limits().depth);
        // Between texts there are separators, of which a list of tokens knows nothing.
        let lane = if texts == Texts::One { lane } else { Lane::Never };
        Self { scanner, walker: Walker::new(view, texts), pace: Pace::new(lane) }
    }

    /// Takes the next bytes, at least one, and appends what may leave of them to `out`. Once the root value has closed,
    /// nothing is kept back.
    ///
    /// # Errors
    /// What is wrong with the body; what this call appended must not leave then.
    pub fn push(self, chunk: &[u8], out: &mut Vec<u8>) -> Result<Self, Refusal> {
        let Self { scanner, mut walker, mut pace } = self;
        let offset = scanner.offset();
        let mut sink = Sink::new(chunk, out);
        let mut following = Following { walker: &mut walker, sink: &mut sink, pace: &mut pace, offset };
        let scanner = scanner.push(chunk, &mut following)?;
        // The chunk is the caller's again after this call: nothing may point into it.
        walker.suspend(&mut sink).map_err(|fault| fault.at(offset))?;
        Ok(Self { scanner, walker, pace })
    }

    /// Whether the body may end here: no text is open, and of what has come nothing is kept back but a number or literal name
    /// at the top that is to be masked. One that is shown has been appended as far as it has come.
    #[must_use]
    pub fn may_end(&self) -> bool {
        // At the top a number has no end of its own: `12` may be whole, or the beginning of `123`.
        self.scanner.may_end() || (self.walker.has_written_root() && self.scanner.is_whole())
    }

    /// Whether a form of the view may make a body longer than it came.
    #[must_use]
    pub fn may_lengthen(&self) -> bool {
        self.walker.may_lengthen()
    }

    /// Bytes of the body that are kept until more of it comes.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.walker.kept()
    }

    /// Ends the body. Only a number or literal name at the top can still be appended to `out`.
    ///
    /// # Errors
    /// If the body is incomplete.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<Counts, Refusal> {
        let Self { scanner, mut walker, mut pace } = self;
        let offset = scanner.offset();
        let mut sink = Sink::new(Scanner::END, out);
        let mut following = Following { walker: &mut walker, sink: &mut sink, pace: &mut pace, offset };
        scanner.finish(&mut following)?;
        sink.flush();
        walker.counts().ok_or(Refusal::Internal)
    }
}
