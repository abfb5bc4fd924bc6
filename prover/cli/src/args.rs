//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clearproof_federated::privacy::accountant::{noise_multiplier, Mechanism};
use clearproof_federated::privacy::PrivacyError;
use clearproof_prover::onnx::BatchDimension;

/// Proves that a machine-learning decision was made by a committed private model on a committed input.
///
/// Exit status: 0 done or valid, 1 invalid, 2 cannot tell, 64 wrong command line, 65 bad input file,
/// 70 internal error, 74 cannot write.
#[derive(Debug, Parser)]
#[command(name = "clearproof", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a model: its operators, parameters, what is supported, and the estimated cost
    Inspect(Inspect),
    /// Quantise a model, commit to its weights and make its keys
    Compile(Compile),
    /// Run the integer model, without a proof
    Run(Run),
    /// Prove decisions and write an evidence file
    Prove(Prove),
    /// Check evidence files
    Verify(Verify),
    /// Decide over HTTP, keep the log and prove behind it
    Serve(Serve),
    /// Prove batches that a service hands out through NATS
    Worker(Worker),
    /// Compile the example model, prove a batch of trades, and verify the result
    Demo(Demo),
    /// Measure compiling, proving and verifying on this machine
    Bench(Bench),
    /// Train one model among several firms
    #[command(subcommand)]
    Federated(Federated),
    /// Look into a log, prove what waits, and write evidence from it
    Audit(Audit),
    /// Set up a Groth16 key by several contributors
    #[command(subcommand)]
    Ceremony(Ceremony),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ceremony {
    /// Start one: the first key of a statement
    New {
        /// The statement, JSON
        #[arg(value_name = "STATEMENT.json")]
        statement: PathBuf,
        #[command(flatten)]
        powers: CeremonyPowers,
        /// Where to write the ceremony
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Add a secret that is forgotten at once, or a public beacon
    Contribute {
        /// The ceremony so far
        #[arg(value_name = "FILE")]
        ceremony: PathBuf,
        /// Who contributes
        #[arg(long)]
        name: String,
        /// Add this public random value instead of a secret
        #[arg(long, value_name = "VALUE")]
        beacon: Option<String>,
        /// Logarithm of how often the beacon is hashed
        #[arg(long, value_name = "N", default_value_t = 10)]
        log_iterations: u8,
        /// Where to write the ceremony
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check a ceremony from the statement on
    Verify {
        /// The ceremony
        #[arg(value_name = "FILE")]
        ceremony: PathBuf,
        #[command(flatten)]
        powers: CeremonyPowers,
        /// Accept a single contributor, or powers whose secret is published
        #[arg(long)]
        allow_insecure: bool,
        /// Write the verifying key as snarkjs' JSON
        #[arg(long, value_name = "FILE")]
        key_out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct CeremonyPowers {
    /// Powers of tau of a ceremony that you trust
    #[arg(long, value_name = "FILE")]
    pub(crate) ptau: Option<PathBuf>,
    /// Powers whose secret is published, for trials
    #[arg(long)]
    pub(crate) insecure_dev_tau: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Federated {
    /// Write keys, certificates and the manifest, a folder for each process
    Provision(Provision),
    /// Relay a round, or all rounds of a training, among parties
    Coordinate(Coordinate),
    /// Take part in a round, or in all rounds of a training
    Party(PartyArguments),
    /// Sum random updates among parties in this process, and show what it costs each
    Simulate(Simulate),
    /// Check a training certificate
    Verify(VerifyTraining),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyTraining {
    /// The training certificate
    pub(crate) certificate: PathBuf,
    /// The parties that you know: the roster.json that `provision` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: Option<PathBuf>,
    /// Evidence of decisions that should be by the certificate's model
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Vec<PathBuf>,
    /// A verifier.bin that you trust, for the evidence
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Vec<PathBuf>,
    /// Accept keys and reference strings of set-ups whose secrets somebody may know
    #[arg(long)]
    pub(crate) allow_insecure_setup: bool,
    /// Ceremony of a compliance proof's key, checked from its statement on
    #[arg(long, value_name = "FILE", requires = "powers")]
    pub(crate) ceremony: Vec<PathBuf>,
    /// Powers of tau that the ceremonies began with
    #[arg(long, value_name = "FILE", requires = "ceremony", group = "powers")]
    pub(crate) ptau: Option<PathBuf>,
    /// The ceremonies began with powers whose secret is published, for trials
    #[arg(long, requires = "ceremony", group = "powers")]
    pub(crate) insecure_dev_tau: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What privacy a training promises.
#[derive(Clone, Debug, Args)]
pub(crate) struct PrivacyArguments {
    /// Promise (epsilon, delta)-differential privacy of records
    #[arg(long, value_name = "E")]
    pub(crate) epsilon: Option<f64>,
    /// Probability that the loss is above epsilon
    #[arg(long, value_name = "D", default_value_t = 1e-5, requires = "epsilon")]
    pub(crate) delta: f64,
    /// Probability with which a record is in a round
    #[arg(long, value_name = "Q", default_value_t = 1.0, requires = "epsilon")]
    pub(crate) sampling_rate: f64,
    /// Noise's standard deviation over the sensitivity; the least that keeps the promise if left out
    #[arg(long, value_name = "Z", requires = "epsilon")]
    pub(crate) noise_multiplier: Option<f64>,
}

impl PrivacyArguments {
    /// One release; calibrated for so many of them where no noise multiplier is given.
    pub(crate) fn mechanism(&self, rounds: u32) -> Result<Mechanism, PrivacyError> {
        let z = match (self.noise_multiplier, self.epsilon) {
            (Some(z), _) => z,
            // A little of both is left for the slack of the discrete noise.
            (None, epsilon) => noise_multiplier(
                epsilon.unwrap_or(1.0) * 0.999,
                self.delta * 0.99,
                self.sampling_rate,
                rounds,
            )?,
        };
        Mechanism::new(z, self.sampling_rate, 1)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Provision {
    /// A name for each party, commas between
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', required = true)]
    pub(crate) parties: Vec<String>,
    /// Folder to write; it must not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Parties that hold shares, the first ones; all of them if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(3..=64))]
    pub(crate) holders: Option<u16>,
    /// Contributors that may pool what they know
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) colluders: u16,
    /// Train this model (ONNX) over several rounds; sizes and bounds follow from it
    #[arg(long, value_name = "FILE", requires = "training", conflicts_with_all = ["coordinates", "clip_norm", "noise_norm", "round"])]
    pub(crate) model: Option<PathBuf>,
    /// Ceremony of constraints that every party has to prove of its private fields
    #[arg(long, value_name = "FILE", requires = "model", requires = "powers")]
    pub(crate) constraints: Option<PathBuf>,
    /// Powers of tau that the ceremony began with
    #[arg(long, value_name = "FILE", requires = "constraints", group = "powers")]
    pub(crate) ptau: Option<PathBuf>,
    /// The ceremony is for trials: its powers' secret is published
    #[arg(long, requires = "constraints", group = "powers")]
    pub(crate) insecure_dev_tau: bool,
    /// JSON: rounds, spare attempts, most examples of a party in a round, and the steps
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) training: Option<PathBuf>,
    /// Coordinates of an update
    #[arg(long, value_name = "N", required_unless_present = "model", value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub(crate) coordinates: Option<u32>,
    /// Bits of a coordinate, noise and sign included
    #[arg(long, value_name = "B", default_value_t = 20, value_parser = clap::value_parser!(u32).range(4..=30))]
    pub(crate) bits: u32,
    /// log2 of the rows of a commitment's column
    #[arg(long, value_name = "K", default_value_t = 12, value_parser = clap::value_parser!(u32).range(6..=16))]
    pub(crate) log_rows: u32,
    /// Bound of the clipped update's L2 norm, grid units
    #[arg(long, value_name = "C", required_unless_present = "model")]
    pub(crate) clip_norm: Option<u64>,
    /// Bound of a party's noise's L2 norm, grid units
    #[arg(long, value_name = "B", required_unless_present = "model")]
    pub(crate) noise_norm: Option<u64>,
    /// Let contributions go without a proof of these bounds
    #[arg(long)]
    pub(crate) without_norm_proofs: bool,
    /// Number of the round
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) round: u64,
    #[command(flatten)]
    pub(crate) privacy: PrivacyArguments,
    /// What one record adds at most, L2, grid units; the clip norm if left out
    #[arg(long, value_name = "C", requires = "epsilon", conflicts_with = "model")]
    pub(crate) record_clip: Option<f64>,
    /// Parties that may drop out without the noise falling below what is promised
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) dropouts: u16,
}

#[derive(Debug, Args)]
pub(crate) struct Coordinate {
    /// The coordinator's folder
    pub(crate) folder: PathBuf,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443")]
    pub(crate) listen: String,
    /// Seconds that parties may let a step wait
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) step_timeout_s: u64,
    /// Training certificate to write
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PartyArguments {
    /// The party's folder
    pub(crate) folder: PathBuf,
    /// Address of the coordinator
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443")]
    pub(crate) connect: String,
    /// JSON: {"clipped": [...], "noise": [...]}, integers on the manifest's grid
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    pub(crate) update: Option<PathBuf>,
    /// JSON: {"features": [[...], ...], "labels": [...]}: take part in all rounds of a training with these examples
    #[arg(long, value_name = "FILE", conflicts_with = "update")]
    pub(crate) data: Option<PathBuf>,
    /// JSON: {"num_samples": 5000, ...}: private fields, where the training asks for proofs about them; they stay here
    #[arg(long, value_name = "FILE", requires = "data")]
    pub(crate) fields: Option<PathBuf>,
    /// File to write: the sum and the parties that it sums (JSON), or the trained model (ONNX)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Seconds that a round may last until it gives up; the same command goes on later
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) timeout_s: u64,
    /// The privacy budget of this party's data; budget.json in its folder if left out
    #[arg(long, value_name = "FILE")]
    pub(crate) budget: Option<PathBuf>,
    /// Training certificate to write
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Parties that contribute
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(3..=64))]
    pub(crate) parties: u16,
    /// Parties that hold shares, the first ones; all of them if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(3..=64))]
    pub(crate) holders: Option<u16>,
    /// Coordinates of an update
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub(crate) coordinates: u32,
    /// Bits of a coordinate, noise and sign included
    #[arg(long, value_name = "B", default_value_t = 20, value_parser = clap::value_parser!(u32).range(4..=30))]
    pub(crate) bits: u32,
    /// log2 of the rows of a commitment's column
    #[arg(long, value_name = "K", default_value_t = 12, value_parser = clap::value_parser!(u32).range(6..=16))]
    pub(crate) log_rows: u32,
    /// Parties, the last ones, that fall silent after contributing
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) dropouts: u16,
    /// Rounds, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    #[command(flatten)]
    pub(crate) privacy: PrivacyArguments,
    /// Folder of the parties' privacy budgets; kept nowhere if left out
    #[arg(long, value_name = "DIR", requires = "epsilon")]
    pub(crate) budget: Option<PathBuf>,
    /// Prove that updates and noise are within their bounds
    #[arg(long)]
    pub(crate) norm_proofs: bool,
    /// Folder to write the training certificate and the roster to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The ONNX model
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) rows: RowArguments,
    /// Write a picture of the graph
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemeArgument {
    /// Transparent: no trusted setup
    Ipa,
    /// Constant-time verification, on a structured reference string
    Kzg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RevealArgument {
    /// One bit, or the index of the greatest score
    Decision,
    /// Every output of the model
    Outputs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputsArgument {
    /// Hidden behind a commitment that is published when the decision is made
    Committed,
    /// Shown
    Public,
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// The ONNX model
    #[arg(required_unless_present = "skeleton", conflicts_with = "skeleton")]
    pub(crate) model: Option<PathBuf>,
    /// The folder to write: keys, `verifier.bin` for the auditor, the secret opening, `report.json`
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "skeleton",
        conflicts_with = "skeleton"
    )]
    pub(crate) out: Option<PathBuf>,
    /// Rebuild the keys from the skeleton inside this `verifier.bin`, and compare the circuit ids
    #[arg(long, value_name = "FILE", conflicts_with_all = ["calibration", "reveal", "inputs", "batch", "scale_bits", "threshold", "scheme", "no_batch", "policy"])]
    pub(crate) skeleton: Option<PathBuf>,
    /// The commitment scheme
    #[arg(long, value_enum, default_value = "ipa")]
    pub(crate) scheme: SchemeArgument,
    #[command(flatten)]
    pub(crate) srs: SrsArguments,
    /// Sample inputs, to choose ranges and to report the error
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rows: RowArguments,
    /// The columns of a .csv with sample inputs that are the model's inputs, in order
    #[arg(
        long,
        value_name = "A,B,...",
        value_delimiter = ',',
        requires = "calibration"
    )]
    pub(crate) columns: Vec<String>,
    /// Rules over features, outputs and metadata, in TOML, that the proof decides by (docs/policy.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reveal", "threshold"])]
    pub(crate) policy: Option<PathBuf>,
    /// What a proof releases
    #[arg(long, value_enum, default_value = "decision")]
    pub(crate) reveal: RevealArgument,
    /// Whether inputs are hidden
    #[arg(long, value_enum, default_value = "committed")]
    pub(crate) inputs: InputsArgument,
    /// Rows that one proof covers at most
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) batch: u32,
    /// Fractional bits of inputs and activations; recurrences and normalisations take up to 3 more, to 16
    #[arg(long, value_name = "S", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=24))]
    pub(crate) scale_bits: u32,
    /// The decision of a model with a single score is `score >= T`
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.5,
        allow_negative_numbers = true
    )]
    pub(crate) threshold: f64,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RowArguments {
    /// The model's inputs have no batch dimension: each whole tensor is one row
    #[arg(long)]
    pub(crate) no_batch: bool,
}

