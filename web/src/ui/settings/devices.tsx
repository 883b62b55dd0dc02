import { strings } from '../../strings.ts'
import type { Open } from '../../worker/messages.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { hrefOf } from '../route.ts'
import { DeviceEntry } from './device-entry.tsx'

/** The account's devices, and the way to another one. */
export function Devices({ open }: { open: Open }) {
  const text = strings.devices
  return (
    <div class="page" data-testid="devices">
      <PaneHead title={text.heading} up={{ at: 'settings' }} />
      <p>{text.lead}</p>
      {open.devices.length === 0 ? (
        <p>{text.unknown}</p>
      ) : (
        <ul class="devices">
          {open.devices.map((device) => (
            <DeviceEntry key={device.id} device={device} sent={open.historySent} />
          ))}
        </ul>
      )}
      <div class="actions">
        <a class="button primary" href={hrefOf({ at: 'link-device', code: '' })}>
          {text.link}
        </a>
      </div>
    </div>
  )
}
