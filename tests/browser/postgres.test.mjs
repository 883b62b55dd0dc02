import { after, describe } from 'node:test'
import { conversation } from './conversation.mjs'
import { Postgres } from './postgres.mjs'

describe('two browsers, on PostgreSQL', () => {
  let cluster
  conversation(async () => {
    cluster = await Postgres.start()
    return cluster.database('letterbox')
  })
  after(() => cluster?.stop())
})
