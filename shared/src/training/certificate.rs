//! The training certificate: how a model was made, signed by those who made it.
//!
//! 1. Claim: one certificate has one encoding. The parties sign the digest of its body, so all who signed agree on
//!    every round, on the privacy spent and on the model.
//! 2. Layout: deterministic CBOR, docs/training.cddl. What differs between honest parties' copies (who signed in time)
//!    and what comes later (the commitment of the compiled model) stands beside the body.
//! 3. Assumed: whether anything in it is true is [`crate::verify::training`]'s work.
//! 4. Source: DESIGN section 9; SOUNDNESS conditions 21 to 28.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::manifest::{RosterEntry, MAX_PARTIES};
use super::terms::{number, put_number};
use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;
use crate::bn254::Fr;
use crate::groth16::context;
use crate::verify::statement::hash_parts;

/// A party's position and its Ed25519 signature.
pub type PartySignature = (u16, [u8; 64]);

/// A certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// What the parties sign.
    pub body: Body,
    /// Signatures on each round's outcome, ascending.
    pub outcomes: Vec<Vec<PartySignature>>,
    /// Signatures on the body, ascending.
    pub signatures: Vec<PartySignature>,
    /// The compiled model, once there is one.
    pub deployment: Option<Deployment>,
}

/// What the parties sign.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Rounds that gave a sum, in order.
    pub rounds: Vec<Round>,
    /// Manifests of attempts that were begun and gave none; their privacy is spent too.
    pub aborted: Vec<Vec<u8>>,
    /// Circuits of the norm proofs.
    pub circuits: Vec<NormCircuit>,
    /// Proofs of constraints on private fields.
    pub compliance: Vec<Compliance>,
    /// Privacy spent; none where none is promised.
    pub spent: Option<Spent>,
    /// SHA-256 of the final model; none where the rounds only summed.
    pub model: Option<[u8; 32]>,
}

/// A round that gave a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The encoded manifest: roster, sizes, bounds, terms, digest of the model before.
    pub manifest: Vec<u8>,
    /// The encoded survivor certificate.
    pub survivors: Vec<u8>,
    /// The survivors' encoded contributions: commitments and norm proofs.
    pub contributions: Vec<Vec<u8>>,
    /// Product of the survivors' commitments, a compressed point a column.
    pub aggregate: Vec<u8>,
    /// SHA-256 of the opened sum, 8 bytes little-endian a coordinate.
    pub sum: [u8; 32],
    /// SHA-256 of the model after the round; none where nothing is trained.
    pub after: Option<[u8; 32]>,
}

/// The verifying key of a norm circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormCircuit {
    /// The portable key; its SHA-256 is the circuit's id.
    pub key: Vec<u8>,
    /// The vector generators, uncompressed.
    pub generators: Vec<u8>,
}

/// A Groth16 proof about a party's private fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compliance {
    /// Whose fields.
    pub party: u16,
    /// Position of the round in the body that the proof is bound to.
    pub round: u32,
    /// The statement, JSON.
    pub statement: String,
    /// `ark_groth16`'s verifying key, uncompressed.
    pub key: Vec<u8>,
    /// `ark_groth16`'s proof, uncompressed.
    pub proof: Vec<u8>,
    /// Public inputs, 32 bytes each; the last one is [`compliance_context`].
    pub inputs: Vec<u8>,
    /// Who contributed to the key's second phase: name, and whether it was a public beacon.
    pub contributors: Vec<(String, bool)>,
    /// Why the set-up is insecure, as its verification says; empty if it is not.
    pub insecure: String,
    /// SHA-256 of the ceremony's transcript; zeros if there was none.
    pub transcript: [u8; 32],
}

