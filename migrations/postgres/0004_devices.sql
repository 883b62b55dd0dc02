-- Several devices an account: what one wraps for its siblings, and revoked ones.

-- SHA-256 of the upload that the counter counted last: the same one again is answered alike,
-- another one is not taken for it.
ALTER TABLE webauthn_credentials ADD COLUMN key_rotation_digest BYTEA CHECK (octet_length(key_rotation_digest) = 32);

-- The sweep of devices that were revoked.
CREATE INDEX idx_credentials_revoked ON webauthn_credentials (revoked_on) WHERE NOT is_active;
