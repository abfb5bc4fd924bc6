//! Decisions a second through the engine on SQLite, beside the disk's own fsync.
//!
//! `decide_rates ARTIFACT FEATURES [SECONDS [THREADS]]`: a compiled folder of a model without a policy's metadata, and its
//! inputs as numbers with commas between. Prints one line of JSON.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    let seconds: u64 = rest.first().map_or(Ok(30), |text| text.parse())?;
    let threads: usize = rest.get(1).map_or(Ok(8), |text| text.parse())?;
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

    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let mut times: Vec<u64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut times = vec![];
                    while Instant::now() < end {
                        let asked = Instant::now();
                        engine.decide(trade.clone()).expect("a decision");
                        times.push(asked.elapsed().as_micros() as u64);
                    }
                    times
                })
            })
            .collect();
        let joined = callers.into_iter().map(|caller| caller.join());
        joined.flat_map(|times| times.expect("no panic")).collect()
    });
    let took = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize);
    println!(
        "{}",
        json!({
            "threads": threads, "seconds": took, "decisions": times.len(),
            "decisions_per_second": times.len() as f64 / took,
            "p50_us": at(0.5), "p99_us": at(0.99), "fsync_p50_us": fsync,
        })
    );
    Ok(())
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
