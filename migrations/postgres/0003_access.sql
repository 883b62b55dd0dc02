-- Getting in: phone codes, sessions, tokens, the server's own keys.

-- One row a code; a newer one spends the older. Kept for an hour, which is what the hourly cap counts.
CREATE TABLE phone_verifications (
    phone VARCHAR(20) NOT NULL,                 -- the number to be proved
    code_hash BYTEA NOT NULL CHECK (octet_length(code_hash) = 48), -- 16 random bytes, then SHA-256 over them, phone and code
    attempts SMALLINT NOT NULL DEFAULT 0,       -- tries made; at 5 the code is spent
    expires_at TIMESTAMPTZ NOT NULL,            -- 10 minutes on
    PRIMARY KEY (phone, code_hash)
);
CREATE INDEX idx_phone_verifications_expires ON phone_verifications (expires_at);

-- The waiting period before an account without passkeys begins anew.
CREATE TABLE registration_waits (
    phone VARCHAR(20) PRIMARY KEY,              -- whose account
    begun_at TIMESTAMPTZ NOT NULL,              -- hour
    ends_at TIMESTAMPTZ NOT NULL,               -- hour
    cancelled_at TIMESTAMPTZ                    -- hour: blocks another try for as long
);

-- Linking a device.
CREATE TABLE device_links (
    id BYTEA PRIMARY KEY,                       -- derived from the code that the new browser shows
    offer BYTEA NOT NULL,                       -- the new device's keys under a MAC
    answer BYTEA,                               -- sealed for the new device
    expires_at TIMESTAMPTZ NOT NULL             -- 10 minutes on
);
CREATE INDEX idx_device_links_expires ON device_links (expires_at);

CREATE TABLE sessions (
    id BYTEA PRIMARY KEY CHECK (octet_length(id) = 32), -- SHA-256 of the cookie's value, which is not stored
    webauthn_credential_id BIGINT REFERENCES webauthn_credentials (id) ON DELETE CASCADE, -- whose; empty before sign-in
    data TEXT NOT NULL,                         -- what the session knows, JSON
    expiry_date TIMESTAMPTZ NOT NULL            -- a day on
);
CREATE INDEX idx_sessions_credential ON sessions (webauthn_credential_id);
CREATE INDEX idx_sessions_expiry ON sessions (expiry_date);

-- The weekly keys under which blind tokens are issued.
CREATE TABLE token_issuer_keys (
    id BIGINT PRIMARY KEY,                      -- the token key id's last bits
    secret_key BYTEA NOT NULL,                  -- ristretto255 scalar
    public_key BYTEA NOT NULL,                  -- ristretto255 point, in the directory
    valid_from DATE NOT NULL,                   -- day
    expires_on DATE NOT NULL                    -- day
);

-- That a device had its tokens today. Holds no token.
CREATE TABLE token_issuance (
    webauthn_credential_id BIGINT NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    day DATE NOT NULL,                          -- day
    batch_digest BYTEA NOT NULL,                -- the same blinded batch is answered again
    PRIMARY KEY (webauthn_credential_id, day, batch_digest)
);

-- Tokens that were used, so that none is used for two requests. Names no user.
CREATE TABLE spent_tokens (
    nullifier BYTEA PRIMARY KEY,                -- the token's random value
    issuer_key_id BIGINT,                       -- which key issued it; empty for client-drawn values
    request_digest BYTEA NOT NULL,              -- HMAC of the request under the token: the same request is answered again
    status SMALLINT NOT NULL,                   -- the HTTP status that was answered
    expires_on DATE NOT NULL                    -- day
);
CREATE INDEX idx_spent_tokens_expires ON spent_tokens (expires_on);

-- The key that signs sender certificates, and its successors.
CREATE TABLE server_keys (
    id BIGINT PRIMARY KEY,                      -- counts up
    suite SMALLINT NOT NULL,
    secret_key BYTEA NOT NULL CHECK (octet_length(secret_key) = 32), -- Ed25519 seed
    created_on DATE NOT NULL                    -- day
);

-- Changes when the database is restored from a backup, which brings back spent tokens and claimed prekeys.
CREATE TABLE database_epoch (
    id BIGINT PRIMARY KEY CHECK (id = 1),       -- one row
    epoch BYTEA NOT NULL CHECK (octet_length(epoch) = 16) -- random
);
