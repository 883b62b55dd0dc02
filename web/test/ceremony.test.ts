import { expect, test } from 'vitest'
import { withoutSecrets } from '../src/passkey/ceremony.ts'

test('a PRF result never goes to the server', () => {
  const json = {
    id: 'a',
    clientExtensionResults: { prf: { enabled: true, results: { first: 'secret' } }, credProps: { rk: true } },
    response: { clientDataJSON: 'c', attestationObject: 'o' },
  }
  const posted = withoutSecrets(json, null)
  expect(JSON.stringify(posted)).not.toContain('secret')
  expect(posted.clientExtensionResults).toEqual({ prf: { enabled: true }, credProps: { rk: true } })
})

test('a user handle that the authenticator left out is put back, in sign-ins only', () => {
  const signIn = { response: { signature: 's' } }
  expect(withoutSecrets(signIn, 'handle').response).toEqual({ signature: 's', userHandle: 'handle' })
  const own = { response: { signature: 's', userHandle: 'own' } }
  expect(withoutSecrets(own, 'handle').response).toEqual({ signature: 's', userHandle: 'own' })
  const registration = { response: { attestationObject: 'o' } }
  expect(withoutSecrets(registration, 'handle').response).toEqual({ attestationObject: 'o' })
})
