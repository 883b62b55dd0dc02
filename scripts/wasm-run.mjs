// Runs a test binary that was built for WASM. It has no output; the first test that fails ends it with a
// trap, whose stack names the test.
import { readFileSync } from 'node:fs'

Error.stackTraceLimit = 60
const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]))
instance.exports.main(0, 0)
