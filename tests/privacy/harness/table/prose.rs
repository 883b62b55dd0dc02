//! What the document says in words.

/// Before the table.
pub(super) const HEAD: &str = "\
# The adversary's harness

*Written by `make privacy`, from a fixed seed. Do not edit it: the words stand in
`tests/privacy/harness/table/`, the figures come from the run.*

The server is given nothing that tells who wrote a letter. It is given times. This page measures what
somebody makes of them who holds the whole database, writes down every request, and knows how the
clients and the people behave: how often their best guess at a sender is right, against a guess at
random, with the defences on and off.

## Method

**The people are simulated; the rest is real.** Each of them has one device or two, and each device
runs the client engine of `protocol/` with a vault, a passkey and a session. Its requests go into the
server's own router, its live socket is the server's own feed (without the bytes of WebSocket), the
database is an SQLite file. Time is the server's injectable clock and the engine's `now`: the harness
goes from one event to the next, so that a day passes in seconds. Random numbers come from one seed, but
for the challenges of passkeys: the same run gives the same sealed requests, byte for byte.

**Who knows whom** is drawn by preferential attachment (Barabási and Albert, two acquaintances for each
newcomer), with log-normal weights and a few pairs who write six times as much as others. **When they
write**: each pair begins conversations as a Poisson process while both are up; a conversation is bursts
of letters, some seven seconds apart; a letter is looked at after a log-normal time (median 12 s), and
answered in two cases of three, after another (median 25 s). People sleep from eleven to seven, give or
take, and so do their machines. The first device is connected all day; of every three people one has a
second device, for a sitting of some forty minutes every few hours. All have receipts given, which is
off unless a person wants it: the worst case for the pool. The first two hours, in which people get to
know each other, are not shown to the adversary.

**The adversary** has the log: of each request its time to the millisecond, its order, path, headers
and body, and, in the account half, which device's session it came with; live sockets with every
acknowledgement; the database as it is after each step. They know everybody's number and devices, the
pool's mean, and how soon people answer on average. They may be the server and alter what it hands out.
They are asked one question of every letter, *who wrote this?*, and choose among those who were
connected when it came (but its recipient): that much is given away by being connected, so that chance
is measured against it and not against all people.

**The figures.** *Chance* is how often a guess at random is right. *Off* and *on* are how often the best
guess is (ties are drawn), with the interval that holds 95 % of 1,000 bootstrap samples over pairs of
people, because letters of one pair are not independent. *AUC* is how likely the true sender scores
above somebody else; 0.5 is chance.

**Off** means that the delayed pool does not delay (mean of a millisecond): receipts, own copies and
answers leave when they come to be. For tokens, off is the same log with a fetch put in before the spend
wherever a client that fetches when it runs out would have fetched. Where an attack looks at something
that the pool has no part in, both columns are two samples of the same thing.

## The table
";

/// The table's rows: the attack's name, what it is, what it means.
pub(super) const ATTACKS: [(&str, &str, &str); 18] = [
    (
        "identifiers",
        "**a. Identifiers**: anything that stands for a person, in a request or in the rows that it left, in any encoding, hashed or reversed",
        "Exactly chance: nothing of anybody's but the recipient's is there. A test in `make test` holds this",
    ),
    (
        "derived",
        "**b. Derived values**: HMAC-SHA-256 under everything public (host, names, all numbers, days, hours) and of it under the value, hashes of pairs and of hashes, cut at every eight bytes; XORs of neighbours and of requests that follow each other",
        "Exactly chance, as above",
    ),
    (
        "tokens",
        "**c. Tokens**: whoever was issued some last",
        "Off is what fetching on demand would give away. On is the log as it is: a batch a day, at a random hour, whatever was used",
    ),
    (
        "envelope counts",
        "**d. Envelopes**: whoever has as many devices as envelopes came",
        "The count is the recipient's devices, and says nothing of the sender",
    ),
    (
        "certificates",
        "**d. Envelopes**: whoever fetched a certificate last before a new session",
        "Certificates are fetched at random times, hours before they are needed",
    ),
    (
        "texts from notes",
        "**e. Size**: did a person write it, or a device?",
        "Known nearly always (but for offers of re-keyings, which look like texts), because short letters of people are smaller than the pool's 4 KiB. It names nobody, and it serves the attacks by time: they can leave out what is no receipt",
    ),
    (
        "copies from receipts",
        "**e. Size**: is a note from the mailbox's owner (a copy) or from somebody else (a receipt)?",
        "One size for both",
    ),
    (
        "own copies",
        "**f. Own copies**: whose own mailbox gets a note after the letter? Of letters by people with two devices",
        "The best attack on people with several devices: few mailboxes on a small server get a note in the time that a copy takes",
    ),
    (
        "receipts",
        "**f. Receipts**: whose mailbox gets a note after the recipient took the letter?",
        "As strong as the pool is short, and as the server is quiet",
    ),
    (
        "re-keyings",
        "**f. Re-keyings**: the claim has a name; whose mailbox gets the answer? Asked of ephemeral keys",
        "Like a receipt. The answer waits in the same pool",
    ),
    (
        "replies",
        "**f. Replies**: who gets a letter about as long after the recipient took this one as people take to answer?",
        "What people do by themselves. The pool has no part in it",
    ),
    (
        "replied to",
        "**f. Replies, the other way**: who took a letter about so long before this one?",
        "As above",
    ),
    (
        "seen last",
        "**f. Seen last**: who did anything under their name last?",
        "Acknowledgements come with a name, and people answer what has just come",
    ),
    (
        "together",
        "**f. All of these times together**, as one likelihood",
        "What an adversary would do. The sum takes each clue to be independent of the others, which they are not: where a single row is higher, it is the better guess",
    ),
    (
        "altered letters",
        "**g. Provoking**: one in three letters to every other person is altered; whose mailbox gets a note after it was handed out, or after it was given up as failed? Asked of altered letters",
        "Altering letters gains nothing: nothing is sent at once, what is told of missing letters an hour or more later goes through the pool, and the receipt that would have come does not. What is left comes from other letters of the same conversation",
    ),
    (
        "altered envelopes",
        "**g. Provoking**: every envelope is altered; whose mailbox gets a note after that, or after its letter was given up? Asked of letters that begin a session",
        "As above",
    ),
    (
        "disclosure",
        "**h. Statistical disclosure** (NDSS 2021): whose mailbox gets more in epochs after a delivery to the target than in epochs at random? Asked once of each target; right is anybody who exchanged five letters with them",
        "Over a day and a half of letters. Replies alone are enough for most of it: see the curve's last line",
    ),
    (
        "disclosure, informed",
        "**h. The same question**, by the sum of the evidence of receipts",
        "The same for somebody who knows how the pool delays",
    ),
];

