import { after, describe } from 'node:test'
import { devices } from './devices.mjs'
import { Postgres } from './postgres.mjs'

describe('several devices, on PostgreSQL', () => {
  let cluster
  devices(async () => {
    cluster = await Postgres.start()
    return cluster.database('letterbox')
  })
  after(() => cluster?.stop())
})
