import { useEffect, useState } from 'preact/hooks'
import { type DisclosedTable, getDisclosure, type Disclosure as Held } from '../../net/account.ts'
import { strings } from '../../strings.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { useTask } from '../task.ts'

/** Rows of a table that are shown; the file has them all. */
const SHOWN = 5

/** Everything that the server's database holds on the account, and a file of it. */
export function Disclosure({ phone }: { phone: string }) {
  const text = strings.disclosure
  const { held, busy, error, ask } = useHeld()
  return (
    <div class="page" data-testid="disclosure">
      <PaneHead title={text.title} up={{ at: 'settings' }} />
      <p>{text.lead}</p>
      <p>{text.noOthers}</p>
      {held ? <Tables held={held} /> : <p role="status">{busy ? text.loading : ''}</p>}
      <div class="actions">
        {held && (
          <button type="button" class="primary" onClick={() => save(held, phone)}>
            {text.save}
          </button>
        )}
        <button type="button" disabled={busy} onClick={ask}>
          {text.again}
        </button>
      </div>
      <p role="alert" class="error">
        {error}
      </p>
    </div>
  )
}

/** What is held, asked for at once and whenever one wants. */
function useHeld() {
  const { busy, error, run } = useTask()
  const [held, setHeld] = useState<Held | null>(null)
  const ask = () =>
    run(async () => {
      setHeld(await getDisclosure())
      return null
    })
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the screen opens
  useEffect(() => void ask(), [])
  return { held, busy, error, ask }
}

function Tables({ held }: { held: Held }) {
  const text = strings.disclosure
  const empty = held.tables.filter(({ rows }) => rows.length === 0)
  return (
    <>
      <p class="hint">{text.asked(held.at * 1_000)}</p>
      <div class="disclosed">
        {held.tables
          .filter(({ rows }) => rows.length > 0)
          .map((table) => (
            <Table key={table.table} table={table} />
          ))}
      </div>
      <Others heading={text.empty} tables={empty} />
      <Others heading={text.nobodys} tables={held.nobodys} />
    </>
  )
}

function Table({ table }: { table: DisclosedTable }) {
  const text = strings.disclosure
  const more = table.rows.length - SHOWN
  return (
    <details data-testid="disclosed">
      <summary>
        <code>{table.table}</code> <span class="tag">{text.rows(table.rows.length)}</span>
        <span class="hint">{table.purpose}</span>
      </summary>
      <p>
        <b>{text.tells}:</b> {table.infer}
      </p>
      <p>
        <b>{text.kept}:</b> {table.retention}
      </p>
      {table.rows.slice(0, SHOWN).map((row) => (
        <Row key={JSON.stringify(row)} table={table} row={row} />
      ))}
      {more > 0 && <p class="hint">{text.more(more)}</p>}
    </details>
  )
}

function Row({ table, row }: { table: DisclosedTable; row: Record<string, string | null> }) {
  return (
    <dl class="row">
      {table.columns.map(({ name, purpose, withheld }) => (
        <div key={name}>
          <dt>
            <code>{name}</code> <span class="hint">{purpose}</span>
          </dt>
          <dd>
            {row[name] ?? <i>{strings.disclosure.blank}</i>}
            {withheld && row[name] && <span class="hint"> {withheld}</span>}
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Others({ heading, tables }: { heading: string; tables: { table: string; purpose: string }[] }) {
  return (
    <section>
      <h2>{heading}</h2>
      <ul>
        {tables.map(({ table, purpose }) => (
          <li key={table}>
            <code>{table}</code>: {purpose}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Hands the person a file. */
function save(held: Held, phone: string): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(held, null, 2)], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = strings.disclosure.file(phone)
  link.click()
  URL.revokeObjectURL(url)
}
