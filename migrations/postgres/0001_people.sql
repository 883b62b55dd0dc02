-- People and their devices. Times are UTC, rounded as each comment says: expiries up, all
-- else down. Row ids of people and devices are random, so that they tell nothing.

CREATE TABLE users (
    id BIGINT PRIMARY KEY,                      -- random
    phone VARCHAR(20) NOT NULL UNIQUE,          -- E.164: the mailbox's address
    device_list_version BIGINT NOT NULL,        -- the signed device list's version, served to senders
    device_list_signed_at TIMESTAMPTZ NOT NULL, -- hour: part of what is signed
    device_list_signature BYTEA NOT NULL CHECK (octet_length(device_list_signature) = 64), -- Ed25519, checked by senders
    created_on DATE NOT NULL                    -- day: shown to the owner
);

CREATE TABLE webauthn_credentials (
    id BIGINT PRIMARY KEY,                      -- random
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE, -- whose device
    user_handle UUID NOT NULL UNIQUE,           -- what WebAuthn sees; one a credential
    device_id BYTEA NOT NULL UNIQUE CHECK (octet_length(device_id) = 16), -- random: the only name that peers see
    credential_id BYTEA NOT NULL UNIQUE,        -- names the passkey at sign-in
    passkey TEXT NOT NULL,                      -- webauthn-rs' state: public key and counter
    encrypted_name BYTEA NOT NULL,              -- the device's name, sealed to the owner's devices
    key_rotation_counter BIGINT NOT NULL DEFAULT 0, -- the last one used: a sibling's upload must be the next
    recovery_capsule BYTEA,                     -- identity and messaging secrets, sealed by the client
    created_on DATE NOT NULL,                   -- day: shown to the owner
    last_used_on DATE NOT NULL,                 -- day: shown to the owner, so that a forgotten device is noticed
    is_active BOOLEAN NOT NULL DEFAULT TRUE,    -- false once revoked
    revoked_on DATE                             -- day
);
-- The devices of a user: lists, fan-out, the cascade.
CREATE INDEX idx_credentials_user ON webauthn_credentials (user_id);

CREATE TABLE identity_keys (
    user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    suite SMALLINT NOT NULL,                    -- 2: X25519 and Ed25519
    identity_key BYTEA NOT NULL CHECK (octet_length(identity_key) = 32), -- Ed25519: pinned by contacts
    created_on DATE NOT NULL,                   -- day
    replaced_on DATE                            -- day on which this key replaced an earlier one
);

CREATE TABLE device_keys (
    webauthn_credential_id BIGINT PRIMARY KEY REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    registration_id INTEGER NOT NULL,           -- random: new whenever the device's local state begins anew
    suite SMALLINT NOT NULL,
    device_key BYTEA NOT NULL CHECK (octet_length(device_key) = 32), -- X25519: device sessions, envelopes
    last_one_time_key_id BIGINT NOT NULL DEFAULT 0 -- the highest one-time prekey id ever published: no id is used twice
);

CREATE TABLE signed_prekeys (
    webauthn_credential_id BIGINT NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    key_id BIGINT NOT NULL,                    -- counted up by the device
    public_key BYTEA NOT NULL CHECK (octet_length(public_key) = 32), -- X25519
    signature BYTEA NOT NULL CHECK (octet_length(signature) = 64), -- Ed25519, by the identity key
    created_at TIMESTAMPTZ NOT NULL,            -- hour: signed with the key; tells its age
    expires_at TIMESTAMPTZ NOT NULL,            -- day: the row goes then, once it is retired
    is_active BOOLEAN NOT NULL DEFAULT TRUE,    -- one a device
    PRIMARY KEY (webauthn_credential_id, key_id)
);
CREATE UNIQUE INDEX idx_signed_prekeys_active ON signed_prekeys (webauthn_credential_id) WHERE is_active;
CREATE INDEX idx_signed_prekeys_expires ON signed_prekeys (expires_at);

-- Deleted on claim; nothing says who claimed one.
CREATE TABLE one_time_prekeys (
    webauthn_credential_id BIGINT NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    key_id BIGINT NOT NULL,                    -- counted up by the device: the oldest is the lowest
    public_key BYTEA NOT NULL CHECK (octet_length(public_key) = 32), -- X25519
    expires_at TIMESTAMPTZ NOT NULL,            -- day: unused ones go after 90 days
    PRIMARY KEY (webauthn_credential_id, key_id)
);
CREATE INDEX idx_one_time_prekeys_expires ON one_time_prekeys (expires_at);

CREATE TABLE messaging_public_keys (
    id BIGINT PRIMARY KEY,                      -- random
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    suite SMALLINT NOT NULL,
    x25519_public_key BYTEA NOT NULL CHECK (octet_length(x25519_public_key) = 32), -- letters are sealed to it
    ed25519_signature BYTEA NOT NULL CHECK (octet_length(ed25519_signature) = 64), -- by the identity key
    ed25519_public_key BYTEA NOT NULL CHECK (octet_length(ed25519_public_key) = 32), -- the identity key that signed
    key_version INTEGER NOT NULL,               -- bound into every seal
    created_at TIMESTAMPTZ NOT NULL,            -- hour: signed with the key
    revoked_at TIMESTAMPTZ,                     -- hour
    is_active BOOLEAN NOT NULL DEFAULT TRUE     -- one a user
);
CREATE UNIQUE INDEX idx_messaging_pk_user_active ON messaging_public_keys (user_id) WHERE is_active;
CREATE UNIQUE INDEX idx_messaging_pk_user_version ON messaging_public_keys (user_id, key_version);
