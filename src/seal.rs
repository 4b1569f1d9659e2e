//! Sealing of what clients carry for the engine: they can neither read nor change it (RFC 8439); and as many
//! unpredictable bytes as are needed, of the few that a host gives.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const NONCE: usize = 12;

/// No cursor is longer, so nothing longer is opened.
const LONGEST: usize = 16 * 1024;

/// A sealing key.
pub(crate) struct Sealer([u8; 32]);

impl Sealer {
    /// Every instance of a deployment has the same key, since it is made of the `digests` of the tokens that the
    /// deployment accepts, in any order. A deployment with other tokens has another one.
    pub(crate) fn new(purpose: &str, digests: &[[u8; 32]]) -> Self {
        // They are a few, and the library's sort is 25 KB of code for a type of this size.
        let mut ordered: Vec<[u8; 32]> = Vec::with_capacity(digests.len());
        for digest in digests {
            ordered.insert(ordered.partition_point(|other| other < digest), *digest);
        }
        Sealer(keyed(purpose.as_bytes(), &[ordered.as_flattened()]))
    }

    /// Seals `text` for use together with `bound` only. `entropy` makes equal texts look different.
    pub(crate) fn seal(&self, text: &[u8], bound: &[u8], entropy: &[u8]) -> Option<String> {
        let derived = keyed(&self.0, &[entropy, text]);
        let nonce: [u8; NONCE] = derived.first_chunk().copied()?;
        let cipher = ChaCha20Poly1305::new(&Key::from(self.0));
        let payload = Payload { msg: text, aad: bound };
        let sealed = cipher.encrypt(&Nonce::from(nonce), payload).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The text, if it was sealed by [`Sealer::seal`] with the same key and `bound`.
    pub(crate) fn open(&self, sealed: &str, bound: &[u8]) -> Option<Vec<u8>> {
        if sealed.len() > LONGEST {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let cipher = ChaCha20Poly1305::new(&Key::from(self.0));
        let payload = Payload { msg: sealed, aad: bound };
        cipher.decrypt(&Nonce::from(*nonce), payload).ok()
    }
}

/// Unpredictable bytes without end, others for each purpose and number.
pub(crate) fn bytes(purpose: &str, number: u32, entropy: &[u8; 32]) -> impl Iterator<Item = u8> {
    let block = move |count: u32| keyed(entropy, &[purpose.as_bytes(), &number.to_le_bytes(), &count.to_le_bytes()]);
    (0..=u32::MAX).flat_map(block)
}

/// HMAC-SHA256, the parts each behind its length.
fn keyed(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key) else {
        // HMAC takes keys of every length.
        return [0; 32];
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_deployment_and_use_open_it() {
        let sealer = Sealer::new("cursor", &[[1; 32], [2; 32]]);
        let sealed = sealer.seal(b"page 2", b"/Users", &[7; 32]).unwrap();
        assert_eq!(sealer.open(&sealed, b"/Users").as_deref(), Some(b"page 2".as_slice()));
        let same = Sealer::new("cursor", &[[2; 32], [1; 32]]);
        assert!(same.open(&sealed, b"/Users").is_some());
        assert_eq!(sealer.open(&sealed, b"/Groups"), None);
        for other in [Sealer::new("cursor", &[[1; 32]]), Sealer::new("other", &[[1; 32], [2; 32]])] {
            assert_eq!(other.open(&sealed, b"/Users"), None);
        }
        assert!(!sealed.contains("page"));
        assert_ne!(sealer.seal(b"page 2", b"/Users", &[8; 32]).unwrap(), sealed);
    }

    #[test]
    fn any_change_is_noticed() {
        let sealer = Sealer::new("cursor", &[[1; 32]]);
        let sealed = sealer.seal(b"x", b"", &[0; 32]).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(sealer.open(std::str::from_utf8(&changed).unwrap(), b""), None);
        }
        for text in ["", "A", "!!", &"A".repeat(LONGEST + 1)] {
            assert_eq!(sealer.open(text, b""), None);
        }
    }
}
