import { render } from 'preact'
import init, { textLimit } from '../pkg/letterbox_wasm.js'

await init()
const app = document.getElementById('app')
if (app) render(<p>WASM says: {textLimit()}</p>, app)
