-- The mailbox. No table here has a column for who wrote, and none ties two mailboxes together.
-- Ids hold the hour in their high bits and 43 random bits below: inserts stay near the end of the
-- tree, and no order finer than the stored hour is kept.

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,                     -- hour and random bits
    destination_phone TEXT NOT NULL,            -- whose mailbox
    message_id TEXT NOT NULL,                   -- random, chosen by the client: replays and retries store nothing twice
    "timestamp" INTEGER NOT NULL,                 -- hour, set by the server: given to the receiver
    created_at INTEGER NOT NULL,                -- hour, set by the server: certificates are checked against it
    expires_at INTEGER NOT NULL,                -- day: 1, 7 or 30 days on
    message_type TEXT NOT NULL DEFAULT 'text' CHECK (message_type IN ('text', 'media', 'system')), -- sealed sends: always 'text'
    encrypted_content BLOB NOT NULL CHECK (length(encrypted_content) IN (1024, 2048, 4096, 8192, 16384, 32768, 65536)) -- sealed to the messaging key
) STRICT;
-- One index for both: a mailbox's letters, and (destination_phone, message_id) being unique.
CREATE UNIQUE INDEX idx_messages_destination_phone ON messages (destination_phone, message_id);
-- The expiry sweep.
CREATE INDEX idx_messages_expires_at ON messages (expires_at);
-- Not kept: idx_messages_destination_timestamp (the inbox goes by pending deliveries, nothing reads
-- a mailbox by time), idx_messages_message_id (every look-up by message id knows the mailbox).

CREATE TABLE message_deliveries (
    id INTEGER PRIMARY KEY,                     -- hour and random bits
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    webauthn_credential_id INTEGER NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE, -- the device that is to have it
    delivered_at INTEGER,                       -- hour
    read_at INTEGER,                            -- hour: tells the devices that have yet to fetch it
    delivery_status TEXT NOT NULL DEFAULT 'pending' CHECK (delivery_status IN ('pending', 'delivered', 'failed'))
) STRICT;
-- A letter's deliveries (deletion once all have it, the cascade); one row a letter and device.
CREATE UNIQUE INDEX idx_deliveries_message ON message_deliveries (message_id, webauthn_credential_id);
-- A device's pending rows: the inbox touches nothing else. It begins with the device and so serves
-- its cascade too, which is why there is no idx_deliveries_device.
CREATE INDEX idx_deliveries_status ON message_deliveries (webauthn_credential_id, delivery_status, id);

CREATE TABLE device_session_keys (
    id INTEGER PRIMARY KEY,                     -- hour and random bits
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE, -- the device's owner, never the sender
    webauthn_credential_id INTEGER NOT NULL REFERENCES webauthn_credentials (id) ON DELETE CASCADE, -- the device that can open it
    session_key_id TEXT NOT NULL,               -- a random label, fresh per upload; the session's id is inside
    encrypted_session_key BLOB NOT NULL CHECK (length(encrypted_session_key) = 2048), -- sealed to the device key
    key_rotation_counter INTEGER NOT NULL,      -- 0 from the sealed half; a sibling's writes count up
    created_at INTEGER NOT NULL,                -- hour
    expires_at INTEGER NOT NULL,                -- day, 32 days on
    is_active INTEGER NOT NULL DEFAULT 1        -- falls by age only
) STRICT;
-- (user_id, session_key_id, webauthn_credential_id) being unique, and how many a mailbox holds.
CREATE UNIQUE INDEX idx_device_session_user_device ON device_session_keys (user_id, session_key_id, webauthn_credential_id);
-- A device's envelopes by page, and its cascade.
CREATE INDEX idx_device_session_active ON device_session_keys (webauthn_credential_id, id);
-- The expiry sweep.
CREATE INDEX idx_device_session_expires ON device_session_keys (expires_at);
-- Not kept: idx_device_session_key_id (every look-up by label knows the device).

-- Live re-keying's lock and five-minute window. Names no session and no peer.
CREATE TABLE ephemeral_keys (
    id INTEGER PRIMARY KEY,                     -- hour and random bits
    destination_phone TEXT NOT NULL,            -- whose mailbox
    ephemeral_public_key BLOB NOT NULL CHECK (length(ephemeral_public_key) = 32), -- X25519
    key_exchange_id TEXT NOT NULL,              -- random
    created_at INTEGER NOT NULL,                -- hour
    expires_at INTEGER NOT NULL,                -- minute, at most 5 on
    used INTEGER NOT NULL DEFAULT 0             -- claimed; kept until expiry, so that the others learn it
) STRICT;
CREATE UNIQUE INDEX idx_ephemeral_key_exchange_id ON ephemeral_keys (key_exchange_id);
CREATE UNIQUE INDEX idx_ephemeral_destination ON ephemeral_keys (destination_phone, key_exchange_id);
CREATE INDEX idx_ephemeral_unused ON ephemeral_keys (destination_phone) WHERE NOT used;
CREATE INDEX idx_ephemeral_expires ON ephemeral_keys (expires_at);