/// Privacy that the rounds spent, aborted attempts included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// Releases.
    pub rounds: u32,
    /// Loss at the promised delta, in nats, by privacy loss distributions (or by Rényi divergences, if that is less).
    pub epsilon: f64,
    /// Loss at the promised delta by Rényi divergences at whole orders.
    pub renyi_epsilon: f64,
    /// The promised delta.
    pub delta: f64,
    /// Part of epsilon that the discreteness of the noise takes.
    pub slack_epsilon: f64,
    /// Part of delta that the discreteness of the noise takes.
    pub slack_delta: f64,
}

/// The compiled model, as the party that compiled it states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// SHA-256 of the circuit's verifying key.
    pub circuit_id: [u8; 32],
    /// SHA-256 of the model commitments.
    pub commitment: [u8; 32],
    /// SHA-256 of the verifier bundle.
    pub bundle: [u8; 32],
    /// Who compiled it.
    pub party: u16,
    /// Its signature.
    pub signature: [u8; 64],
}

impl Body {
    /// SHA-256 of the encoding.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.encode()).into()
    }

    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(7);
        out.uint(VERSION);
        out.array(self.rounds.len());
        for round in &self.rounds {
            out.array(6);
            out.bytes(&round.manifest);
            out.bytes(&round.survivors);
            out.array(round.contributions.len());
            round.contributions.iter().for_each(|c| out.bytes(c));
            out.bytes(&round.aggregate);
            out.bytes(&round.sum);
            put_optional(&mut out, round.after.as_ref());
        }
        out.array(self.aborted.len());
        self.aborted.iter().for_each(|m| out.bytes(m));
        out.array(self.circuits.len());
        for circuit in &self.circuits {
            out.array(2);
            out.bytes(&circuit.key);
            out.bytes(&circuit.generators);
        }
        out.array(self.compliance.len());
        self.compliance.iter().for_each(|c| c.encode(&mut out));
        match &self.spent {
            None => out.array(0),
            Some(spent) => {
                out.array(6);
                out.uint(spent.rounds.into());
                let (loss, slack) = (
                    [spent.epsilon, spent.renyi_epsilon, spent.delta],
                    [spent.slack_epsilon, spent.slack_delta],
                );
                loss.iter()
                    .chain(&slack)
                    .for_each(|x| put_number(&mut out, *x));
            }
        }
        put_optional(&mut out, self.model.as_ref());
        out.finish()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`FormatError`] for any bytes that [`Body::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        fields(&mut input, 7, "training body")?;
        let version = input.uint(u64::MAX, "version")?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let body = Self {
            rounds: input.list(MAX_ROUNDS, "rounds", |input| {
                fields(input, 6, "round")?;
                Ok(Round {
                    manifest: input.bytes(MAX_MANIFEST, "manifest")?.to_vec(),
                    survivors: input.bytes(MAX_SURVIVORS, "survivors")?.to_vec(),
                    contributions: input.list(MAX_PARTIES, "contributions", |input| {
                        Ok(input.bytes(MAX_CONTRIBUTION, "contribution")?.to_vec())
                    })?,
                    aggregate: input.bytes(MAX_CONTRIBUTION, "aggregate")?.to_vec(),
                    sum: input.array_of_bytes("sum digest")?,
                    after: optional(input, "model after")?,
                })
            })?,
            aborted: input.list(MAX_ROUNDS, "aborted attempts", |input| {
                Ok(input.bytes(MAX_MANIFEST, "manifest")?.to_vec())
            })?,
            circuits: input.list(MAX_CIRCUITS, "norm circuits", |input| {
                fields(input, 2, "norm circuit")?;
                Ok(NormCircuit {
                    key: input.bytes(MAX_KEY, "norm key")?.to_vec(),
                    generators: input.bytes(MAX_KEY, "generators")?.to_vec(),
                })
            })?,
            compliance: input.list(MAX_COMPLIANCE, "compliance proofs", Compliance::decode)?,
            spent: match input.array(6, "privacy spent")? {
                0 => None,
                6 => Some(Spent {
                    rounds: input.uint(u32::MAX.into(), "rounds")? as u32,
                    epsilon: number(&mut input, "epsilon")?,
                    renyi_epsilon: number(&mut input, "Rényi epsilon")?,
                    delta: number(&mut input, "delta")?,
                    slack_epsilon: number(&mut input, "slack of epsilon")?,
                    slack_delta: number(&mut input, "slack of delta")?,
                }),
                _ => return Err(FormatError::Unexpected("privacy spent")),
            },
            model: optional(&mut input, "model")?,
        };
        input.finish()?;
        Ok(body)
    }

    /// What a party signs of the body.
    pub fn subject(digest: &[u8; 32], party: u16) -> [u8; 32] {
        hash_parts(&[TAG_BODY, digest, &party.to_le_bytes()])
    }
}

impl Compliance {
    /// Deterministic CBOR, as the certificate holds it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        self.encode(&mut out);
        out.finish()
    }

    /// Reads what [`Compliance::to_bytes`] wrote; nothing in it is verified.
    ///
    /// # Errors
    /// [`FormatError`] for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        let compliance = Self::decode(&mut input)?;
        input.finish()?;
        Ok(compliance)
    }

    fn encode(&self, out: &mut Encoder) {
        out.array(9);
        out.uint(self.party.into());
        out.uint(self.round.into());
        out.text(&self.statement);
        out.bytes(&self.key);
        out.bytes(&self.proof);
        out.bytes(&self.inputs);
        out.array(self.contributors.len());
        for (name, beacon) in &self.contributors {
            out.array(2);
            out.text(name);
            out.uint((*beacon).into());
        }
        out.text(&self.insecure);
        out.bytes(&self.transcript);
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        fields(input, 9, "compliance proof")?;
        Ok(Self {
            party: input.uint(u16::MAX.into(), "party")? as u16,
            round: input.uint(u32::MAX.into(), "round")? as u32,
            statement: input.text(MAX_STATEMENT, "statement")?.to_owned(),
            key: input.bytes(MAX_KEY, "Groth16 key")?.to_vec(),
            proof: input.bytes(MAX_GROTH16_PROOF, "Groth16 proof")?.to_vec(),
            inputs: input.bytes(MAX_KEY, "public inputs")?.to_vec(),
            contributors: input.list(MAX_CONTRIBUTORS, "contributors", |input| {
                fields(input, 2, "contributor")?;
                let name = input.text(MAX_NAME, "contributor")?.to_owned();
                Ok((name, input.uint(1, "beacon")? == 1))
            })?,
            insecure: input.text(MAX_NAME, "set-up")?.to_owned(),
            transcript: input.array_of_bytes("transcript")?,
        })
    }
}

impl Deployment {
    /// What the party that compiled the model signs; `body` is the body's digest.
    pub fn subject(&self, body: &[u8; 32]) -> [u8; 32] {
        let party = self.party.to_le_bytes();
        let parts = [&self.circuit_id, &self.commitment, &self.bundle];
        hash_parts(&[TAG_DEPLOYMENT, body, parts[0], parts[1], parts[2], &party])
    }
}

impl Certificate {
    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(4);
        out.bytes(&self.body.encode());
        out.array(self.outcomes.len());
        self.outcomes
            .iter()
            .for_each(|s| put_signatures(&mut out, s));
        put_signatures(&mut out, &self.signatures);
        match &self.deployment {
            None => out.array(0),
            Some(deployment) => {
                out.array(5);
                out.bytes(&deployment.circuit_id);
                out.bytes(&deployment.commitment);
                out.bytes(&deployment.bundle);
                out.uint(deployment.party.into());
                out.bytes(&deployment.signature);
            }
        }
        out.finish()
    }

    /// Reads a certificate; nothing in it is verified.
    ///
    /// # Errors
    /// [`FormatError`] for any bytes that [`Certificate::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        fields(&mut input, 4, "training certificate")?;
        let certificate = Self {
            body: Body::decode(input.bytes(usize::MAX, "training body")?)?,
            outcomes: input.list(MAX_ROUNDS, "outcomes", signatures)?,
            signatures: signatures(&mut input)?,
            deployment: match input.array(5, "deployment")? {
                0 => None,
                5 => Some(Deployment {
                    circuit_id: input.array_of_bytes("circuit id")?,
                    commitment: input.array_of_bytes("commitment")?,
                    bundle: input.array_of_bytes("bundle")?,
                    party: input.uint(u16::MAX.into(), "party")? as u16,
                    signature: input.array_of_bytes("signature")?,
                }),
                _ => return Err(FormatError::Unexpected("deployment")),
            },
        };
        input.finish()?;
        Ok(certificate)
    }
}

