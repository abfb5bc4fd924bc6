//! Rounds whose parties prove constraints on private fields.

use std::collections::BTreeMap;

use clearproof_shared::training::certificate::Compliance;

use super::super::party::Deed;
use super::super::simulation::Faithful;
use super::*;
use crate::certificate::Record;
use crate::constraints::Constraints;
use crate::groth16::ceremony::phase_one::PhaseOne;
use crate::groth16::ceremony::Ceremony;
use crate::groth16::compliance::{Compliance as Fields, ComplianceConstraint};
use crate::groth16::{Statement, StatementError};

/// At least so many samples; keys by two contributors.
fn constraints(least: i64) -> Arc<Constraints> {
    let fields = Fields {
        fields: vec!["num_samples".into()],
        constraints: vec![ComplianceConstraint {
            name: "num_samples".into(),
            min: Some(least),
            max: None,
            required_fields: vec![],
        }],
        linear: vec![],
    };
    let (powers, mut rng) = (PhaseOne::insecure(), ChaCha20Rng::from_seed([5; 32]));
    let mut ceremony = Ceremony::new(Statement::Compliance(fields), &powers).expect("small");
    for name in ["Alpha", "Beta"] {
        ceremony.contribute(name, &mut rng).expect("a name");
    }
    Arc::new(Constraints::new(&ceremony, &powers, true).expect("honest"))
}

fn known() -> Arc<Constraints> {
    static KNOWN: OnceLock<Arc<Constraints>> = OnceLock::new();
    Arc::clone(KNOWN.get_or_init(|| constraints(100)))
}

fn values(samples: i64) -> BTreeMap<String, i64> {
    [("num_samples".to_owned(), samples)].into()
}

/// A party's proof for the attempt of this manifest, the first of the training.
fn prove(constraints: &Constraints, manifest: &[u8; 32], party: u16) -> Compliance {
    let mut rng = ChaCha20Rng::from_seed([party as u8; 32]);
    let proven = constraints.prove((manifest, party), 0, &values(500), &mut rng);
    proven.expect("enough")
}

impl World {
    /// A round after others, in which parties send these proofs.
    fn run_proving(
        &self,
        history: &Record,
        proofs: &[Option<Compliance>],
        network: &mut dyn Network,
    ) -> Simulation {
        let (mut parties, mut frames) = (vec![], VecDeque::new());
        for (i, identity) in self.identities.iter().enumerate() {
            let setup = Arc::clone(&self.setup);
            let (party, sent) =
                Party::begin(setup, identity, &self.updates[i], &self.seeds[i]).expect("in bounds");
            let mut party = party.following(history.clone(), Arc::new(|_| Some([7; 32])));
            let first = party.complying(known(), proofs[i].clone());
            frames.extend(first.into_iter().chain(sent).map(|f| (i as u16, f)));
            parties.push(party);
        }
        let coordinator = Coordinator::new(Arc::clone(&self.setup)).constrained();
        let costs = vec![Cost::default(); parties.len()];
        exchange(coordinator, parties, costs, frames, network)
    }

    fn proofs(&self) -> Vec<Option<Compliance>> {
        let all = 0..self.identities.len() as u16;
        let one = |party| Some(prove(&known(), &self.setup.digest, party));
        all.map(one).collect()
    }
}

#[test]
fn who_proved_once_is_in_all_rounds_and_the_certificates_hold_the_proofs() {
    let world = World::new(4, |_| {});
    let proofs = world.proofs();
    let run = world.run_proving(&Record::default(), &proofs, &mut Faithful);
    assert_sum(&world, &run, &[0, 1, 2, 3], &[]);
    assert!(run.refusals.is_empty(), "{:?}", run.refusals);
    let expected: Vec<Compliance> = proofs.into_iter().flatten().collect();
    for party in &run.parties {
        let certificate = party.certificate().expect("a sum");
        assert_eq!(certificate.body.compliance, expected);
        assert_eq!(certificate.signatures.len(), 4);
    }
    let mut record = Record::default();
    assert!(run.coordinator.add_to(&mut record));
    let certificate = run.coordinator.certificate(&record).expect("a sum");
    assert_eq!(certificate.signatures.len(), 4);
    // The next round goes without proofs, and keeps those.
    let next = World::new(4, |manifest| manifest.round = 8);
    let run = next.run_proving(&record, &[None, None, None, None], &mut Faithful);
    assert_sum(&next, &run, &[0, 1, 2, 3], &[]);
    let certificate = run.parties[2].certificate().expect("a sum");
    assert_eq!(certificate.body.compliance, expected);
    // A proof that nobody asked for any more is not taken.
    let mut proofs = vec![None; 4];
    proofs[1] = Some(prove(&known(), &next.setup.digest, 1));
    let run = next.run_proving(&record, &proofs, &mut Faithful);
    assert_sum(&next, &run, &[0, 1, 2, 3], &[]);
    assert!(run.refusals.iter().all(|(party, _)| party.is_some()) && run.refusals.len() == 3);
}

