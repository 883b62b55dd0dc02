// How long a test waits, in milliseconds, for what should be there in a moment: on a busy machine that
// moment can be long, and a test that passes never waits it out.
export const PATIENCE = 90_000