/// The last public input of a compliance proof: it belongs to this round and party.
pub fn compliance_context(manifest: &[u8; 32], party: u16) -> Fr {
    context(&[&manifest[..], &party.to_le_bytes()].concat())
}

/// SHA-256 of a roster, by which auditors pin it.
pub fn roster_digest(parties: &[RosterEntry]) -> [u8; 32] {
    let mut out = Encoder::default();
    out.array(parties.len());
    for party in parties {
        out.array(3);
        out.text(&party.name);
        out.bytes(&party.signing_key);
        out.bytes(&party.sealing_key);
    }
    Sha256::digest(out.finish()).into()
}

/// Whether a party of the roster signed the subject.
pub fn signed_by(
    roster: &[RosterEntry],
    party: u16,
    subject: &[u8; 32],
    signature: &[u8; 64],
) -> bool {
    let Some(entry) = roster.get(usize::from(party)) else {
        return false;
    };
    let key = VerifyingKey::from_bytes(&entry.signing_key);
    let signature = Signature::from_bytes(signature);
    key.is_ok_and(|key| key.verify_strict(subject, &signature).is_ok())
}

fn fields(input: &mut Decoder<'_>, count: usize, what: &'static str) -> Result<(), FormatError> {
    match input.array(count, what)? == count {
        true => Ok(()),
        false => Err(FormatError::Unexpected(what)),
    }
}

