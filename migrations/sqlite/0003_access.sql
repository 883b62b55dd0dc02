-- Getting in: phone codes, sessions, tokens, the server's own keys.

-- One row a code; a newer one spends the older. Kept for an hour, which is what the hourly cap counts.
CREATE TABLE phone_verifications (
    phone TEXT NOT NULL,                        -- the number to be proved
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 48), -- 16 random bytes, then SHA-256 over them, phone and code
    attempts INTEGER NOT NULL DEFAULT 0,        -- tries made; at 5 the code is spent
    expires_at INTEGER NOT NULL,                -- 10 minutes on
    PRIMARY KEY (phone, code_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_phone_verifications_expires ON phone_verifications (expires_at);

-- The waiting period before an account without passkeys begins anew.
CREATE TABLE registration_waits (
    phone TEXT PRIMARY KEY,                     -- whose account
    begun_at INTEGER NOT NULL,                  -- hour
    ends_at INTEGER NOT NULL,                   -- hour
    cancelled_at INTEGER                        -- hour: blocks another try for as long
) STRICT, WITHOUT ROWID;

-- Linking a device.
CREATE TABLE device_links (
    id BLOB PRIMARY KEY,                        -- derived from the code that the new browser shows
    offer BLOB NOT NULL,                        -- the new device's keys under a MAC
    answer BLOB,                                -- sealed for the new device
    expires_at INTEGER NOT NULL                 -- 10 minutes on
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_device_links_expires ON device_links (expires_at);

CREATE TABLE sessions (
    id BLOB PRIMARY KEY CHECK (length(id) = 32), -- SHA-256 of the cookie's value, which is not stored
    webauthn_credential_id INTEGER REFERENCES webauthn_credentials (id) ON DELETE CASCADE, -- whose; empty before sign-in
    data TEXT NOT NULL,                         -- what the session knows, JSON
    expiry_date INTEGER NOT NULL                -- a day on
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_sessions_credential ON sessions (webauthn_credential_id);
CREATE INDEX idx_sessions_expiry ON sessions (expiry_date);

-- The weekly keys under which blind tokens are issued.
CREATE TABLE token_issuer_keys (
    id INTEGER PRIMARY KEY,                     -- the token key id's last bits
    secret_key BLOB NOT NULL,                   -- ristretto255 scalar
    public_key BLOB NOT NULL,                   -- ristretto255 point, in the directory
    valid_from INTEGER NOT NULL,                -- day
    expires_on INTEGER NOT NULL                 -- day
) STRICT;

-- That a device had its tokens today. Holds no token.
CREATE TABLE token_issuance (
    webauthn_credential_id INTEGER NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE,
    day INTEGER NOT NULL,                       -- day
    batch_digest BLOB NOT NULL,                 -- the same blinded batch is answered again
    PRIMARY KEY (webauthn_credential_id, day, batch_digest)
) STRICT, WITHOUT ROWID;

-- Tokens that were used, so that none is used for two requests. Names no user.
CREATE TABLE spent_tokens (
    nullifier BLOB PRIMARY KEY,                 -- the token's random value
    issuer_key_id INTEGER,                      -- which key issued it; empty for client-drawn values
    request_digest BLOB NOT NULL,               -- HMAC of the request under the token: the same request is answered again
    status INTEGER NOT NULL,                    -- the HTTP status that was answered
    expires_on INTEGER NOT NULL                 -- day
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_spent_tokens_expires ON spent_tokens (expires_on);

-- The key that signs sender certificates, and its successors.
CREATE TABLE server_keys (
    id INTEGER PRIMARY KEY,                     -- counts up
    suite INTEGER NOT NULL,
    secret_key BLOB NOT NULL CHECK (length(secret_key) = 32), -- Ed25519 seed
    created_on INTEGER NOT NULL                 -- day
) STRICT;

-- Changes when the database is restored from a backup, which brings back spent tokens and claimed prekeys.
CREATE TABLE database_epoch (
    id INTEGER PRIMARY KEY CHECK (id = 1),      -- one row
    epoch BLOB NOT NULL CHECK (length(epoch) = 16) -- random
) STRICT;
