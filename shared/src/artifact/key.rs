//! The portable verifying key of a gates-only Halo2 circuit with links to outside commitments.
//!
//! 1. Claim: derived in the prover from halo2's `ConstraintSystem` and `VerifyingKey`; one key has
//!    one encoding, and its SHA-256 is the **circuit id**.
//! 2. Layout: a tag, then the fields in order; integers are unsigned LEB128 (rotations zigzag),
//!    scalars 32 bytes, points uncompressed (see [`crate::encoding`]). What [`VerifyingKey::check`]
//!    refuses cannot be decoded either.
//! 3. Assumed: that the bases are what they are said to be is checked by [`crate::verify`], not
//!    here; that the circuit says what it should is the auditor's pin on the circuit id.
//! 4. Source: halo2_proofs, `plonk::{ConstraintSystem, VerifyingKey}`.

use ark_ec::AffineRepr;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bn254::{Fr, G1Affine, G2Affine};
use crate::encoding::{
    g1_from_bytes, g1_to_bytes, g2_from_bytes, g2_to_bytes, put_int, scalar_from_bytes,
    scalar_to_bytes, Reader,
};
use crate::order::has_repeated;

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
    /// Weight columns of the model: the first such link combines `C_0 ..`, each further one those that follow.
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
// One a key: its size does not matter.
#[allow(clippy::large_enum_variant)]
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
    /// Links: those of the model, then at most one of the inputs.
    pub links: Vec<Link>,
    /// `L_u .. L_{n-1}`: Lagrange bases of the blinding rows. The verifier recomputes u.
    pub tail_bases: Vec<G1Affine>,
    /// Further Lagrange bases by row, ascending: with IPA one for each instance row, and in both
    /// schemes one for each input position.
    pub row_bases: Vec<(u32, G1Affine)>,
    /// Rows of the circuit at which the input commitments hold their values, one per input scalar, distinct.
    pub input_rows: Vec<u32>,
    /// Reference string.
    pub srs: Srs,
}

impl Scheme {
    /// The byte that stands for the scheme in keys and statements.
    pub fn byte(self) -> u8 {
        match self {
            Scheme::Ipa => 0,
            Scheme::Kzg => 1,
        }
    }
}

