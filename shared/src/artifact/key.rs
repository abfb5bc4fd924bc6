//! The portable verifying key of a gates-only Halo2 circuit with links to outside commitments.
//!
//! Derived in the prover from halo2's `ConstraintSystem` and `VerifyingKey`; the SHA-256 of its
//! canonical encoding is the **circuit id**.

use ark_bn254::{Fr, G1Affine, G2Affine};

/// The polynomial commitment scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Inner product argument: transparent.
    Ipa,
    /// KZG with SHPLONK multi-opening: universal trusted setup.
    Kzg,
}

/// One node of the gate expressions; operands index earlier nodes, queries by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// `constants[i]`
    Constant(u32),
    /// Evaluation of `fixed_queries[i]`
    Fixed(u32),
    /// Evaluation of `advice_queries[i]`
    Advice(u32),
    /// Evaluation of `instance_queries[i]`
    Instance(u32),
    /// `challenges[i]`
    Challenge(u32),
    /// `-nodes[i]`
    Negated(u32),
    /// `nodes[i] + nodes[j]`
    Sum(u32, u32),
    /// `nodes[i] * nodes[j]`
    Product(u32, u32),
    /// `nodes[i] * constants[j]`
    Scaled(u32, u32),
}

/// A column opened at `x * omega^rotation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// Column index within its kind.
    pub column: u32,
    /// Rotation in rows; absolute value below 2^(k-1).
    pub rotation: i32,
}

/// Which outside commitments a linked column combines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// The model's weight columns `C_0 ..`.
    Model,
    /// The input commitments `P_0 ..`, one per row of the batch.
    Inputs,
}

/// `column = sum_t challenge^t commitment_t` outside the blinding rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// What is linked.
    pub kind: LinkKind,
    /// Index of the advice column that holds the combination.
    pub column: u32,
    /// Index of the challenge whose powers combine.
    pub challenge: u32,
    /// Number of commitments combined.
    pub count: u32,
}

/// Points of the structured reference string (or generators) that the check needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Srs {
    /// KZG: `[1]_1, [tau^n]_1, [1]_2, [tau]_2`.
    Kzg {
        /// `[1]_1`
        g1: G1Affine,
        /// `[tau^n]_1`, n = 2^k
        tau_n_g1: G1Affine,
        /// `[1]_2`
        g2: G2Affine,
        /// `[tau]_2`
        tau_g2: G2Affine,
    },
    /// IPA: blinding generator W and inner-product generator U; the 2^k vector generators travel
    /// apart (see [`crate::artifact`]).
    Ipa {
        /// Blinding generator.
        w: G1Affine,
        /// Inner-product generator.
        u: G1Affine,
    },
}

/// Everything the verifier must know of one circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// log2 of the number of rows.
    pub k: u32,
    /// Number of pieces of the quotient polynomial (degree - 1).
    pub quotient_pieces: u32,
    /// halo2's digest of its own verifying key, absorbed into the transcript.
    pub transcript_repr: Fr,
    /// Phase of each advice column.
    pub advice_phases: Vec<u8>,
    /// Phase after which each challenge is drawn.
    pub challenge_phases: Vec<u8>,
    /// Exact number of values of each instance column (zero or one column).
    pub instance_lengths: Vec<u32>,
    /// Row of the instance column that holds each released value, ascending; value `j` of batch slot `b`
    /// of B is entry `j * B + b`. Every other instance value is zero.
    pub released_rows: Vec<u32>,
    /// Commitments of the fixed columns.
    pub fixed_commitments: Vec<G1Affine>,
    /// Advice openings, in halo2's order.
    pub advice_queries: Vec<Query>,
    /// Fixed openings, in halo2's order.
    pub fixed_queries: Vec<Query>,
    /// Instance openings, in halo2's order.
    pub instance_queries: Vec<Query>,
    /// Constants of the expressions.
    pub constants: Vec<Fr>,
    /// The expressions, operands before users.
    pub nodes: Vec<Node>,
    /// Gate polynomials: indices into `nodes`, in halo2's order.
    pub gates: Vec<u32>,
    /// Links, at most one of each kind, `Model` first.
    pub links: Vec<Link>,
    /// `L_u .. L_{n-1}`: Lagrange bases of the blinding rows. The verifier recomputes u.
    pub tail_bases: Vec<G1Affine>,
    /// Further Lagrange bases by row, ascending: with IPA one for each instance row, and in both
    /// schemes one for each input position.
    pub row_bases: Vec<(u32, G1Affine)>,
    /// Rows of the circuit at which the input commitments hold their values, one per input scalar.
    pub input_rows: Vec<u32>,
    /// Reference string.
    pub srs: Srs,
}

impl VerifyingKey {
    /// The commitment scheme, told by the reference string.
    pub fn scheme(&self) -> Scheme {
        match self.srs {
            Srs::Kzg { .. } => Scheme::Kzg,
            Srs::Ipa { .. } => Scheme::Ipa,
        }
    }
}
