//! Frames on a connection.
//!
//! Each side begins with a greeting: magic and version, the manifest's digest, and how many frames of the other it
//! has taken; the other sends from there on. A frame is its length (4 bytes, little-endian) and its bytes; length
//! 0 says that the round is over. Lengths above the manifest's largest message are refused before anything is
//! allocated.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::TransportError;

/// What a side says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// SHA-256 of the manifest.
    pub manifest: [u8; 32],
    /// Frames of the other side that were taken.
    pub taken: u64,
}

const MAGIC: &[u8; 8] = b"CPFEDER\x02";

impl Greeting {
    /// Writes the greeting.
    ///
    /// # Errors
    /// [`TransportError::Network`].
    pub async fn write(&self, out: &mut (impl AsyncWrite + Unpin)) -> Result<(), TransportError> {
        let bytes = [&MAGIC[..], &self.manifest, &self.taken.to_le_bytes()].concat();
        out.write_all(&bytes).await?;
        Ok(out.flush().await?)
    }

    /// Reads the greeting of a side that runs the same round.
    ///
    /// # Errors
    /// [`TransportError::Protocol`] for another version or round.
    pub async fn read(
        input: &mut (impl AsyncRead + Unpin),
        manifest: &[u8; 32],
    ) -> Result<Self, TransportError> {
        let greeting = Self::read_any(input).await?;
        match greeting.manifest == *manifest {
            true => Ok(greeting),
            false => Err(TransportError::Protocol("it runs another round")),
        }
    }

    /// Reads the greeting of a side that runs any round.
    ///
    /// # Errors
    /// [`TransportError::Protocol`] for another version.
    pub async fn read_any(input: &mut (impl AsyncRead + Unpin)) -> Result<Self, TransportError> {
        let mut bytes = [0; 48];
        input.read_exact(&mut bytes).await?;
        if &bytes[..8] != MAGIC {
            return Err(TransportError::Protocol(
                "it speaks another version of the protocol",
            ));
        }
        let taken = u64::from_le_bytes(bytes[40..].try_into().expect("eight bytes"));
        Ok(Self {
            manifest: bytes[8..40].try_into().expect("32 bytes"),
            taken,
        })
    }
}

/// Writes a frame; an empty one says that the round is over.
///
/// # Errors
/// [`TransportError::Network`].
pub async fn write_frame(
    out: &mut (impl AsyncWrite + Unpin),
    frame: &[u8],
) -> Result<(), TransportError> {
    let length = u32::try_from(frame.len())
        .map_err(|_| TransportError::Protocol("a frame too long to send"))?;
    out.write_all(&length.to_le_bytes()).await?;
    out.write_all(frame).await?;
    Ok(out.flush().await?)
}

/// Reads a frame of at most `most` bytes; none when the round is over.
///
/// # Errors
/// [`TransportError`] for a longer frame or a broken connection.
pub async fn read_frame(
    input: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> Result<Option<Vec<u8>>, TransportError> {
    let length = input.read_u32_le().await? as usize;
    match length {
        0 => Ok(None),
        length if length > most => Err(TransportError::Protocol(
            "a frame longer than any of the round",
        )),
        length => {
            let mut frame = vec![0; length];
            input.read_exact(&mut frame).await?;
            Ok(Some(frame))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl std::future::Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(future)
    }

    #[test]
    fn frames_have_limits_and_an_end() {
        run(async {
            let mut bytes = vec![];
            write_frame(&mut bytes, b"frame").await.expect("memory");
            write_frame(&mut bytes, b"").await.expect("memory");
            let mut input = &bytes[..];
            assert_eq!(
                read_frame(&mut input, 5).await.expect("short enough"),
                Some(b"frame".to_vec())
            );
            assert_eq!(read_frame(&mut input, 5).await.expect("the end"), None);
            assert!(matches!(
                read_frame(&mut input, 5).await,
                Err(TransportError::Network(_))
            ));
            let too_long = read_frame(&mut &bytes[..], 4).await;
            assert!(matches!(too_long, Err(TransportError::Protocol(_))));
            let huge = u32::MAX.to_le_bytes();
            let refused = read_frame(&mut &huge[..], 1 << 20).await;
            assert!(matches!(refused, Err(TransportError::Protocol(_))));
        });
    }

    #[test]
    fn greetings_of_another_version_or_round_are_refused() {
        run(async {
            let mut bytes = vec![];
            let greeting = Greeting {
                manifest: [4; 32],
                taken: 7,
            };
            greeting.write(&mut bytes).await.expect("memory");
            assert_eq!(
                Greeting::read(&mut &bytes[..], &[4; 32])
                    .await
                    .expect("the same"),
                greeting
            );
            assert!(Greeting::read(&mut &bytes[..], &[5; 32]).await.is_err());
            bytes[7] += 1;
            assert!(Greeting::read(&mut &bytes[..], &[4; 32]).await.is_err());
        });
    }
}
