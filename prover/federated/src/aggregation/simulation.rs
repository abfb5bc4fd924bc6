//! A round among parties in one process, over the machines that run apart.
//!
//! Each party and the coordinator meet only in frames; time and bytes are counted for each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::coordinator::{Coordinator, Recipient, Step};
use super::identity::Identity;
use super::party::{BeginError, Party, Refusal, Update};
use super::setup::Setup;

/// What a party took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time in its machine.
    pub time: Duration,
    /// Bytes it sent.
    pub sent: u64,
    /// Bytes it received.
    pub received: u64,
}

/// A network that carries frames, and may lose or change them.
pub trait Network {
    /// A frame of a party on its way to the coordinator; what arrives instead.
    fn to_coordinator(&mut self, from: u16, frame: Vec<u8>) -> Vec<Vec<u8>>;
    /// A frame on its way to a party; what arrives instead.
    fn to_party(&mut self, to: u16, frame: Vec<u8>) -> Vec<Vec<u8>>;
}

/// Carries everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faithful;

impl Network for Faithful {
    fn to_coordinator(&mut self, _: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        vec![frame]
    }
    fn to_party(&mut self, _: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        vec![frame]
    }
}

/// A finished simulation.
#[derive(Debug)]
pub struct Simulation {
    /// The parties' machines.
    pub parties: Vec<Party>,
    /// The coordinator's.
    pub coordinator: Coordinator,
    /// Costs by party.
    pub costs: Vec<Cost>,
    /// Frames that were refused: by which party (none for the coordinator), and why.
    pub refusals: Vec<(Option<u16>, Refusal)>,
}

/// Runs a round to its end.
///
/// # Errors
/// [`BeginError`] when a party's update is outside the manifest's bounds.
pub fn simulate(
    setup: &Arc<Setup>,
    identities: &[Identity],
    updates: &[Update],
    seeds: &[[u8; 32]],
    network: &mut dyn Network,
) -> Result<Simulation, BeginError> {
    let mut parties = vec![];
    let mut costs = vec![Cost::default(); identities.len()];
    let mut up = VecDeque::new();
    for (i, identity) in identities.iter().enumerate() {
        let start = Instant::now();
        let (party, frames) = Party::begin(Arc::clone(setup), identity, &updates[i], &seeds[i])?;
        costs[i].time += start.elapsed();
        parties.push(party);
        up.extend(frames.into_iter().map(|frame| (i as u16, frame)));
    }
    let coordinator = Coordinator::new(Arc::clone(setup));
    Ok(exchange(coordinator, parties, costs, up, network))
}

/// Delivers frames in order; when none is left, the step's time is up.
pub(super) fn exchange(
    mut coordinator: Coordinator,
    mut parties: Vec<Party>,
    mut costs: Vec<Cost>,
    mut up: VecDeque<(u16, Vec<u8>)>,
    network: &mut dyn Network,
) -> Simulation {
    let mut refusals = vec![];
    loop {
        let deliveries = match up.pop_front() {
            Some((from, frame)) => {
                costs[usize::from(from)].sent += frame.len() as u64;
                let mut deliveries = vec![];
                for frame in network.to_coordinator(from, frame) {
                    match coordinator.receive(from, &frame) {
                        Ok(more) => deliveries.extend(more),
                        Err(refusal) => refusals.push((None, refusal)),
                    }
                }
                deliveries
            }
            None if coordinator.step() == Step::Over => break,
            None => coordinator.time_up(),
        };
        for (recipient, frame) in deliveries {
            for to in recipients(recipient, parties.len()) {
                for frame in network.to_party(to, frame.clone()) {
                    let index = usize::from(to);
                    costs[index].received += frame.len() as u64;
                    let start = Instant::now();
                    match parties[index].receive(&frame) {
                        Ok(frames) => up.extend(frames.into_iter().map(|frame| (to, frame))),
                        Err(refusal) => refusals.push((Some(to), refusal)),
                    }
                    costs[index].time += start.elapsed();
                }
            }
        }
    }
    Simulation {
        parties,
        coordinator,
        costs,
        refusals,
    }
}

/// The parties that a recipient stands for.
pub fn recipients(recipient: Recipient, parties: usize) -> Vec<u16> {
    let all = 0..parties as u16;
    match recipient {
        Recipient::One(party) => vec![party],
        Recipient::AllBut(one) => all.filter(|p| *p != one).collect(),
        Recipient::All => all.collect(),
    }
}