/// Why a verifying key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes end early, or an integer is not in its shortest form.
    #[error("the key ends early or holds an integer that is not in its shortest form")]
    Malformed,
    /// Bytes follow the key.
    #[error("bytes follow the key")]
    TrailingBytes,
    /// Not a key of this version.
    #[error("not a verifying key of a known version")]
    Version,
    /// A point is not canonical, off the curve or outside its subgroup.
    #[error("{0}: not the canonical encoding of a point of the group")]
    Point(&'static str),
    /// A scalar is not below the modulus.
    #[error("{0}: not a canonical scalar")]
    Scalar(&'static str),
    /// A size or an index is out of its range.
    #[error("{0} out of range")]
    OutOfRange(&'static str),
}

impl VerifyingKey {
    /// The commitment scheme, told by the reference string.
    pub fn scheme(&self) -> Scheme {
        match self.srs {
            Srs::Kzg { .. } => Scheme::Kzg,
            Srs::Ipa { .. } => Scheme::Ipa,
        }
    }

    /// Number of rows, a power of two.
    pub fn rows(&self) -> usize {
        1 << self.k.min(MAX_K)
    }

    /// Rows that are not blinding rows: halo2 keeps `max(3, most openings of one column) + 3`.
    pub fn usable_rows(&self) -> usize {
        let mut openings = vec![0usize; self.advice_phases.len()];
        for query in &self.advice_queries {
            if let Some(count) = openings.get_mut(query.column as usize) {
                *count += 1;
            }
        }
        let most = openings.into_iter().max().unwrap_or(0);
        self.rows().saturating_sub(most.max(3) + 3)
    }

    /// Number of commitments that the links of a kind combine.
    fn linked(&self, kind: LinkKind) -> usize {
        let links = self.links.iter().filter(|link| link.kind == kind);
        links.map(|link| link.count as usize).sum()
    }

    /// Number of committed weight columns.
    pub fn model_columns(&self) -> usize {
        self.linked(LinkKind::Model)
    }

    /// Number of batch slots B; zero for a circuit without committed inputs.
    pub fn slots(&self) -> usize {
        self.linked(LinkKind::Inputs)
    }

    /// Number of released values per row.
    pub fn released_per_row(&self) -> usize {
        self.released_rows.len() / self.slots().max(1)
    }

    /// The Lagrange base of a row, where the key carries it.
    pub fn row_base(&self, row: u32) -> Option<usize> {
        self.row_bases
            .binary_search_by_key(&row, |base| base.0)
            .ok()
    }

    /// SHA-256 of the canonical encoding.
    pub fn circuit_id(&self) -> [u8; 32] {
        Sha256::digest(self.encode()).into()
    }

    /// The canonical encoding; decodes to the same key if [`VerifyingKey::check`] accepts it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(self.scheme().byte());
        put_int(&mut out, u64::from(self.k));
        put_int(&mut out, u64::from(self.quotient_pieces));
        out.extend(scalar_to_bytes(&self.transcript_repr));
        put_list(&mut out, &self.advice_phases, |out, phase| out.push(*phase));
        put_list(&mut out, &self.challenge_phases, |out, p| out.push(*p));
        put_list(&mut out, &self.instance_lengths, put_u32);
        put_list(&mut out, &self.released_rows, put_u32);
        put_list(&mut out, &self.fixed_commitments, put_g1);
        put_list(&mut out, &self.advice_queries, put_query);
        put_list(&mut out, &self.fixed_queries, put_query);
        put_list(&mut out, &self.instance_queries, put_query);
        put_list(&mut out, &self.constants, |out, constant| {
            out.extend(scalar_to_bytes(constant));
        });
        put_list(&mut out, &self.nodes, put_node);
        put_list(&mut out, &self.gates, put_u32);
        put_list(&mut out, &self.links, |out, link| {
            out.push(match link.kind {
                LinkKind::Model => 0,
                LinkKind::Inputs => 1,
            });
            for int in [link.column, link.challenge, link.count] {
                put_u32(out, &int);
            }
        });
        put_list(&mut out, &self.tail_bases, put_g1);
        put_list(&mut out, &self.row_bases, |out, (row, base)| {
            put_u32(out, row);
            put_g1(out, base);
        });
        put_list(&mut out, &self.input_rows, put_u32);
        match &self.srs {
            Srs::Kzg {
                g1,
                tau_n_g1,
                g2,
                tau_g2,
            } => {
                put_g1(&mut out, g1);
                put_g1(&mut out, tau_n_g1);
                out.extend(g2_to_bytes(g2));
                out.extend(g2_to_bytes(tau_g2));
            }
            Srs::Ipa { w, u } => {
                put_g1(&mut out, w);
                put_g1(&mut out, u);
            }
        }
        out
    }

    /// Reads a key, and checks it.
    ///
    /// # Errors
    /// [`KeyError`] for any bytes that are not the encoding of a key within the caps.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::decode_like(bytes, None)
    }

    /// As [`VerifyingKey::decode`]; G2 points that a key read before holds too are known to lie in
    /// the subgroup.
    pub(crate) fn decode_like(bytes: &[u8], like: Option<&Self>) -> Result<Self, KeyError> {
        let known = match like.map(|key| &key.srs) {
            Some(Srs::Kzg { g2, tau_g2, .. }) => vec![*g2, *tau_g2],
            _ => vec![],
        };
        let mut input = Reader::new(bytes);
        let read = &mut input;
        if read.array() != Some(MAGIC) {
            return Err(KeyError::Version);
        }
        let scheme = read.byte().ok_or(KeyError::Malformed)?;
        let key = Self {
            k: int(read)?,
            quotient_pieces: int(read)?,
            transcript_repr: scalar(read, "transcript digest")?,
            advice_phases: list(read, "advice columns", MAX_COLUMNS, byte)?,
            challenge_phases: list(read, "challenges", MAX_CHALLENGES, byte)?,
            instance_lengths: list(read, "instance columns", 1, int)?,
            released_rows: list(read, "released rows", MAX_ROWS, int)?,
            fixed_commitments: list(read, "fixed columns", MAX_COLUMNS, |read| {
                g1(read, "fixed commitment")
            })?,
            advice_queries: list(read, "advice queries", MAX_QUERIES, query)?,
            fixed_queries: list(read, "fixed queries", MAX_QUERIES, query)?,
            instance_queries: list(read, "instance queries", MAX_QUERIES, query)?,
            constants: list(read, "constants", MAX_NODES, |read| {
                scalar(read, "constant")
            })?,
            nodes: list(read, "nodes", MAX_NODES, node)?,
            gates: list(read, "gates", MAX_NODES, int)?,
            links: list(read, "links", MAX_LINKS, link)?,
            tail_bases: list(read, "tail bases", MAX_TAIL, |read| g1(read, "tail base"))?,
            row_bases: list(read, "row bases", MAX_ROWS, |read| {
                Ok((int(read)?, g1(read, "row base")?))
            })?,
            input_rows: list(read, "input rows", MAX_ROWS, int)?,
            srs: match scheme {
                0 => Srs::Ipa {
                    w: g1(read, "W")?,
                    u: g1(read, "U")?,
                },
                1 => Srs::Kzg {
                    g1: g1(read, "[1]_1")?,
                    tau_n_g1: g1(read, "[tau^n]_1")?,
                    g2: g2(read, &known, "[1]_2")?,
                    tau_g2: g2(read, &known, "[tau]_2")?,
                },
                _ => return Err(KeyError::OutOfRange("scheme")),
            },
        };
        if input.remaining() != 0 {
            return Err(KeyError::TrailingBytes);
        }
        key.check_shape()?;
        key.check_srs_nonzero()?;
        Ok(key)
    }

    /// Accepts exactly the keys that [`VerifyingKey::decode`] can return.
    ///
    /// # Errors
    /// [`KeyError`] naming the field.
    pub fn check(&self) -> Result<(), KeyError> {
        self.check_shape()?;
        self.check_srs_nonzero()?;
        self.check_points()
    }

    /// Sizes, indices and their order.
    fn check_shape(&self) -> Result<(), KeyError> {
        let require = |holds: bool, what| {
            if holds {
                Ok(())
            } else {
                Err(KeyError::OutOfRange(what))
            }
        };
        // 1. Sizes.
        require((1..=MAX_K).contains(&self.k), "k")?;
        require(
            (1..=MAX_PIECES).contains(&self.quotient_pieces),
            "quotient pieces",
        )?;
        let (advice, fixed) = (self.advice_phases.len(), self.fixed_commitments.len());
        require(advice <= MAX_COLUMNS, "advice columns")?;
        require(fixed <= MAX_COLUMNS, "fixed columns")?;
        require(self.instance_lengths.len() <= 1, "instance columns")?;
        require(self.challenge_phases.len() <= MAX_CHALLENGES, "challenges")?;
        let mut phases = self.advice_phases.iter().chain(&self.challenge_phases);
        require(phases.all(|phase| *phase <= MAX_PHASE), "phase")?;
        let last_phase = self.advice_phases.iter().max().copied().unwrap_or(0);
        let mut phases = self.challenge_phases.iter();
        require(phases.all(|phase| *phase <= last_phase), "phase")?; // drawn at all
        require(self.nodes.len() <= MAX_NODES, "nodes")?;
        require(self.constants.len() <= MAX_NODES, "constants")?;
        require(self.gates.len() <= MAX_NODES, "gates")?;
        // 2. Openings: existing columns, rotations below n/2, none twice.
        let queries = [
            (&self.advice_queries, advice),
            (&self.fixed_queries, fixed),
            (&self.instance_queries, self.instance_lengths.len()),
        ];
        let few = self.instance_queries.len() <= MAX_INSTANCE_QUERIES;
        require(few, "instance queries")?;
        for (list, columns) in queries {
            require(list.len() <= MAX_QUERIES, "queries")?;
            let half = 1u32 << (self.k - 1);
            require(
                list.iter().all(|query| {
                    (query.column as usize) < columns && query.rotation.unsigned_abs() < half
                }),
                "query",
            )?;
            let queries = list.iter().map(|q| (q.column, q.rotation)).collect();
            require(!has_repeated(queries), "repeated query")?;
        }
        // 3. Expressions: operands before users.
        for (index, node) in self.nodes.iter().enumerate() {
            let below = |operand: u32, limit: usize| (operand as usize) < limit;
            let holds = match *node {
                Node::Constant(i) => below(i, self.constants.len()),
                Node::Fixed(i) => below(i, self.fixed_queries.len()),
                Node::Advice(i) => below(i, self.advice_queries.len()),
                Node::Instance(i) => below(i, self.instance_queries.len()),
                Node::Challenge(i) => below(i, self.challenge_phases.len()),
                Node::Negated(i) => below(i, index),
                Node::Sum(i, j) | Node::Product(i, j) => below(i, index) && below(j, index),
                Node::Scaled(i, j) => below(i, index) && below(j, self.constants.len()),
            };
            require(holds, "node operand")?;
        }
        let gates = &mut self.gates.iter();
        require(
            gates.all(|gate| (*gate as usize) < self.nodes.len()),
            "gate",
        )?;
        // 4. Rows: the blinding rows are the last ones, everything else lies before them.
        let usable = self.usable_rows();
        require(usable > 0, "usable rows")?;
        require(self.tail_bases.len() == self.rows() - usable, "tail bases")?;
        require(self.tail_bases.len() <= MAX_TAIL, "tail bases")?;
        let instance_length = self.instance_lengths.first().map_or(0, |len| *len as usize);
        require(instance_length <= usable, "instance length")?;
        require(
            ascending_below(self.released_rows.iter().copied(), instance_length),
            "released rows",
        )?;
        // Each scalar has a row of its own, in any order.
        let mut taken = vec![false; usable];
        for row in &self.input_rows {
            let free = taken.get_mut(*row as usize).filter(|taken| !**taken);
            *free.ok_or(KeyError::OutOfRange("input rows"))? = true;
        }
        require(
            ascending_below(self.row_bases.iter().map(|base| base.0), usable),
            "row bases",
        )?;
        let mut based = self.input_rows.iter();
        require(based.all(|row| self.row_base(*row).is_some()), "row bases")?;
        if self.scheme() == Scheme::Ipa {
            let mut based = self.released_rows.iter();
            require(based.all(|row| self.row_base(*row).is_some()), "row bases")?;
        }
        // 5. Links: a challenge drawn after phase 0 combines into a column of phase 1.
        for link in &self.links {
            let column_phase = self.advice_phases.get(link.column as usize);
            let challenge_phase = self.challenge_phases.get(link.challenge as usize);
            require(column_phase == Some(&1), "link column")?;
            require(challenge_phase == Some(&0), "link challenge")?;
            require((1..=MAX_LINKED).contains(&link.count), "link count")?;
        }
        let of_inputs = |link: &Link| link.kind == LinkKind::Inputs;
        let last = self.links.len().saturating_sub(1);
        let early = self.links.iter().take(last).any(of_inputs);
        require(!early && self.links.len() <= MAX_LINKS, "links")?;
        let repeated = self.links.iter().enumerate().any(|(i, link)| {
            let before = &self.links[..i];
            before.iter().any(|other| other.column == link.column)
        });
        require(!repeated, "links")?;
        let linked = self.model_columns().max(self.slots());
        require(linked <= MAX_LINKED as usize, "link count")?;
        let slots = self.slots();
        require(slots == 0 || !self.input_rows.is_empty(), "input rows")?;
        require(slots != 0 || self.input_rows.is_empty(), "input rows")?;
        require(
            self.released_rows.len().is_multiple_of(slots.max(1)),
            "released rows",
        )
    }

    /// A reference string with the identity in it binds nothing.
    fn check_srs_nonzero(&self) -> Result<(), KeyError> {
        let zero = match &self.srs {
            Srs::Ipa { w, u } => w.is_zero() || u.is_zero(),
            Srs::Kzg {
                g1,
                tau_n_g1,
                g2,
                tau_g2,
            } => g1.is_zero() || tau_n_g1.is_zero() || g2.is_zero() || tau_g2.is_zero(),
        };
        if zero {
            return Err(KeyError::Point("reference string"));
        }
        Ok(())
    }

    /// Membership of every point.
    fn check_points(&self) -> Result<(), KeyError> {
        let lists = [
            ("fixed commitment", &self.fixed_commitments),
            ("tail base", &self.tail_bases),
        ];
        for (what, points) in lists {
            if !points.iter().all(G1Affine::is_on_curve) {
                return Err(KeyError::Point(what));
            }
        }
        if !self.row_bases.iter().all(|(_, base)| base.is_on_curve()) {
            return Err(KeyError::Point("row base"));
        }
        match &self.srs {
            Srs::Ipa { w, u } => {
                check_g1(w, "W")?;
                check_g1(u, "U")
            }
            Srs::Kzg {
                g1,
                tau_n_g1,
                g2,
                tau_g2,
            } => {
                check_g1(g1, "[1]_1")?;
                check_g1(tau_n_g1, "[tau^n]_1")?;
                check_g2(g2, "[1]_2")?;
                check_g2(tau_g2, "[tau]_2")
            }
        }
    }
}

