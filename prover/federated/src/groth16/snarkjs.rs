//! Keys, proofs and public inputs as snarkjs' JSON.
//!
//! Numbers are decimal strings; points of G1 are `[x, y, "1"]`, of G2 `[[x.c0, x.c1], [y.c0, y.c1], ["1", "0"]]`.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::PrimeField;
use serde_json::{json, Value};

use super::{Proven, ProvingKey};

/// `verification_key.json`.
pub fn verification_key(key: &ProvingKey) -> Value {
    let vk = &key.vk;
    json!({
        "protocol": "groth16",
        "curve": "bn128",
        "nPublic": vk.gamma_abc_g1.len() - 1,
        "vk_alpha_1": g1(&vk.alpha_g1),
        "vk_beta_2": g2(&vk.beta_g2),
        "vk_gamma_2": g2(&vk.gamma_g2),
        "vk_delta_2": g2(&vk.delta_g2),
        "IC": vk.gamma_abc_g1.iter().map(g1).collect::<Vec<_>>(),
    })
}

/// `proof.json`.
pub fn proof(proven: &Proven) -> Value {
    json!({
        "protocol": "groth16",
        "curve": "bn128",
        "pi_a": g1(&proven.proof.a),
        "pi_b": g2(&proven.proof.b),
        "pi_c": g1(&proven.proof.c),
    })
}

/// `public.json`.
pub fn public_inputs(proven: &Proven) -> Value {
    proven.public_inputs.iter().map(|x| decimal(*x)).collect()
}

fn g1(point: &G1Affine) -> Value {
    if point.is_zero() {
        return json!(["0", "1", "0"]);
    }
    json!([decimal(point.x), decimal(point.y), "1"])
}

fn g2(point: &G2Affine) -> Value {
    let pair = |x: Fq2| json!([decimal(x.c0), decimal::<Fq>(x.c1)]);
    if point.is_zero() {
        return json!([["0", "0"], ["1", "0"], ["0", "0"]]);
    }
    json!([pair(point.x), pair(point.y), ["1", "0"]])
}

fn decimal<F: PrimeField>(x: F) -> String {
    x.into_bigint().to_string()
}