impl RowArguments {
    /// Where the rows of a batch lie.
    pub(crate) fn batch_dimension(self) -> BatchDimension {
        if self.no_batch {
            BatchDimension::None
        } else {
            BatchDimension::Leading
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SrsArguments {
    /// A powers-of-tau file, for `--scheme kzg`
    #[arg(long = "srs", value_name = "FILE", conflicts_with = "insecure_dev_srs")]
    pub(crate) file: Option<PathBuf>,
    /// A reference string whose secret is published: anybody can forge proofs under it
    #[arg(long)]
    pub(crate) insecure_dev_srs: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InputArguments {
    /// Inputs: JSON, .npy, .npz, an ONNX tensor .pb, or .csv; each file may hold several rows
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) input: Vec<PathBuf>,
    /// The columns of a .csv that are the model's inputs, in order; the others become metadata
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A folder that `compile` wrote
    #[arg(value_name = "DIR")]
    pub(crate) artifact: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: InputArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// A folder that `compile` wrote
    #[arg(value_name = "DIR")]
    pub(crate) artifact: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: InputArguments,
    /// A JSON array with one object a row (time, symbol, ...), bound to the proof
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,
    /// The evidence file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Leave the bundle out: the auditor has it already
    #[arg(long)]
    pub(crate) no_bundle: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Evidence files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) evidence: Vec<PathBuf>,
    /// A bundle that you trust, received apart from the evidence
    #[arg(long, value_name = "VERIFIER_BIN")]
    pub(crate) trust: Vec<PathBuf>,
    /// Key of a log that you trust, NAME+ID+KEY, or a file with such lines
    #[arg(long, value_name = "KEY")]
    pub(crate) log_key: Vec<String>,
    /// Key of a witness that you trust, likewise
    #[arg(long, value_name = "KEY")]
    pub(crate) witness_key: Vec<String>,
    /// Root certificates of time-stamp authorities that you trust, PEM; then the time stamps in the evidence are checked
    #[arg(long, value_name = "FILE")]
    pub(crate) tsa: Option<PathBuf>,
    /// Accept the reference string whose secret is published
    #[arg(long)]
    pub(crate) allow_insecure_dev_srs: bool,
    /// Run halo2's own verifier over each proof as well; it must agree
    #[arg(long)]
    pub(crate) reference: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The service's folder: configuration, keys, log
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Write a new log's configuration and keys into the folder, which must be empty, and show its API keys
    #[arg(long, requires = "origin", conflicts_with = "listen")]
    pub(crate) init: bool,
    /// Name of the new log, such as desk.example/log
    #[arg(long, value_name = "NAME", requires = "init")]
    pub(crate) origin: Option<String>,
    /// Where to listen; other than loopback addresses need a certificate
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    pub(crate) listen: std::net::SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// A folder with the service's `worker.key` and its compiled models in `models/`
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The NATS server, such as nats://127.0.0.1:4222; user and password may stand before the host
    #[arg(long, value_name = "URL")]
    pub(crate) nats: String,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The folder to write
    #[arg(long, value_name = "DIR", default_value = "clearproof-demo")]
    pub(crate) out: PathBuf,
    /// Trades to prove
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) trades: u32,
    /// The auditor's page, to say how to open it
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure these models instead of the built-in one
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<PathBuf>,
    /// Rows in one proof; several numbers measure each
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) batch: Vec<u32>,
    /// Measure one scheme instead of both
    #[arg(long, value_enum)]
    pub(crate) scheme: Option<SchemeArgument>,
    /// Runs of each measurement; the median is shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn compile_needs_a_model_or_a_skeleton() {
        let parse = |words: &[&str]| {
            Arguments::try_parse_from([&["clearproof", "compile"], words].concat())
        };
        assert!(parse(&["m.onnx", "--out", "d"]).is_ok());
        assert!(parse(&["--skeleton", "verifier.bin"]).is_ok());
        assert!(parse(&[]).is_err());
        assert!(parse(&["m.onnx"]).is_err());
        assert!(parse(&["m.onnx", "--out", "d", "--skeleton", "verifier.bin"]).is_err());
        assert!(parse(&["m.onnx", "--out", "d", "--srs", "f", "--insecure-dev-srs"]).is_err());
        assert!(parse(&["m.onnx", "--out", "d", "--batch", "0"]).is_err());
    }
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The folder that `clearproof serve --init` made
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The newest records
    List(AuditList),
    /// One record
    Show(AuditShow),
    /// Counts and rates
    Stats(AuditStats),
    /// Write a window of the log as an evidence file
    Export(AuditExport),
    /// Write a request for a time stamp over the checkpoint, to be sent to an RFC 3161 authority
    Timestamp(AuditTimestamp),
    /// Write evidence that shows the inputs of one decision
    Disclose(AuditDisclose),
    /// Check the whole log and every proof
    Verify,
    /// Compare a venue's or broker's orders with the log by their receipts
    Reconcile(AuditReconcile),
    /// Register, approve, change or retire a model
    Lifecycle(AuditLifecycle),
    /// Prove all decisions that wait
    Prove,
    /// As a witness: sign a log's checkpoint, if the log only grew since the last one signed here
    Cosign(AuditCosign),
    /// Keep the cosignatures of witnesses with the log's latest checkpoint: exports then carry them
    Witnessed(AuditWitnessed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusArgument {
    /// No proof will follow
    Unproven,
    /// Waits for a proof
    Pending,
    /// Proving failed
    Failed,
    /// Has a proof
    Proven,
    /// Has a proof that was checked
    Verified,
}

#[derive(Debug, Args)]
pub(crate) struct AuditList {
    /// Records to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only records before this sequence number
    #[arg(long, value_name = "SEQ")]
    pub(crate) before: Option<u64>,
    /// Only records with a proof this far
    #[arg(long, value_enum)]
    pub(crate) status: Option<StatusArgument>,
    /// Only compliant decisions (true), or only the others (false)
    #[arg(long, value_name = "BOOL")]
    pub(crate) compliant: Option<bool>,
    /// Only records with this metadata
    #[arg(long = "where", value_name = "KEY=VALUE")]
    pub(crate) field: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditShow {
    /// Its sequence number
    pub(crate) seq: u64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditStats {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditExport {
    /// First sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) from: u64,
    /// Sequence number after the last; the end of the log where none is given
    #[arg(long, value_name = "SEQ")]
    pub(crate) to: Option<u64>,
    /// The evidence file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Show the decisions' metadata
    #[arg(long)]
    pub(crate) metadata: bool,
    /// Show the inputs of this decision; may be repeated
    #[arg(long, value_name = "SEQ")]
    pub(crate) disclose: Vec<u64>,
    /// Put the models' verifier.bin into the file
    #[arg(long)]
    pub(crate) bundles: bool,
    /// Size of a checkpoint that the log is shown to have grown from
    #[arg(long, value_name = "SIZE")]
    pub(crate) earlier: Option<u64>,
    /// A time-stamp authority's reply about the checkpoint (see `audit timestamp`); may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) timestamp: Vec<PathBuf>,
    /// Write the records as a table too
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Write the evidence as a CAR file too, and print its root CID
    #[arg(long, value_name = "FILE")]
    pub(crate) car: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditTimestamp {
    /// The request to write (application/timestamp-query)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AuditDisclose {
    /// The decision's sequence number
    pub(crate) seq: u64,
    /// The evidence file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Put the model's verifier.bin into the file
    #[arg(long)]
    pub(crate) bundles: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditReconcile {
    /// The orders, a .csv with a heading
    #[arg(long, value_name = "FILE")]
    pub(crate) orders: PathBuf,
    /// The column that holds the receipts
    #[arg(long, value_name = "NAME", default_value = "receipt")]
    pub(crate) column: String,
    /// Hexadecimal digits of a receipt that orders carry at least
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u8).range(8..=64))]
    pub(crate) digits: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LifecycleArgument {
    /// It becomes known
    Register,
    /// It comes into force
    Approve,
    /// It comes into force in another's place
    Change,
    /// It is in force no longer
    Retire,
}

#[derive(Debug, Args)]
pub(crate) struct AuditLifecycle {
    /// What happens
    #[arg(value_enum)]
    pub(crate) action: LifecycleArgument,
    /// SHA-256 of the model's verifier.bin
    #[arg(long, value_name = "SHA256")]
    pub(crate) model: String,
    /// With change: SHA-256 of the one that is no longer in force
    #[arg(long, value_name = "SHA256")]
    pub(crate) replaced: Option<String>,
    /// Who does it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
}

#[derive(Debug, Args)]
pub(crate) struct AuditWitnessed {
    /// The cosigned checkpoint, as `audit cosign` wrote it
    pub(crate) checkpoint: PathBuf,
    /// A witness's key, NAME+ID+KEY, whose cosignature is kept; may be repeated
    #[arg(long, value_name = "KEY", required = true)]
    pub(crate) witness_key: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditCosign {
    /// An evidence file with the checkpoint, and with the growth since the one signed before
    pub(crate) evidence: PathBuf,
    /// The log's key, NAME+ID+KEY
    #[arg(long, value_name = "KEY")]
    pub(crate) log_key: String,
    /// The witness's secret key; made if there is none, with --name
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The witness's name, for a new key
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The folder that remembers what was signed
    #[arg(long, value_name = "DIR")]
    pub(crate) memory: PathBuf,
    /// The cosigned checkpoint to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}