fn put_optional(out: &mut Encoder, digest: Option<&[u8; 32]>) {
    out.bytes(digest.map_or(&[], |digest| &digest[..]));
}

fn optional(input: &mut Decoder<'_>, what: &'static str) -> Result<Option<[u8; 32]>, FormatError> {
    match input.bytes(32, what)? {
        [] => Ok(None),
        digest => Ok(Some(
            digest
                .try_into()
                .map_err(|_| FormatError::Unexpected(what))?,
        )),
    }
}

fn put_signatures(out: &mut Encoder, signatures: &[PartySignature]) {
    out.array(signatures.len());
    for (party, signature) in signatures {
        out.array(2);
        out.uint((*party).into());
        out.bytes(signature);
    }
}

/// Ascending, so that nobody counts twice.
fn signatures(input: &mut Decoder<'_>) -> Result<Vec<PartySignature>, FormatError> {
    let list = input.list(MAX_PARTIES, "signatures", |input| {
        fields(input, 2, "signature")?;
        let party = input.uint(u16::MAX.into(), "signer")? as u16;
        Ok((party, input.array_of_bytes("signature")?))
    })?;
    match list.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        true => Ok(list),
        false => Err(FormatError::NotCanonical),
    }
}

const VERSION: u64 = 1;
const MAX_ROUNDS: usize = 1 << 14;
const MAX_MANIFEST: usize = 1 << 17;
const MAX_SURVIVORS: usize = 1 << 15;
const MAX_CONTRIBUTION: usize = 1 << 23;
const MAX_CIRCUITS: usize = 16;
const MAX_KEY: usize = 1 << 24;
const MAX_COMPLIANCE: usize = 1 << 12;
const MAX_STATEMENT: usize = 1 << 16;
const MAX_GROTH16_PROOF: usize = 256;
const MAX_CONTRIBUTORS: usize = 256;
const MAX_NAME: usize = 256;
const TAG_BODY: &[u8] = b"clearproof training certificate v1";
const TAG_DEPLOYMENT: &[u8] = b"clearproof training deployment v1";