#[test]
fn who_proves_nothing_is_in_no_sum() {
    let world = World::new(4, |_| {});
    let mut proofs = world.proofs();
    proofs[2] = None;
    let run = world.run_proving(&Record::default(), &proofs, &mut Faithful);
    assert_sum(&world, &run, &[0, 1, 3], &[2]);
    // It did not lie, so nobody is caught; a coordinator may have lost the proof.
    assert!(run.parties[0].blamed().is_empty());
    let certificate = run.parties[0].certificate().expect("a sum");
    let those: Vec<u16> = certificate
        .body
        .compliance
        .iter()
        .map(|c| c.party)
        .collect();
    assert_eq!(those, [0, 1, 3]);
}

#[test]
fn a_proof_of_another_party_attempt_statement_or_value_is_named() {
    let world = World::new(4, |_| {});
    let honest = world.proofs();
    let own = || honest[1].clone().expect("a proof");
    let others = || honest[0].clone().expect("a proof");
    let again = World::new(4, |manifest| manifest.attempt = 1);
    let mut bent = vec![
        // Another party's, as it is and in its own name.
        others(),
        Compliance {
            party: 1,
            ..others()
        },
        // Of another attempt.
        prove(&known(), &again.setup.digest, 1),
        // Of a statement that asks for less, under its own key and under the agreed one's name.
        prove(&constraints(1), &world.setup.digest, 1),
        Compliance {
            proof: prove(&constraints(1), &world.setup.digest, 1).proof,
            ..own()
        },
        // What the certificate would say of the key's set-up.
        Compliance {
            insecure: String::new(),
            ..own()
        },
        Compliance {
            contributors: vec![],
            ..own()
        },
        Compliance {
            transcript: [9; 32],
            ..own()
        },
        Compliance { round: 1, ..own() },
    ];
    // Another commitment than was proved about; bytes that are no proof.
    let mut other = own();
    other.inputs[5] ^= 1;
    bent.push(other);
    let mut cut = own();
    cut.proof.pop();
    bent.push(cut);
    for (case, entry) in bent.into_iter().enumerate() {
        let mut proofs = honest.clone();
        let relayed = entry.party == 1;
        proofs[1] = Some(entry);
        let run = world.run_proving(&Record::default(), &proofs, &mut Faithful);
        assert_sum(&world, &run, &[0, 2, 3], &[1]);
        for witness in [0, 2, 3] {
            let blamed = run.parties[witness].blamed().get(&1);
            let expected = Some(&Deed::Noncompliant).filter(|_| relayed);
            assert_eq!(blamed, expected, "case {case}");
        }
    }
}

#[test]
fn nothing_false_is_proved_and_nothing_is_taken_where_nothing_was_agreed() {
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    let mut refused = |values: &BTreeMap<String, i64>| {
        let proven = known().prove((&[1; 32], 0), 0, values, &mut rng);
        proven.expect_err("false")
    };
    assert!(matches!(
        refused(&values(99)),
        StatementError::OutOfRange { .. }
    ));
    assert!(matches!(
        refused(&BTreeMap::new()),
        StatementError::MissingField { .. }
    ));
    let world = World::new(4, |_| {});
    let proof = prove(&known(), &world.setup.digest, 1).to_bytes();
    let identity = &world.identities[1];
    let signed = identity.sign(&world.setup.digest, 1, Kind::Compliance, proof);
    let mut extra = Some(Frame::Signed(signed).encode());
    let run = world.run(&mut Upward(|_, frame: Vec<u8>| {
        extra.take().into_iter().chain([frame]).collect()
    }));
    assert_sum(&world, &run, &[0, 1, 2, 3], &[]);
    assert_eq!(run.refusals.len(), 1);
    let certificate = run.parties[3].certificate().expect("a sum");
    assert!(certificate.body.compliance.is_empty());
}
