//! Blind tokens: the issuer directory and the day's batch.

use crate::types::{Blob, UnixTime};
use serde::{Deserialize, Serialize};

wire! {
    /// `GET /.well-known/private-token-issuer-directory` (RFC 9578 section 4).
    answer struct IssuerDirectory {
        /// Where batches are asked for, relative to the directory.
        #[serde(rename = "issuer-request-uri")]
        issuer_request_uri: String,
        /// The keys: this week's; for a day around each change, the one before or after it as well.
        #[serde(rename = "token-keys")]
        token_keys: Vec<TokenKey>,
    }
}

wire! {
    /// An issuer key.
    answer struct TokenKey {
        /// 5: VOPRF (ristretto255, SHA-512).
        #[serde(rename = "token-type")]
        token_type: u16,
        /// A ristretto255 element, base64url with padding.
        #[serde(rename = "token-key")]
        token_key: String,
        /// When its week begins.
        #[serde(rename = "not-before")]
        not_before: UnixTime,
    }
}

wire! {
    /// `POST /v1/tokens`: the day's blind tokens.
    request struct IssueTokens {
        /// An `AmortizedBatchTokenRequest` for exactly as many tokens as the server's limits say.
        token_request: Blob,
    }
}

wire! {
    /// The answer; the same one to the same request.
    answer struct IssuedTokens {
        /// An `AmortizedBatchTokenResponse`.
        token_response: Blob,
    }
}
