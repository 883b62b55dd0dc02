-- Blind tokens. Nothing wrote the issuers' tables before, and spent values that clients drew
-- themselves are taken for nothing any more.

DROP TABLE token_issuer_keys;
CREATE TABLE token_issuer_keys (
    id BIGINT PRIMARY KEY,                      -- the token key id's last 63 bits
    epoch BYTEA NOT NULL CHECK (octet_length(epoch) = 16), -- the database's: a restored one draws keys of its own
    secret_key BYTEA NOT NULL CHECK (octet_length(secret_key) = 32), -- ristretto255 scalar
    public_key BYTEA NOT NULL CHECK (octet_length(public_key) = 32), -- ristretto255 element, in the directory
    valid_from DATE NOT NULL,                   -- day: its week begins
    expires_on DATE NOT NULL,                   -- day: a day after its week
    UNIQUE (epoch, valid_from)
);

DROP TABLE token_issuance;
CREATE TABLE token_issuance (
    webauthn_credential_id BIGINT NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE, -- whose batch
    day DATE NOT NULL,                          -- day
    batch_digest BYTEA NOT NULL CHECK (octet_length(batch_digest) = 32), -- SHA-256 of the blinded batch: the same one is answered again
    PRIMARY KEY (webauthn_credential_id, day)
);
CREATE INDEX idx_token_issuance_day ON token_issuance (day);

DROP TABLE spent_tokens;
CREATE TABLE spent_tokens (
    nullifier BYTEA PRIMARY KEY,                -- SHA-256 of the token without its authenticator
    issuer_key_id BIGINT NOT NULL,              -- which key issued it
    request_digest BYTEA NOT NULL,              -- HMAC of the request under the token: the same request is answered again
    status SMALLINT NOT NULL,                   -- the HTTP status that was answered
    expires_on DATE NOT NULL                    -- day: with its key
);
CREATE INDEX idx_spent_tokens_expires ON spent_tokens (expires_on);