fn check_g1(point: &G1Affine, what: &'static str) -> Result<(), KeyError> {
    let holds = point.is_on_curve();
    holds.then_some(()).ok_or(KeyError::Point(what))
}

fn check_g2(point: &G2Affine, what: &'static str) -> Result<(), KeyError> {
    let holds = point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    holds.then_some(()).ok_or(KeyError::Point(what))
}

fn ascending_below(rows: impl Iterator<Item = u32>, limit: usize) -> bool {
    let mut next = 0u64;
    for row in rows {
        if u64::from(row) < next || row as usize >= limit {
            return false;
        }
        next = u64::from(row) + 1;
    }
    true
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_int(out, list.len() as u64);
    for item in list {
        put(out, item);
    }
}

fn put_u32(out: &mut Vec<u8>, value: &u32) {
    put_int(out, u64::from(*value));
}

fn put_g1(out: &mut Vec<u8>, point: &G1Affine) {
    out.extend(g1_to_bytes(point));
}

fn put_query(out: &mut Vec<u8>, query: &Query) {
    put_u32(out, &query.column);
    let zigzag = (query.rotation << 1) ^ (query.rotation >> 31);
    put_int(out, u64::from(zigzag as u32));
}

fn put_node(out: &mut Vec<u8>, node: &Node) {
    let (code, first, second) = match *node {
        Node::Constant(i) => (0, i, None),
        Node::Fixed(i) => (1, i, None),
        Node::Advice(i) => (2, i, None),
        Node::Instance(i) => (3, i, None),
        Node::Challenge(i) => (4, i, None),
        Node::Negated(i) => (5, i, None),
        Node::Sum(i, j) => (6, i, Some(j)),
        Node::Product(i, j) => (7, i, Some(j)),
        Node::Scaled(i, j) => (8, i, Some(j)),
    };
    out.push(code);
    put_u32(out, &first);
    if let Some(second) = second {
        put_u32(out, &second);
    }
}

