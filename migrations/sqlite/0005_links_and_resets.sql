-- Linking a device, and the waiting period. Nothing wrote either table before.

DROP TABLE device_links;
CREATE TABLE device_links (
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- derived from the code that the new browser shows
    offer BLOB NOT NULL,                        -- the new device's keys under a MAC
    proofs BLOB NOT NULL DEFAULT x'' CHECK (length(proofs) IN (0, 32, 64, 96)), -- a MAC for each try at the digits
    user_id INTEGER REFERENCES users (id) ON DELETE CASCADE, -- whose device approved it; empty before
    approval TEXT,                              -- the next list and the new device's signed prekey, JSON
    answer BLOB,                                -- sealed for the new device
    expires_at INTEGER NOT NULL                 -- minute, at most 10 on
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_device_links_user ON device_links (user_id);
CREATE INDEX idx_device_links_expires ON device_links (expires_at);

DROP TABLE registration_waits;
CREATE TABLE registration_waits (
    phone TEXT PRIMARY KEY REFERENCES users (phone) ON DELETE CASCADE, -- whose account
    begun_at INTEGER NOT NULL,                  -- hour
    ends_at INTEGER NOT NULL,                   -- hour: the account can begin anew, or another try
    cancelled_at INTEGER                        -- hour: blocks another try until ends_at
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_registration_waits_ends ON registration_waits (ends_at);
