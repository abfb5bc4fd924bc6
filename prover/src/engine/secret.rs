//! What opens one record: input scalars, r_t, the metadata's salt. Encrypted by the [`super::Keeper`] before it is kept.

use zeroize::Zeroizing;

/// The opening of a record.
pub(super) struct Secret {
    pub(super) inputs: Zeroizing<Vec<i64>>,
    pub(super) blinding: Zeroizing<[u8; 32]>,
    pub(super) salt: [u8; 32],
}

impl Secret {
    /// Bytes beside the inputs'.
    pub(super) const FIXED_BYTES: usize = 1 + 32 + 32;

    /// Version, r_t, salt, then 8 bytes a scalar.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(
            Self::FIXED_BYTES + 8 * self.inputs.len(),
        ));
        bytes.push(VERSION);
        bytes.extend_from_slice(&*self.blinding);
        bytes.extend_from_slice(&self.salt);
        for input in self.inputs.iter() {
            bytes.extend_from_slice(&input.to_le_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION], rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let (blinding, rest) = rest.split_first_chunk::<32>()?;
        let (salt, rest) = rest.split_first_chunk::<32>()?;
        let (inputs, rest) = rest.as_chunks::<8>();
        rest.is_empty().then(|| Self {
            inputs: Zeroizing::new(inputs.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            blinding: Zeroizing::new(*blinding),
            salt: *salt,
        })
    }
}

const VERSION: u8 = 1;
