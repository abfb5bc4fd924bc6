//! Decisions a second through the engine on SQLite, beside the disk's own fsync.
//!
//! `decide_rates ARTIFACT FEATURES [RATE [SECONDS [THREADS [prove]]]]`: a compiled folder of a model whose policy asks for no
//! metadata, its inputs as numbers with commas between, how many decisions fall due a second, for how long, how many
//! callers; with `prove`, the batches are proved behind them. Prints one line of JSON.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearproof_prover::engine::store::StoreError;
use clearproof_prover::engine::{Engine, Features, Mode, Trade};
use clearproof_prover::prove::Artifact;
use clearproof_service::keeper::KeyKeeper;
use clearproof_service::keys::LogKey;
use clearproof_service::sealing::SealingKey;
use clearproof_service::store::SqliteStore;
use clearproof_shared::log::entry::Action;
use rand_core::OsRng;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [artifact, features, rest @ ..] = &arguments[..] else {
        return Err("give a compiled folder and its features".into());
    };
    let features: Vec<f64> = features
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let load = Load::read(rest)?;
    let folder = tempfile::tempdir_in(".")?;
    let fsync = fsync_us(folder.path())?;
    let keeper = KeyKeeper::new(
        LogKey::generate(
            &folder.path().join("log.key"),
            "rates.example/log",
            &mut OsRng,
        )?,
        SealingKey::generate(&folder.path().join("sealing.key"), &mut OsRng)?,
    );
    let store = SqliteStore::open(&folder.path().join("log.db"))?;
    let engine = Engine::open(Arc::new(store), Arc::new(keeper), Mode::Prove)?;
    let model = engine.load(Arc::new(Artifact::load(Path::new(artifact))?))?;
    engine.lifecycle(Action::Registered, model, "rates", "")?;
    engine.lifecycle(Action::Approved, model, "rates", "")?;
    let trade = Trade {
        features: Features::Listed(features),
        ..Trade::default()
    };
    engine.decide(trade.clone())?;

    // Decisions fall due at the rate's pace, whether the one before has its answer or not: a caller that is late
    // starts at once, and its time counts from when it was due.
    let start = Instant::now();
    let due = |number: u64| start + Duration::from_secs_f64(number as f64 / load.rate);
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let count = (load.rate * load.seconds) as u64;
    let (mut times, backlog) = std::thread::scope(|scope| {
        let prover = load.prove.then(|| {
            scope.spawn(|| -> Result<u64, StoreError> {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(engine.stats()?.counts.pending);
                    engine.prove_pending()?;
                }
                Ok(most)
            })
        });
        let callers: Vec<_> = (0..load.threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut times = vec![];
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return times;
                        }
                        let due = due(number);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        engine.decide(trade.clone()).expect("a decision");
                        times.push(due.elapsed().as_micros() as u64);
                    }
                })
            })
            .collect();
        let joined = callers.into_iter().map(|caller| caller.join());
        let times: Vec<u64> = joined.flat_map(|times| times.expect("no panic")).collect();
        done.store(true, Ordering::Relaxed);
        let most = prover.map(|prover| prover.join().expect("no panic"));
        (times, most)
    });
    let took = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize);
    let stats = engine.stats()?.counts;
    println!(
        "{}",
        json!({
            "threads": load.threads, "seconds": took, "decisions": times.len(),
            "decisions_per_second": times.len() as f64 / took,
            "p50_us": at(0.5), "p99_us": at(0.99), "max_us": times.last(), "fsync_p50_us": fsync,
            "proven": stats.proven, "proven_per_second": stats.proven as f64 / took,
            "pending": stats.pending, "greatest_backlog": backlog.transpose()?,
        })
    );
    Ok(())
}

/// What the command line asks for.
struct Load {
    seconds: f64,
    threads: usize,
    /// Decisions due a second.
    rate: f64,
    prove: bool,
}

impl Load {
    fn read(arguments: &[String]) -> Result<Load, Box<dyn Error>> {
        let number = |i: usize, default: f64| match arguments.get(i) {
            Some(text) => text.parse::<f64>(),
            None => Ok(default),
        };
        Ok(Load {
            rate: number(0, 2000.0)?,
            seconds: number(1, 60.0)?,
            threads: number(2, 32.0)? as usize,
            prove: arguments.get(3).is_some_and(|word| word == "prove"),
        })
    }
}

/// Median time of appending 4 KiB and syncing them.
fn fsync_us(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let mut file = File::create(folder.join("fsync"))?;
    let mut times = vec![];
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_micros() as u64);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
