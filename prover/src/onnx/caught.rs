//! Panics of foreign code as errors.
//!
//! Claims: a panic inside `work` on this thread becomes its message and prints nothing; panics elsewhere are
//! told as before. A stack overflow or an abort is not caught.

use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::sync::Once;

/// The result of `work`, or the message of its panic. `work` must leave nothing half changed that is used
/// after a panic.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !SILENT.get() {
                before(info);
            }
        }));
    });
    let silent = SILENT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    SILENT.set(silent);
    result.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

thread_local! {
    /// Whether a panic on this thread is about to be caught here.
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught::<()>(|| panic!("plain")), Err("plain".into()));
        let number = 3;
        assert_eq!(caught::<()>(|| panic!("{number}")), Err("3".into()));
        // Nested, and after a panic, the thread still tells its own.
        let inner = caught(|| caught::<()>(|| panic!("inner")));
        assert_eq!(inner, Ok(Err("inner".into())));
        assert!(!SILENT.get());
    }
}
