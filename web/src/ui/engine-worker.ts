/** Starts this tab's worker. */
import workerAddress from '../worker/main.ts?worker&url'

interface ScriptUrlPolicy {
  createScriptURL(address: string): string
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): ScriptUrlPolicy
}

/**
 * Under Trusted Types a worker's address has to come from a policy. The page's only one lets nothing
 * through but this address.
 */
export function startEngineWorker(): Worker {
  const rules = {
    createScriptURL(address: string): string {
      if (address !== workerAddress) throw new TypeError('not the page’s own worker')
      return address
    },
  }
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  const policy = trustedTypes?.createPolicy('letterbox', rules) ?? rules
  return new Worker(policy.createScriptURL(workerAddress), { type: 'module' })
}
