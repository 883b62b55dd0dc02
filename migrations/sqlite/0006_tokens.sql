-- Blind tokens. Nothing wrote the issuers' tables before, and spent values that clients drew
-- themselves are taken for nothing any more.

DROP TABLE token_issuer_keys;
CREATE TABLE token_issuer_keys (
    id INTEGER PRIMARY KEY,                     -- the token key id's last 63 bits
    epoch BLOB NOT NULL CHECK (length(epoch) = 16), -- the database's: a restored one draws keys of its own
    secret_key BLOB NOT NULL CHECK (length(secret_key) = 32), -- ristretto255 scalar
    public_key BLOB NOT NULL CHECK (length(public_key) = 32), -- ristretto255 element, in the directory
    valid_from INTEGER NOT NULL,                -- day: its week begins
    expires_on INTEGER NOT NULL,                -- day: a day after its week
    UNIQUE (epoch, valid_from)
) STRICT;

DROP TABLE token_issuance;
CREATE TABLE token_issuance (
    webauthn_credential_id INTEGER NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE, -- whose batch
    day INTEGER NOT NULL,                       -- day
    batch_digest BLOB NOT NULL CHECK (length(batch_digest) = 32), -- SHA-256 of the blinded batch: the same one is answered again
    PRIMARY KEY (webauthn_credential_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_token_issuance_day ON token_issuance (day);

DROP TABLE spent_tokens;
CREATE TABLE spent_tokens (
    nullifier BLOB PRIMARY KEY,                 -- SHA-256 of the token without its authenticator
    issuer_key_id INTEGER NOT NULL,             -- which key issued it
    request_digest BLOB NOT NULL,               -- HMAC of the request under the token: the same request is answered again
    status INTEGER NOT NULL,                    -- the HTTP status that was answered
    expires_on INTEGER NOT NULL                 -- day: with its key
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_spent_tokens_expires ON spent_tokens (expires_on);
