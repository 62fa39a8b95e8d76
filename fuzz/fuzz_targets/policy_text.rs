//! Any text as a policy: it is refused with diagnostics or becomes a program, and nothing panics.
#![no_main]

use fieldgate::policy;
use fieldgate::program::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    // The first byte says which of the forms it is read as.
    let Some((form, text)) = text.split_first() else { return };
    let read = match form % 2 {
        0 => policy::from_json(text),
        _ => policy::from_struct(text),
    };
    match read {
        Err(diagnostics) => assert!(!diagnostics.to_string().is_empty()),
        Ok((policy, _)) => {
            let _ = Program::new(policy, None);
        }
    }
});
