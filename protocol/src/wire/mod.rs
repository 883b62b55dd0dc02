//! What travels between client and server: the JSON bodies of every endpoint and the frames of the
//! live socket. Server and client share these types, so neither can drift from the other.
//!
//! Unknown fields are refused in requests and passed over in answers.

/// The suite this version speaks: X25519, Ed25519, HKDF, AES-256-GCM.
pub const SUITE: u16 = 2;
/// The name in the `Authorization` header of sealed requests (RFC 9577).
pub const TOKEN_SCHEME: &str = "PrivateToken";

macro_rules! wire {
    ($(#[$meta:meta])* unprinted request struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
    ($(#[$meta:meta])* request struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }
    };
    ($(#[$meta:meta])* unprinted answer struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
    ($(#[$meta:meta])* answer struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }
    };
}

mod account;
mod devices;
mod disclosure;
mod keys;
mod links;
mod mailbox;
mod problem;
mod registration;
mod sealed;
mod server;
mod tokens;

pub use account::*;
pub use devices::*;
pub use disclosure::*;
pub use keys::*;
pub use links::*;
pub use mailbox::*;
pub use problem::*;
pub use registration::*;
pub use sealed::*;
pub use server::*;
pub use tokens::*;
