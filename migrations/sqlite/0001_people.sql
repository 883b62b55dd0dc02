-- People and their devices. Times are seconds since 1970 (UTC), rounded as each comment says:
-- expiries up, all else down. Row ids of people and devices are random, so that they tell nothing.

CREATE TABLE users (
    id INTEGER PRIMARY KEY,                     -- random
    phone TEXT NOT NULL UNIQUE,                 -- E.164: the mailbox's address
    device_list_version INTEGER NOT NULL,       -- the signed device list's version, served to senders
    device_list_signed_at INTEGER NOT NULL,     -- hour: part of what is signed
    device_list_signature BLOB NOT NULL CHECK (length(device_list_signature) = 64), -- Ed25519, checked by senders
    created_on INTEGER NOT NULL                 -- day: shown to the owner
) STRICT;

CREATE TABLE webauthn_credentials (
    id INTEGER PRIMARY KEY,                     -- random
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE, -- whose device
    user_handle BLOB NOT NULL UNIQUE CHECK (length(user_handle) = 16), -- what WebAuthn sees; one a credential
    device_id BLOB NOT NULL UNIQUE CHECK (length(device_id) = 16), -- random: the only name that peers see
    credential_id BLOB NOT NULL UNIQUE,         -- names the passkey at sign-in
    passkey TEXT NOT NULL,                      -- webauthn-rs' state: public key and counter
    encrypted_name BLOB NOT NULL,               -- the device's name, sealed to the owner's devices
    key_rotation_counter INTEGER NOT NULL DEFAULT 0, -- the last one used: a sibling's upload must be the next
    recovery_capsule BLOB,                      -- identity and messaging secrets, sealed by the client
    created_on INTEGER NOT NULL,                -- day: shown to the owner
    last_used_on INTEGER NOT NULL,              -- day: shown to the owner, so that a forgotten device is noticed
    is_active INTEGER NOT NULL DEFAULT 1,       -- false once revoked
    revoked_on INTEGER                          -- day
) STRICT;
-- The devices of a user: lists, fan-out, the cascade.
CREATE INDEX idx_credentials_user ON webauthn_credentials (user_id);

CREATE TABLE identity_keys (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    suite INTEGER NOT NULL,                     -- 2: X25519 and Ed25519
    identity_key BLOB NOT NULL CHECK (length(identity_key) = 32), -- Ed25519: pinned by contacts
    created_on INTEGER NOT NULL,                -- day
    replaced_on INTEGER                         -- day on which this key replaced an earlier one
) STRICT;

CREATE TABLE device_keys (
    webauthn_credential_id INTEGER PRIMARY KEY REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    registration_id INTEGER NOT NULL,           -- random: new whenever the device's local state begins anew
    suite INTEGER NOT NULL,
    device_key BLOB NOT NULL CHECK (length(device_key) = 32), -- X25519: device sessions, envelopes
    last_one_time_key_id INTEGER NOT NULL DEFAULT 0 -- the highest one-time prekey id ever published: no id is used twice
) STRICT;

CREATE TABLE signed_prekeys (
    webauthn_credential_id INTEGER NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    key_id INTEGER NOT NULL,                    -- counted up by the device
    public_key BLOB NOT NULL CHECK (length(public_key) = 32), -- X25519
    signature BLOB NOT NULL CHECK (length(signature) = 64), -- Ed25519, by the identity key
    created_at INTEGER NOT NULL,                -- hour: signed with the key; tells its age
    expires_at INTEGER NOT NULL,                -- day: the row goes then, once it is retired
    is_active INTEGER NOT NULL DEFAULT 1,       -- one a device
    PRIMARY KEY (webauthn_credential_id, key_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX idx_signed_prekeys_active ON signed_prekeys (webauthn_credential_id) WHERE is_active;
CREATE INDEX idx_signed_prekeys_expires ON signed_prekeys (expires_at);

-- Deleted on claim; nothing says who claimed one.
CREATE TABLE one_time_prekeys (
    webauthn_credential_id INTEGER NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    key_id INTEGER NOT NULL,                    -- counted up by the device: the oldest is the lowest
    public_key BLOB NOT NULL CHECK (length(public_key) = 32), -- X25519
    expires_at INTEGER NOT NULL,                -- day: unused ones go after 90 days
    PRIMARY KEY (webauthn_credential_id, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_one_time_prekeys_expires ON one_time_prekeys (expires_at);

CREATE TABLE messaging_public_keys (
    id INTEGER PRIMARY KEY,                     -- random
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    suite INTEGER NOT NULL,
    x25519_public_key BLOB NOT NULL CHECK (length(x25519_public_key) = 32), -- letters are sealed to it
    ed25519_signature BLOB NOT NULL CHECK (length(ed25519_signature) = 64), -- by the identity key
    ed25519_public_key BLOB NOT NULL CHECK (length(ed25519_public_key) = 32), -- the identity key that signed
    key_version INTEGER NOT NULL,               -- bound into every seal
    created_at INTEGER NOT NULL,                -- hour: signed with the key
    revoked_at INTEGER,                         -- hour
    is_active INTEGER NOT NULL DEFAULT 1        -- one a user
) STRICT;
CREATE UNIQUE INDEX idx_messaging_pk_user_active ON messaging_public_keys (user_id) WHERE is_active;
CREATE UNIQUE INDEX idx_messaging_pk_user_version ON messaging_public_keys (user_id, key_version);
