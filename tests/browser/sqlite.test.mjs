import { describe } from 'node:test'
import { conversation } from './conversation.mjs'

describe('two browsers, on SQLite', () => conversation(() => undefined))
