//! The core and the workbench for a browser: what the page of `fieldgate studio` asks while somebody types.
//!
//! A question is a JSON object whose `ask` says which, an answer a JSON object. [`answer`] is pure: all that it knows is in the
//! question, the time too. No file, clock or chance of a host is asked, so that the page needs to give it none.
//!
//! | `ask` | answers |
//! |---|---|
//! | `look` | what is wrong with the policy, and what each caller gets of a body |
//! | `matrix` | who sees what |
//! | `diff` | who gains and loses between two policies |
//! | `suite` | the rows of a suite, and what they come to |
//! | `complete` | what may be written at a place |

mod callers;
mod look;
mod marked;
mod question;
mod tables;
mod text;

use std::cell::RefCell;

use serde_json::{Value, json};

/// Answers a question. One that is not understood is answered with what is wrong, as `{"fault": …}`.
#[must_use]
pub fn answer(question: &Value) -> Value {
    let answered = match question::text(question, "ask") {
        "look" => look::look(question),
        "matrix" => tables::matrix(question),
        "diff" => tables::diff(question),
        "suite" => tables::suite(question),
        "complete" => tables::complete(question),
        other => Err(format!("no question is called `{other}`")),
    };
    answered.unwrap_or_else(|fault| json!({ "fault": fault }))
}

thread_local! {
    /// The bytes of the question, then of its answer.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for the bytes of a question, and returns its address: the page writes there, and then calls [`ask`].
#[expect(unsafe_code, reason = "a name that the page can call; nothing behind it is unsafe")]
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    BYTES.with_borrow_mut(|bytes| {
        bytes.clear();
        bytes.resize(length, 0);
        bytes.as_mut_ptr()
    })
}

/// Answers the question in the room: returns how many bytes the answer has, at [`place`].
#[expect(unsafe_code, reason = "a name that the page can call; nothing behind it is unsafe")]
#[unsafe(no_mangle)]
pub extern "C" fn ask() -> usize {
    let question = BYTES.take();
    let answered = match serde_json::from_slice(&question) {
        Ok(question) => answer(&question),
        Err(error) => json!({"fault": format!("the question is not JSON: line {}", error.line())}),
    };
    let bytes = answered.to_string().into_bytes();
    let length = bytes.len();
    BYTES.set(bytes);
    length
}

/// The address of the last answer.
#[expect(unsafe_code, reason = "a name that the page can call; nothing behind it is unsafe")]
#[unsafe(no_mangle)]
pub extern "C" fn place() -> *const u8 {
    BYTES.with_borrow(Vec::as_ptr)
}

#[cfg(test)]
mod tests;
