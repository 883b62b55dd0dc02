import { describe } from 'node:test'
import { devices } from './devices.mjs'

describe('several devices, on SQLite', () => devices(() => undefined))
