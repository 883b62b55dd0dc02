-- Linking a device, and the waiting period. Nothing wrote either table before.

DROP TABLE device_links;
CREATE TABLE device_links (
    id BYTEA PRIMARY KEY CHECK (octet_length(id) = 16), -- derived from the code that the new browser shows
    offer BYTEA NOT NULL,                       -- the new device's keys under a MAC
    proofs BYTEA NOT NULL DEFAULT '\x' CHECK (octet_length(proofs) IN (0, 32, 64, 96)), -- a MAC for each try at the digits
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE, -- whose device approved it; empty before
    approval TEXT,                              -- the next list and the new device's signed prekey, JSON
    answer BYTEA,                               -- sealed for the new device
    expires_at TIMESTAMPTZ NOT NULL             -- minute, at most 10 on
);
CREATE INDEX idx_device_links_user ON device_links (user_id);
CREATE INDEX idx_device_links_expires ON device_links (expires_at);

DROP TABLE registration_waits;
CREATE TABLE registration_waits (
    phone VARCHAR(20) PRIMARY KEY REFERENCES users (phone) ON DELETE CASCADE, -- whose account
    begun_at TIMESTAMPTZ NOT NULL,              -- hour
    ends_at TIMESTAMPTZ NOT NULL,               -- hour: the account can begin anew, or another try
    cancelled_at TIMESTAMPTZ                    -- hour: blocks another try until ends_at
);
CREATE INDEX idx_registration_waits_ends ON registration_waits (ends_at);
