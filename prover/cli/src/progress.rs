//! Long work: a bar on a terminal, plain lines elsewhere, both on standard error.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Instant;

use clearproof_prover::prove::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows the steps of one command.
pub(crate) struct Display {
    shown: Mutex<Shown>,
}

enum Shown {
    Bar(ProgressBar),
    /// The step named last, when it began, and whether its end was told.
    Lines(Option<(String, Instant, bool)>),
}

impl Display {
    /// A bar if standard error is a terminal.
    pub(crate) fn new() -> Self {
        let shown = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            let template = "{spinner} {msg:<32} [{bar:30}] {pos}/{len} {elapsed}";
            bar.set_style(
                ProgressStyle::with_template(template)
                    .expect("the template is constant")
                    .progress_chars("=> "),
            );
            Shown::Bar(bar)
        } else {
            Shown::Lines(None)
        };
        Self {
            shown: Mutex::new(shown),
        }
    }
}

impl Progress for Display {
    fn step(&self, name: &str, done: u64, total: u64) {
        // A poisoned lock means that a worker panicked: what is shown no longer matters.
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        match &mut *shown {
            Shown::Bar(bar) => {
                bar.set_message(name.to_owned());
                bar.set_length(total);
                bar.set_position(done);
            }
            Shown::Lines(last) => {
                if last.as_ref().is_none_or(|(step, ..)| step != name) {
                    *last = Some((name.to_owned(), Instant::now(), false));
                    eprintln!("{name} ...");
                }
                if let Some((step, since, told @ false)) = last {
                    if done >= total {
                        *told = true;
                        eprintln!(
                            "{step}: {total} of {total}, {:.1} s",
                            since.elapsed().as_secs_f64()
                        );
                    }
                }
            }
        }
    }
}

impl Drop for Display {
    /// The bar goes away, so that what follows starts on a clean line.
    fn drop(&mut self) {
        if let Ok(Shown::Bar(bar)) = self.shown.get_mut() {
            bar.finish_and_clear();
        }
    }
}