/// Before the curve.
pub(super) const CURVE: &str = "
## How long the pool should delay

The same population under several means. The first seven columns are how often the best guess is right;
the last two what the delay costs: the median time (and the 95th percentile) from a letter's arrival to
its receipt with the sender, and from sending to the copy on a second device that was on. *No receipts*
is the engine's own mean with receipts off, as they are unless somebody wants them.

";

/// The rule by which a mean is chosen.
pub(super) const RULE: &str = "
Replies cannot be delayed: people make them. Whatever the pool does, an adversary has the column
*replies*. So the pool is long enough once what it delays for people with one device, receipts and
answers to re-keyings, gives a single letter's sender away less often than their replies do: beyond that,
more delay costs those who wait for receipts and copies, and takes little from the adversary. The rule
compares single figures; neighbours on the curve can be within each other's interval.
";

/// After it.
pub(super) const TAIL: &str = "
What the delay costs: nothing that people write waits for it. A receipt, and a letter's copy on a second
device that is on at the same time, come later by about the mean. Where a person uses one device at a
time, as most do, the copy waits in the mailbox before the other one is opened and the delay is not seen.

## What it means

- No *value* that is stored or sent links a sender to a recipient: rows a and b are at chance in every
  digit, and c and d within what luck gives.
- *Times* do. On a server with thirty people, an adversary who writes down the times of all requests and
  acknowledgements guesses the sender of a single letter often, and finds a person's associates within
  days. The pool takes receipts, answers and reactions from them one by one; it does not take statistics
  over many letters, and does not touch replies. Copies for one's own second device stay the plainest
  clue at every mean: only so many people have one.
- The figures are those of a quiet server, on purpose. What hides somebody is how much else happens
  within the pool's delay: a mailbox's notes among everybody's. How the figures fall with more people was
  not measured here; a server for one family hides next to nothing from whoever runs it.
- Receipts are off unless somebody turns them on, and the curve's last line says what that is worth.

## What is not modelled

- **Addresses.** The log has none. With them, a sealed request and a named one from the same address are
  the same person's: see the [threat model](threat-model.md). The harness measures what is left when
  everybody comes through a relay.
- **Observers of the network**, who see packets and not requests.
- **What is known beforehand**: who is whose colleague, or when somebody is on holiday.
- **Clocks and connections**: all latencies are alike, between 15 and 60 ms. A slow network tells devices
  apart, and blurs what is counted here in milliseconds.
- **Cleverer statistics.** The likelihoods take each event by itself. A model of whole conversations would
  do better than the row *all of these times together*, so that row is a lower bound.
- **Other people.** The habits are drawn from distributions that are plausible and not measured. Slower
  answers make replies harder to match, and receipts no harder.
- Devices that are linked, revoked or recovered while the adversary watches; letters with much text,
  which have a size of their own; lookups, each of which comes with a token and names its target only.
- The interval is over pairs of people in one drawn population; another population has other figures.
";
