//! Signatures of tokens, verified by ring, which TLS uses too. It only verifies: nothing is signed here.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature as of_ring;

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has the crate of tokens use ring; a second time changes nothing.
pub(super) fn install() {
    // It fails only if it was installed before.
    let _ = RING.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if key.family() != algorithm.family() || Check::of(*algorithm).is_none() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

/// How ring checks a signature.
enum Check {
    Rsa(&'static of_ring::RsaParameters),
    Other(&'static dyn of_ring::VerificationAlgorithm),
}

impl Check {
    /// A secret is no public key, so there is none for it.
    fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::RS256 => Self::Rsa(&of_ring::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Self::Rsa(&of_ring::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Self::Rsa(&of_ring::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Self::Rsa(&of_ring::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Self::Rsa(&of_ring::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Self::Rsa(&of_ring::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Self::Other(&of_ring::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Self::Other(&of_ring::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Self::Other(&of_ring::ED25519),
            _ => return None,
        })
    }
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (Check::of(self.algorithm), self.key.kind()) {
            (Some(Check::Rsa(check)), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                of_ring::RsaPublicKeyComponents { n, e }.verify(check, message, signature)
            }
            (Some(Check::Other(check)), DecodingKeyKind::SecretOrDer(key)) => {
                of_ring::UnparsedPublicKey::new(check, key).verify(message, signature)
            }
            (Some(_), _) | (None, _) => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}
