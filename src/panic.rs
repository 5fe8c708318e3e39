//! Panics of code that is not ours.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// What a thread that panicked said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

thread_local! {
    /// Whether a panic of this thread is caught, and told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `run` gives, or what it said when it panicked, which nobody else hears: what meets what it does not expect must
/// not end the program, and what it says is part of an error.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let say = take_hook();
        set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                say(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    CAUGHT.set(outer);
    result.map_err(|panic| message(&*panic).to_owned())
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_is_what_it_said() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(
            caught(|| if true {
                panic!("no {}", "way")
            }),
            Err("no way".to_owned())
        );
        // One inside of another.
        assert_eq!(
            caught(|| caught(|| if true {
                panic!("inner")
            })),
            Ok(Err("inner".to_owned()))
        );
        assert!(!super::CAUGHT.get());
    }
}