fn int(read: &mut Reader<'_>) -> Result<u32, KeyError> {
    read.int().ok_or(KeyError::Malformed)
}

fn byte(read: &mut Reader<'_>) -> Result<u8, KeyError> {
    read.byte().ok_or(KeyError::Malformed)
}

/// A list of at most `most` items; each takes a byte at least, so memory is bounded by the input.
fn list<T>(
    read: &mut Reader<'_>,
    what: &'static str,
    most: usize,
    item: impl Fn(&mut Reader<'_>) -> Result<T, KeyError>,
) -> Result<Vec<T>, KeyError> {
    let count = int(read)? as usize;
    if count > most {
        return Err(KeyError::OutOfRange(what));
    }
    if count > read.remaining() {
        return Err(KeyError::Malformed);
    }
    (0..count).map(|_| item(read)).collect()
}

fn scalar(read: &mut Reader<'_>, what: &'static str) -> Result<Fr, KeyError> {
    let bytes = read.array().ok_or(KeyError::Malformed)?;
    scalar_from_bytes(bytes).ok_or(KeyError::Scalar(what))
}

fn g1(read: &mut Reader<'_>, what: &'static str) -> Result<G1Affine, KeyError> {
    let bytes = read.array().ok_or(KeyError::Malformed)?;
    g1_from_bytes(bytes).ok_or(KeyError::Point(what))
}

fn g2(read: &mut Reader<'_>, known: &[G2Affine], what: &'static str) -> Result<G2Affine, KeyError> {
    let bytes = read.array().ok_or(KeyError::Malformed)?;
    g2_from_bytes(bytes, known).ok_or(KeyError::Point(what))
}

fn query(read: &mut Reader<'_>) -> Result<Query, KeyError> {
    let column = int(read)?;
    let zigzag = int(read)?;
    Ok(Query {
        column,
        rotation: (zigzag >> 1) as i32 ^ -((zigzag & 1) as i32),
    })
}

fn node(read: &mut Reader<'_>) -> Result<Node, KeyError> {
    let code = byte(read)?;
    let first = int(read)?;
    Ok(match code {
        0 => Node::Constant(first),
        1 => Node::Fixed(first),
        2 => Node::Advice(first),
        3 => Node::Instance(first),
        4 => Node::Challenge(first),
        5 => Node::Negated(first),
        6 => Node::Sum(first, int(read)?),
        7 => Node::Product(first, int(read)?),
        8 => Node::Scaled(first, int(read)?),
        _ => return Err(KeyError::OutOfRange("node")),
    })
}

fn link(read: &mut Reader<'_>) -> Result<Link, KeyError> {
    Ok(Link {
        kind: match byte(read)? {
            0 => LinkKind::Model,
            1 => LinkKind::Inputs,
            _ => return Err(KeyError::OutOfRange("link kind")),
        },
        column: int(read)?,
        challenge: int(read)?,
        count: int(read)?,
    })
}

const MAGIC: &[u8; 17] = b"clearproof key v1";

/// Largest log2 of the number of rows.
pub const MAX_K: u32 = 20;
const MAX_PIECES: u32 = 64;
const MAX_COLUMNS: usize = 4096;
const MAX_QUERIES: usize = 4096;
/// Each one costs a pass over the instance with KZG.
const MAX_INSTANCE_QUERIES: usize = 16;
const MAX_CHALLENGES: usize = 64;
const MAX_PHASE: u8 = 2;
const MAX_NODES: usize = 65_535;
const MAX_TAIL: usize = 256;
const MAX_ROWS: usize = 1 << MAX_K;
const MAX_LINKED: u32 = 1 << 17;
const MAX_LINKS: usize = 257;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::srs::dev_srs;
    use ark_ff::AdditiveGroup;

    /// A key of the right shape; its bases are no Lagrange bases.
    fn sample() -> VerifyingKey {
        let point = G1Affine::generator();
        let query = |column, rotation| Query { column, rotation };
        VerifyingKey {
            k: 4,
            quotient_pieces: 2,
            transcript_repr: Fr::from(5u64),
            advice_phases: vec![0, 1, 1],
            challenge_phases: vec![0, 0],
            instance_lengths: vec![4],
            released_rows: vec![1, 2],
            fixed_commitments: vec![point, G1Affine::identity()],
            advice_queries: vec![query(0, 0), query(1, -1), query(2, 7)],
            fixed_queries: vec![query(0, 0)],
            instance_queries: vec![query(0, 0)],
            constants: vec![Fr::ZERO, -Fr::from(1u64)],
            nodes: vec![
                Node::Advice(2),
                Node::Fixed(0),
                Node::Product(0, 1),
                Node::Scaled(2, 1),
                Node::Sum(3, 0),
            ],
            gates: vec![4, 2],
            links: vec![
                Link {
                    kind: LinkKind::Model,
                    column: 1,
                    challenge: 0,
                    count: 3,
                },
                Link {
                    kind: LinkKind::Inputs,
                    column: 2,
                    challenge: 1,
                    count: 2,
                },
            ],
            tail_bases: vec![point; 6],
            row_bases: vec![(0, point), (3, point)],
            input_rows: vec![0, 3],
            srs: dev_srs(4),
        }
    }

    #[test]
    fn round_trips() {
        let key = sample();
        assert_eq!(key.check(), Ok(()));
        assert_eq!(VerifyingKey::decode(&key.encode()), Ok(key.clone()));
        assert_eq!(key.usable_rows(), 10);
        assert_eq!(key.released_per_row(), 1);
    }

    #[test]
    fn each_violation_is_named() {
        type Change = fn(&mut VerifyingKey);
        let changes: &[(Change, &str)] = &[
            (|k| k.k = 0, "k"),
            (|k| k.k = 21, "k"),
            (|k| k.k = 3, "query"),
            (|k| k.quotient_pieces = 0, "quotient pieces"),
            (|k| k.advice_phases[0] = 3, "phase"),
            (|k| k.challenge_phases[1] = 2, "phase"),
            (|k| k.advice_queries[0].column = 3, "query"),
            (|k| k.advice_queries[0].rotation = 8, "query"),
            (|k| k.advice_queries[0].rotation = i32::MIN, "query"),
            (
                |k| k.advice_queries.push(k.advice_queries[0]),
                "repeated query",
            ),
            (|k| k.nodes[0] = Node::Negated(0), "node operand"),
            (|k| k.nodes[0] = Node::Advice(3), "node operand"),
            (|k| k.nodes[3] = Node::Scaled(2, 2), "node operand"),
            (|k| k.gates[0] = 5, "gate"),
            (|k| k.tail_bases.truncate(5), "tail bases"),
            (|k| k.instance_lengths[0] = 11, "instance length"),
            (|k| k.released_rows[0] = 2, "released rows"),
            (|k| k.released_rows[1] = 4, "released rows"),
            (|k| k.released_rows.truncate(1), "released rows"),
            (|k| k.input_rows[1] = 10, "input rows"),
            (|k| k.input_rows[1] = k.input_rows[0], "input rows"),
            (|k| k.input_rows.clear(), "input rows"),
            (|k| k.row_bases.swap(0, 1), "row bases"),
            (|k| k.row_bases.truncate(1), "row bases"),
            (|k| k.links[0].column = 0, "link column"),
            (|k| k.links[0].column = 3, "link column"),
            (|k| k.links[0].challenge = 2, "link challenge"),
            (|k| k.links[0].count = 0, "link count"),
            (|k| k.links[1].column = 1, "links"),
            (|k| k.links.swap(0, 1), "links"),
            (|k| k.links.truncate(1), "input rows"),
            (|k| k.links.push(k.links[1]), "links"),
            (|k| k.links.insert(1, k.links[0]), "links"),
            (|k| k.links = vec![k.links[0]; 258], "links"),
        ];
        for (index, (change, what)) in changes.iter().enumerate() {
            let mut key = sample();
            change(&mut key);
            let expected = Err(KeyError::OutOfRange(what));
            assert_eq!(key.check(), expected, "change {index}");
            assert!(VerifyingKey::decode(&key.encode()).is_err());
        }
        // A released row needs its base with IPA.
        let mut key = sample();
        let point = G1Affine::generator();
        key.srs = Srs::Ipa { w: point, u: point };
        assert_eq!(key.check(), Err(KeyError::OutOfRange("row bases")));
        // Degenerate points.
        key.srs = Srs::Ipa {
            w: G1Affine::identity(),
            u: point,
        };
        key.row_bases = (0..4).map(|row| (row, point)).collect();
        assert_eq!(key.check(), Err(KeyError::Point("reference string")));
        let mut key = sample();
        key.tail_bases[0] = G1Affine::new_unchecked(point.x, point.x);
        assert_eq!(key.check(), Err(KeyError::Point("tail base")));
    }

    #[test]
    fn cut_longer_and_flipped_keys() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            assert!(VerifyingKey::decode(&bytes[..length]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(VerifyingKey::decode(&longer), Err(KeyError::TrailingBytes));
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << (position % 8);
            if let Ok(key) = VerifyingKey::decode(&flipped) {
                assert_eq!(key.encode(), flipped);
                assert_eq!(key.check(), Ok(()));
            }
        }
    }
}
